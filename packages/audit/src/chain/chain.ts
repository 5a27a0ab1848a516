import { hash as digest } from 'node:crypto';
import { getTableColumns } from 'drizzle-orm';
import type { EventColumns } from '../append/event-columns.ts';
import { auditEvent } from '../database/schema.ts';

/**
 * The hash chain of one writer: each event holds the hash of the one before it.
 *
 * An event's hash is SHA-256 over the RFC 8785 form of an object that has one member for each column that is not
 * null, named as the column, `hash` itself left out. Values are strings, so that no reader's number type matters:
 * integers in decimal; `at` as microseconds since the Unix epoch in decimal; booleans `true` and `false`; uuids in
 * lower case with hyphens; bytes as lower-case hex; text as it is stored. `made` is an array of such text.
 */

/** What a writer adds to an event when it takes its place in the chain. */
export interface Place {
  readonly writer: string;
  /** 1 for a writer's first event, without holes. */
  readonly seq: bigint;
  /** Never before that of the event before; microseconds since the Unix epoch. */
  readonly atMicros: bigint;
  /** 64 lower-case hex digits: the hash of the event before, or 64 zeros. */
  readonly prevHash: string;
}

/** An event at its place in the chain. */
export type ChainedEvent = EventColumns & Place & { readonly hash: string };

/** Where a writer's chain stands. */
export interface ChainHead {
  readonly seq: bigint;
  readonly hash: string;
  readonly atMicros: bigint;
}

/** What an event became: its place, its hash, and the very text that was hashed. */
export interface Link extends ChainHead {
  readonly prevHash: string;
  readonly form: string;
}

/** The `prev_hash` of a writer's first event: 32 zero bytes. */
const FIRST_PREV_HASH = '0'.repeat(64);

/** The head of a chain that has no event yet. */
export const EMPTY_CHAIN: ChainHead = { seq: 0n, hash: FIRST_PREV_HASH, atMicros: 0n };

type Key = keyof EventColumns | keyof Place;

/** How Postgres gives the text of columns whose own text is another. */
const SQL_OF_TEXT: Readonly<Record<string, string>> = {
  at: '(extract(epoch FROM at) * 1000000)::bigint::text',
  made: 'array_to_json(made)::text',
  prev_hash: `encode(prev_hash, 'hex')`,
};

// In the order of RFC 8785 section 3.2.3; a test compares what is made of it with what a library writes.
const MEMBERS = Object.entries(getTableColumns(auditEvent))
  .filter(([key]) => key !== 'hash')
  .map(([key, column]) => ({
    key: (key === 'at' ? 'atMicros' : key) as Key, // as: the table's other keys are those of an event and its place
    name: column.name,
    type: column.getSQLType(),
    prefix: `,"${column.name}":`,
  }))
  .sort((a, b) => (a.name < b.name ? -1 : 1));

/** Names of the columns in a form, in its order. */
export const FORM_COLUMNS: readonly string[] = MEMBERS.map(({ name }) => name);

/**
 * The select list that gives each of `FORM_COLUMNS` as its text in a form. Postgres writes a JSON array of texts as
 * RFC 8785 does, so `made` comes as it stands there. None is called as its column, or `ORDER BY seq` would sort texts.
 */
export const FORM_TEXTS = FORM_COLUMNS.map(
  (name) => `${SQL_OF_TEXT[name] ?? `${name}::text`} AS text_of_${name}`,
).join(', ');

const PREFIXES = MEMBERS.map(({ prefix }) => prefix);
const MADE = FORM_COLUMNS.indexOf('made');
/** Numbers, uuids and bytes, whatever anybody puts into them, are written in characters that JSON leaves as they are. */
const ALWAYS_PLAIN = MEMBERS.map(({ type }) => type !== 'text' && type !== 'text[]');

const PLACED: ReadonlySet<Key> = new Set<keyof Place>(['writer', 'seq', 'atMicros', 'prevHash']);
const COLUMNS = MEMBERS.map((member) => ({ ...member, placed: PLACED.has(member.key) }));

/** 64 lower-case hex digits. */
export function hashEvent(event: Omit<ChainedEvent, 'hash'>): string {
  return hashForm(canonicalForm(event, event));
}

function hashForm(form: string): string {
  return digest('sha256', form, 'hex');
}

/** The RFC 8785 form of an event at its place, as the head of this file tells. */
export function canonicalForm(event: EventColumns, place: Place): string {
  const members: Record<string, string | readonly string[]> = {};
  for (const { key, name, placed } of COLUMNS) {
    const value = placed ? place[key as keyof Place] : event[key as keyof EventColumns]; // as: `placed` says which
    if (value !== null) members[name] = typeof value === 'object' ? value : String(value);
  }
  // Members in the order in which they were set, texts escaped as RFC 8785 has it from here.
  return JSON.stringify(members);
}

/** Printable ASCII but quotation mark and backslash stands for itself in JSON. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

function textOf(value: string): string {
  return PLAIN.test(value) ? `"${value}"` : JSON.stringify(value);
}

/** An event and the time it takes its place with. */
export interface Timed {
  readonly columns: EventColumns;
  readonly atMicros: bigint;
}

/**
 * The form again from a row of the record, whose columns come as `FORM_TEXTS` gives them.
 * @param texts in the order of `FORM_COLUMNS`
 */
export function formOfTexts(texts: readonly (string | null)[]): string {
  let members = '';
  for (let index = 0; index < FORM_COLUMNS.length; index++) {
    const text = texts[index];
    if (typeof text === 'string') members += memberOfText(index, text);
  }
  return `{${members.slice(1)}}`;
}

/** One member of a form, with a comma before it, from the text of the column `FORM_COLUMNS[index]`. */
export function memberOfText(index: number, text: string): string {
  if (index === MADE) return PREFIXES[index] + text;
  return PREFIXES[index] + (ALWAYS_PLAIN[index] ? `"${text}"` : textOf(text));
}

/** Gives events their places after `head`, in the order given. */
export function chain(writer: string, head: ChainHead, events: readonly Timed[]): readonly Link[] {
  let { seq, hash: prevHash } = head;
  return events.map(({ columns, atMicros }) => {
    seq += 1n;
    const form = canonicalForm(columns, { writer, seq, atMicros, prevHash });
    const link = { seq, atMicros, prevHash, form, hash: hashForm(form) };
    prevHash = link.hash;
    return link;
  });
}

/** What is wrong at an event: its number, its link to the one before, its own hash, or its time. */
export type ChainFault = 'hole' | 'unlinked' | 'altered' | 'time-went-back';

/**
 * Checks one writer's events, in the order of `seq`, from its first on.
 * @returns the first fault and the `seq` where it shows, or null.
 */
export function verifyChain(events: readonly ChainedEvent[]): { fault: ChainFault; seq: bigint } | null {
  let head = EMPTY_CHAIN;
  for (const event of events) {
    const { seq, hash, atMicros } = event;
    if (seq !== head.seq + 1n) return { fault: 'hole', seq };
    if (event.prevHash !== head.hash) return { fault: 'unlinked', seq };
    if (hashEvent(event) !== hash) return { fault: 'altered', seq };
    if (atMicros < head.atMicros) return { fault: 'time-went-back', seq };
    head = { seq, hash, atMicros };
  }
  return null;
}
