import type { Operation } from '@ideogate/contract';
import type { SeenPart } from './our-reading.ts';
import type { Answer } from './programs/frames.ts';
import type { Ways } from './reader.ts';

type Entry = Answer['entries'][number];

/** In the place of a value: any. */
const ANY = '*';

/**
 * What is wrong with a reader's view of a form that passed: fields that the gateway did not see or saw otherwise, and,
 * whatever it saw, fields past their bound or named `webhook_url`. Empty when all is well. A reader that gave up may have
 * seen less, but nothing else.
 */
export function disagreements(
  { entries, refused }: Answer,
  parts: readonly SeenPart[],
  ways: Ways,
  operation: Operation,
  limited: boolean,
): readonly string[] {
  const expected = parts.map((part) => entryOf(part, ways));
  const due = lastOf(expected, ways).map(textOf);
  const faults: string[] = [];
  for (const entry of entries) {
    const at = due.findIndex((text) => [textOf(entry), textOf([entry[0], ANY, entry[2]])].includes(text));
    if (at >= 0) due.splice(at, 1);
    else if (refused === undefined || !isBeginning(entry, expected)) faults.push(`saw ${shown(entry)}`);
  }
  if (refused === undefined) faults.push(...due.map((text) => `did not see ${text.slice(0, 200)}`));
  for (const entry of entries) faults.push(...forbidden(entry, operation, limited));
  return faults;
}

function entryOf({ name, base64, file, typed }: SeenPart, ways: Ways): Entry {
  switch (ways.fileBy) {
    case 'content-type':
      return [name, typed || file === 'none' ? base64 : ANY, typed];
    case 'plain-file-name':
      return [name, file === 'extended' ? ANY : base64, file === 'plain'];
    default:
      return [name, base64, file !== 'none'];
  }
}

/** Of equal names the last, where a reader keeps no more. */
function lastOf(entries: readonly Entry[], { lastOf: key }: Ways): readonly Entry[] {
  if (key === undefined) return entries;
  const keyOf = ([name, , file]: Entry) => (key === 'name' ? name : `${file ? 'file' : 'text'} ${name}`);
  return [...new Map(entries.map((entry) => [keyOf(entry), entry])).values()];
}

/** What a reader had of a part when it gave up. */
function isBeginning([name, base64]: Entry, expected: readonly Entry[]): boolean {
  const bytes = Buffer.from(base64, 'base64').toString('latin1');
  return expected.some(
    ([other, whole]) => other === name && Buffer.from(whole, 'base64').toString('latin1').startsWith(bytes),
  );
}

/** What no reader may see, whatever the gateway saw. Written apart from the gateway's own rules. */
function forbidden([name, base64]: Entry, operation: Operation, limited: boolean): string[] {
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  if (plain.includes('webhookurl')) return [`sees ${name}`];
  if (!limited) return [];
  const value = Buffer.from(base64, 'base64').toString();
  return (operation.limited ?? []).flatMap((bound) => {
    const same = plain === bound.field.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
    if (!same) return [];
    if ('forbidden' in bound) return [`sees ${name}, which is forbidden`];
    const within =
      'max' in bound ? Number(value) > 0 && Number(value) <= bound.max : bound.oneOf.includes(value);
    return within ? [] : [`sees ${name}=${value.slice(0, 40)}, past its bound`];
  });
}

function textOf([name, base64, file]: Entry): string {
  return `${file ? 'file' : 'text'} ${name} ${base64}`;
}

function shown([name, base64, file]: Entry): string {
  return `${file ? 'file' : 'text'} ${JSON.stringify(name)} ${JSON.stringify(Buffer.from(base64, 'base64').toString('latin1').slice(0, 120))}`;
}
