/** The members of a fault that choose one of several ways. */
const CHOICES = {
  reset: ['before', 'within'],
  echoKey: ['header', 'body', 'split-body'],
} as const satisfies Partial<Record<keyof Fault, readonly string[]>>;

/** A way in which the emulator misbehaves. Times in milliseconds. */
export interface Fault {
  /** Waits before it answers. */
  readonly latencyMs?: number;
  /** Answers this status instead of doing the call. */
  readonly status?: number;
  /** Body of the answer: a string as it is, anything else as JSON. */
  readonly body?: unknown;
  /** Resets the connection before the answer, or in the middle of its body. */
  readonly reset?: (typeof CHOICES.reset)[number];
  /** Sends the body in pieces of so many bytes, with a pause after each. */
  readonly drip?: { readonly bytes: number; readonly everyMs: number };
  /** The body goes on with spaces and never ends. */
  readonly neverEnd?: true;
  /** Reads the request and says nothing. */
  readonly neverAnswer?: true;
  /** Answers as soon as the head is there, and closes without reading the body. */
  readonly earlyClose?: { readonly status: number };
  /** Sends the caller's key back: in a header, in the body, or in the body cut in two pieces. */
  readonly echoKey?: (typeof CHOICES.echoKey)[number];
  /** Redirects there (status 302, if no other is named). */
  readonly redirect?: string;
  readonly setCookie?: true;
  /** 80 kB of header fields. */
  readonly hugeHeaders?: true;
  /** Content-Encoding: gzip, asked for or not. */
  readonly compress?: true;
  /** Only calls of this path (exactly, or from its beginning when it ends in `*`) and method. */
  readonly match?: { readonly path?: string; readonly method?: string };
  /** Only so many calls. */
  readonly times?: number;
}

/** Answers as the real API does. */
export const NO_FAULT: Fault = {};

/** The fault in force for all calls. */
export interface FaultBox {
  set(fault: Fault): void;
  show(): Fault;
  /** The fault for this call, if it matches; counts it. */
  take(method: string, path: string): Fault;
}

/** A box with `NO_FAULT` in it. */
export function createFaultBox(): FaultBox {
  let current = NO_FAULT;
  let left = Number.POSITIVE_INFINITY;
  return {
    set(fault) {
      current = fault;
      left = fault.times ?? Number.POSITIVE_INFINITY;
    },
    show: () => current,
    take(method, path) {
      if (left <= 0 || !matches(current, method, path)) return NO_FAULT;
      left--;
      return current;
    },
  };
}

function matches({ match }: Fault, method: string, path: string): boolean {
  if (match?.method !== undefined && match.method.toUpperCase() !== method) return false;
  if (match?.path === undefined) return true;
  return match.path.endsWith('*') ? path.startsWith(match.path.slice(0, -1)) : path === match.path;
}

const status = (value: unknown) => isWhole(value) && value >= 200 && value <= 599;
const switchedOn = (value: unknown) => value === true;
const oneOf =
  (...values: readonly string[]) =>
  (value: unknown) =>
    typeof value === 'string' && values.includes(value);

const MEMBERS: Readonly<Record<keyof Fault, (value: unknown) => boolean>> = {
  latencyMs: isWhole,
  status,
  body: () => true,
  reset: oneOf(...CHOICES.reset),
  drip: (value) =>
    isRecord(value) && isWhole(value['bytes']) && value['bytes'] > 0 && isWhole(value['everyMs']),
  neverEnd: switchedOn,
  neverAnswer: switchedOn,
  earlyClose: (value) => isRecord(value) && status(value['status']),
  echoKey: oneOf(...CHOICES.echoKey),
  redirect: (value) => typeof value === 'string',
  setCookie: switchedOn,
  hugeHeaders: switchedOn,
  compress: switchedOn,
  match: (value) => isRecord(value) && [value['path'], value['method']].every(isOptionalText),
  times: isWhole,
};

/**
 * Every way to misbehave, by its member and, where that has choices, the choice: `drip`, `reset within`. For a table
 * that must leave none out.
 */
export const FAULT_NAMES: readonly string[] = Object.keys(MEMBERS)
  .filter(saysWhat)
  .flatMap((member) => choicesOf(member)?.map((choice) => `${member} ${choice}`) ?? [member]);

/** The ways in which this fault misbehaves, as `FAULT_NAMES` words them. */
export function faultNames(fault: Fault): readonly string[] {
  return Object.entries(fault)
    .filter(([member]) => saysWhat(member))
    .map(([member, value]) => (choicesOf(member) === undefined ? member : `${member} ${value}`));
}

/** The others say when. */
function saysWhat(member: string): boolean {
  return member !== 'match' && member !== 'times';
}

function choicesOf(member: string): readonly string[] | undefined {
  return Object.entries(CHOICES).find(([name]) => name === member)?.[1];
}

/** The fault, or the names of the members that are unknown or have a wrong value. */
export function parseFault(value: unknown): Fault | readonly string[] {
  if (!isRecord(value)) return ['(not a JSON object)'];
  const wrong = Object.entries(value).filter(([name, member]) => {
    const check = Object.hasOwn(MEMBERS, name) ? MEMBERS[name as keyof Fault] : undefined; // as: own name of MEMBERS
    return check === undefined || !check(member);
  });
  return wrong.length > 0 ? wrong.map(([name]) => name) : value;
}

/** Tells a fault that was parsed from the list of what was wrong with it. */
export function isFault(parsed: Fault | readonly string[]): parsed is Fault {
  return !Array.isArray(parsed);
}

/** The fault that a prompt asks for with `fault:{…}`: headers of our own don't get through a gateway. */
export function faultInPrompt(prompt: string): Fault {
  const start = prompt.indexOf('fault:{') + 'fault:'.length;
  if (start < 'fault:'.length) return NO_FAULT;
  // The JSON ends at one of the closing braces; a fault is short, so trying each is cheap.
  for (let end = prompt.indexOf('}', start); end >= 0; end = prompt.indexOf('}', end + 1)) {
    const parsed = tryJson(prompt.slice(start, end + 1));
    if (parsed === undefined) continue;
    const fault = parseFault(parsed);
    return isFault(fault) ? fault : NO_FAULT;
  }
  return NO_FAULT;
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isOptionalText(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}
