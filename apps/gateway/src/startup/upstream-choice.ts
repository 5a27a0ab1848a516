import type { Settings } from '@ideogate/config';
import { isLoopback } from '@ideogate/contract';
import { OPERATIONS } from '@ideogate/ideogram';
import type { EnvironmentPolicy, Release } from '@ideogate/policy';
import {
  type ConfiguredKey,
  configuredKeyId,
  faultOfKey,
  holdKey,
  KeyError,
  type KeySlot,
  readKeyFile,
} from '@ideogate/upstream-keys';

const REAL_UPSTREAM = 'https://api.ideogram.ai';

/** Which keys, and which upstream they are for. */
export type UpstreamChoice =
  | { readonly kind: 'emulator' }
  | {
      readonly kind: 'configured';
      readonly origin: string;
      readonly keys: Readonly<Record<KeySlot, ConfiguredKey>>;
      /** All that were given, used or not. */
      readonly all: readonly ConfiguredKey[];
    }
  /** From the sealed store. */
  | { readonly kind: 'sealed'; readonly origin: string };

/** Keys and upstream, by variables and policy; what is wrong goes to `faults`, and shows no key. */
export function readUpstream(
  { values, named }: Settings,
  policy: EnvironmentPolicy | undefined,
  faults: string[],
): UpstreamChoice {
  const names = {
    read: policy?.keys.read ?? 'IDEOGRAM_READ_KEY',
    write: policy?.keys.write ?? 'IDEOGRAM_WRITE_KEY',
  };
  const both = readConfigured('IDEOGRAM_API_KEY', named, faults);
  const slots = {
    read: readConfigured(names.read, named, faults),
    write: readConfigured(names.write, named, faults),
  };
  const base = values.upstream.baseUrl;
  if (base !== null && !isOrigin(base)) {
    faults.push(
      'IDEOGRAM_BASE_URL must be an https origin such as https://api.ideogram.ai, without a path; plain http only on loopback.',
    );
  }
  const wanted = base ?? policy?.upstream ?? REAL_UPSTREAM;
  // A fault is told once, here: what follows gets an origin that passes.
  const origin = isOrigin(wanted) ? wanted : REAL_UPSTREAM;
  const all = [both, slots.read, slots.write].filter((key) => key !== null);
  if (values.upstreamKeys.from === 'sealed') {
    if (all.length > 0)
      faults.push(
        `IDEOGATE_KEYS=sealed takes keys from the sealed store alone: unset ${all.map(({ variable }) => variable).join(' and ')} once the keys are in it.`,
      );
    return { kind: 'sealed', origin };
  }
  const read = slots.read ?? both;
  const write = slots.write ?? both;
  if (read === null && write === null) {
    if (base !== null) {
      faults.push(
        `IDEOGRAM_BASE_URL names an upstream, but there is no key for it: set IDEOGRAM_API_KEY, or ${names.read} and ${names.write}.`,
      );
    }
    return { kind: 'emulator' };
  }
  if (read === null || write === null) {
    const [set, unset] = read === null ? [names.write, names.read] : [names.read, names.write];
    faults.push(`${set} is set but ${unset} is not: set both, or IDEOGRAM_API_KEY.`);
    return { kind: 'emulator' };
  }
  return { kind: 'configured', origin, keys: { read, write }, all };
}

/** The key of a variable, or of the file that the same name with `_FILE` names. */
function readConfigured(variable: string, named: Settings['named'], faults: string[]): ConfiguredKey | null {
  const text = named(variable);
  const fileVariable = `${variable}_FILE`;
  const file = named(fileVariable);
  if (text !== undefined && file !== undefined) {
    faults.push(`${variable} and ${fileVariable} are both set: which of them is the key? Unset one.`);
    return null;
  }
  if (file !== undefined) {
    const open = (fingerprintSecret: string) => readKeyFile(file, fileVariable, fingerprintSecret);
    try {
      open('to see whether it is one').destroy();
    } catch (error) {
      if (!(error instanceof KeyError)) throw error;
      faults.push(`${error.message}.`);
    }
    return { variable: fileVariable, file, open };
  }
  if (text === undefined) return null;
  const fault = faultOfKey(text);
  if (fault !== null) faults.push(`${variable} ${fault}.`);
  return { variable, file: null, open: (secret) => holdKey(Buffer.from(text, 'latin1'), secret, variable) };
}

/** A key serves one environment: one that another environment's variable holds too is refused, by names alone. */
export function refuseKeysOfOthers(
  release: Release,
  policy: EnvironmentPolicy,
  upstream: UpstreamChoice,
  named: Settings['named'],
  faults: string[],
): void {
  // A key that is none was told of already.
  if (upstream.kind !== 'configured' || faults.length > 0) return;
  const idOf = (key: ConfiguredKey) => configuredKeyId(key, 'to compare');
  const own = new Set<string | null>([policy.keys.read, policy.keys.write]);
  for (const { variable } of upstream.all) own.add(variable.replace(/_FILE$/, ''));
  const ids = new Set(upstream.all.map(idOf));
  for (const { name, keys } of release.environments.values()) {
    for (const variable of new Set([keys.read, keys.write])) {
      if (variable === null || own.has(variable)) continue;
      // Whether it would do as a key is not ours to say: it is another environment's.
      const theirs = readConfigured(variable, named, []);
      if (theirs !== null && faultless(theirs) && ids.has(idOf(theirs)))
        faults.push(
          `${theirs.variable}, the key of ${name}, is also a key of ${policy.name}: each needs its own.`,
        );
    }
  }
}

function faultless({ open }: ConfiguredKey): boolean {
  try {
    open('to see whether it is one').destroy();
    return true;
  } catch {
    return false;
  }
}

/** What a key is tried with: a GET that needs a key, changes nothing and costs nothing. */
export interface KeyCheckCall {
  readonly path: string;
  /** Statuses by which it says that the key is bad. */
  readonly refusedStatus: readonly number[];
}

/** What is wrong with the path goes to `faults`. */
export function readKeyCheck(path: string, faults: string[]): KeyCheckCall {
  const operation = OPERATIONS.find((each) => each.method === 'GET' && each.path === path);
  if (operation?.capability === 'read' && operation.price.kind === 'free')
    return { path, refusedStatus: operation.keyRefusedStatus };
  const usable = OPERATIONS.filter(
    ({ method, capability, price, path: of }) =>
      method === 'GET' && capability === 'read' && price.kind === 'free' && !of.includes('{'),
  ).map(({ path: of }) => of);
  faults.push(
    `IDEOGATE_KEYS_CHECK_PATH must be a path that needs a key and costs nothing: ${usable.join(', ')}.`,
  );
  return { path: '/models', refusedStatus: [] };
}

function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.pathname !== '/' || url.search || url.hash || url.username || url.password) return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}
