import { type Field, type JsonValue, type Operation, parseStrictJsonBytes } from '@ideogate/contract';
import type { Answer } from './programs/frames.ts';
import type { PassedText } from './text-cases.ts';
import { startReader } from './reader-process.ts';
import type { TextReader, TextWays } from './text-readers.ts';

/** A name, its path in JSON with unit separators between, and what a reader made of its value. */
type Seen = readonly [name: string, value: string];

/** What one reader made of the texts that passed. */
export interface TextResult {
  readonly name: string;
  readonly of: 'json' | 'query';
  readonly version: string;
  readonly read: number;
  /** Texts that it gave up on. */
  readonly gaveUp: number;
  readonly disagreements: readonly { readonly text: string; readonly faults: readonly string[] }[];
  /** Why it gave up, and how often. */
  readonly reasons: ReadonlyMap<string, number>;
}

/** How many texts a reader holds at once. */
const AHEAD = 64;

/** Lets a reader read all texts of its kind, and holds what it saw against what the gateway did. @throws when it doesn't start. */
export async function readTexts(program: TextReader, all: readonly PassedText[]): Promise<TextResult> {
  const passed = all.filter(({ of }) => of === program.of);
  const reader = await startReader({ ...program, ways: {} });
  const disagreements: { text: string; faults: readonly string[] }[] = [];
  const reasons = new Map<string, number>();
  let gaveUp = 0;
  try {
    for (let at = 0; at < passed.length; at += AHEAD) {
      const some = passed.slice(at, at + AHEAD);
      const answers = await Promise.all(some.map(({ of, text }) => reader.read({ type: of, body: text })));
      for (const [index, one] of some.entries()) {
        const answer = answers[index];
        if (answer === undefined) continue;
        if (answer.refused !== undefined) {
          gaveUp++;
          const reason = answer.refused
            .replaceAll(/[^\x20-\x7e]/g, '?')
            .replaceAll(/\d+/g, 'N')
            .slice(0, 60);
          reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
        }
        const faults = faultsOf(program, one, answer);
        if (faults.length > 0) disagreements.push({ text: one.text.toString(), faults });
      }
    }
  } finally {
    await reader.close();
  }
  const { name, of } = program;
  return { name, of, version: reader.version, read: passed.length, gaveUp, disagreements, reasons };
}

function faultsOf(
  { ways }: TextReader,
  { of, operation, text, limited }: PassedText,
  answer: Answer,
): readonly string[] {
  const seen = answer.entries.map(([name, base64]): Seen => [name, Buffer.from(base64, 'base64').toString()]);
  const decided = of === 'json' ? ofJson(text) : ofQuery(text, ways.lastOnly === true);
  const due = decided.map(keyOf);
  const faults: string[] = [];
  for (const entry of seen) {
    const at = due.indexOf(keyOf(entry));
    if (at >= 0) due.splice(at, 1);
    else if (matters(entry, ways, operation, decided)) faults.push(`saw ${shown(entry)}`);
  }
  const partial = ways.fieldsOnly === true || ways.decodesFirst === true || answer.refused !== undefined;
  if (!partial)
    faults.push(...due.map((key) => `did not see ${key.replaceAll('\u001f', '.').slice(0, 200)}`));
  for (const entry of seen) faults.push(...forbidden(entry, of, operation, limited));
  return faults;
}

/** What the gateway decided on, as an independent reader of it tells: values by their paths. */
function ofJson(text: Buffer): readonly Seen[] {
  const seen: Seen[] = [];
  const walk = (path: string, value: JsonValue) => {
    if (typeof value !== 'object' || value === null) {
      const kind = typeof value === 'string' ? 'text ' : typeof value === 'number' ? 'number ' : '';
      seen.push([path, `${kind}${String(value)}`]);
      return;
    }
    seen.push([path, Array.isArray(value) ? '[]' : '{}']);
    for (const [name, inner] of Object.entries(value)) walk(`${path}\u001f${name}`, inner);
  };
  walk('', parseStrictJsonBytes(text));
  return seen;
}

function ofQuery(text: Buffer, lastOnly: boolean): readonly Seen[] {
  const pairs: Seen[] = text
    .toString()
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [name = '', ...rest] = pair.split('=');
      return [name, decodeURIComponent(rest.join('=').replaceAll('+', ' '))];
    });
  return lastOnly ? [...new Map(pairs.map((pair) => [pair[0], pair])).values()] : pairs;
}

/** Numbers are compared as numbers: readers print them in their own ways. */
function keyOf([name, value]: Seen): string {
  const number = /^number (.*)$/.exec(value)?.[1];
  return `${name}: ${number === undefined ? value : `number ${Object.is(Number(number), -0) ? 0 : Number(number)}`}`;
}

const plain = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

/** Whether what a reader saw otherwise is more than a known way of its own. */
function matters([name]: Seen, ways: TextWays, operation: Operation, decided: readonly Seen[]): boolean {
  const [, top = ''] = name.split('\u001f');
  // Which fields a service looks for is only known where the catalogue knows them.
  if (ways.fieldsOnly === true) return declares(operation.fields ?? [], top);
  // It ends a value at an escaped `&` or `=`, and takes what follows for a name of its own.
  if (ways.decodesFirst === true) {
    const other = plain(name) === 'dryrun' || declares(operation.query, name);
    return other && decided.every(([known]) => known !== name);
  }
  return true;
}

function declares(fields: readonly Field[], name: string): boolean {
  return fields.some((field) => plain(field.name) === plain(name));
}

/** What no reader may see, whatever the gateway saw. Written apart from the gateway's own rules. */
function forbidden(
  [name, value]: Seen,
  of: PassedText['of'],
  operation: Operation,
  limited: boolean,
): string[] {
  const seen = plain(name.normalize('NFKC'));
  if (seen.includes('webhookurl') && value !== 'null') return [`sees ${shown([name, value])}`];
  if (!limited || of === 'query') return [];
  return (operation.limited ?? []).flatMap((bound) => {
    if (seen !== plain(bound.field) || value === 'null') return [];
    if ('forbidden' in bound) return [`sees ${name}, which is forbidden`];
    const number = Number(/^number (.*)$/.exec(value)?.[1]);
    const within =
      'max' in bound
        ? number > 0 && number <= bound.max
        : bound.oneOf.some((word) => value === `text ${word}`);
    return within ? [] : [`sees ${shown([name, value])}, past its bound`];
  });
}

function shown([name, value]: Seen): string {
  return `${JSON.stringify(name.replaceAll('\u001f', '.'))} as ${JSON.stringify(value.slice(0, 120))}`;
}
