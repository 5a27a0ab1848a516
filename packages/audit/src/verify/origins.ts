import { hash as digest } from 'node:crypto';
import type { EventOfLine } from '../chain/ndjson.ts';

/** 64 hex digits. */
export function hashOfForm(form: string): string {
  return digest('sha256', form, 'hex');
}

/** How far from its place an event is looked for, in events. */
const REACH = 100;

/**
 * The place under which an event's hash is right, if it isn't its own but one nearby: it was moved. A text in the form
 * can't be taken for the member, since its quotation marks are escaped there.
 */
export function originOf({ form, seq, hash }: EventOfLine): number | null {
  for (let distance = 1; distance <= REACH; distance++) {
    for (const origin of [seq + distance, seq - distance]) {
      if (origin >= 1 && hashOfForm(form.replace(/"seq":"[0-9]+"/, `"seq":"${origin}"`)) === hash)
        return origin;
    }
  }
  return null;
}

/** An event's form, and the hash that it came with. */
type Hashed = Pick<EventOfLine, 'form' | 'hash'>;

type Form = Readonly<Record<string, unknown>>;

/** What stays when the content of two events is exchanged. */
const PLACE: ReadonlySet<string> = new Set(['writer', 'seq', 'prev_hash']);

/** What two events may have exchanged. */
const EXCHANGES: readonly ((member: string) => boolean)[] = [
  (member) => member === 'seq',
  (member) => member === 'at',
  (member) => !PLACE.has(member),
];

/** Whether two events whose hashes are wrong are right once something of them is exchanged. */
export function areExchanged(one: Hashed, other: Hashed): boolean {
  const [a, b] = [membersOf(one.form), membersOf(other.form)];
  return EXCHANGES.some(
    (moves) =>
      hashOfForm(withMembers(a, b, moves)) === one.hash &&
      hashOfForm(withMembers(b, a, moves)) === other.hash,
  );
}

function membersOf(form: string): Form {
  return JSON.parse(form) as Form; // as: a form is an object
}

function withMembers(own: Form, other: Form, moves: (member: string) => boolean): string {
  const members = [
    ...Object.entries(own).filter(([name]) => !moves(name)),
    ...Object.entries(other).filter(([name]) => moves(name)),
  ];
  return JSON.stringify(Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1))));
}
