import { hash as digest } from 'node:crypto';
import { getTableColumns } from 'drizzle-orm';
import type { EventColumns } from './event-columns.ts';
import { auditEvent } from './schema.ts';

/**
 * The hash chain of one writer: each event holds the hash of the one before it.
 *
 * An event's hash is SHA-256 over the RFC 8785 form of an object that has one member for each column that is not
 * null, named as the column, `hash` itself left out. Values are strings, so that no reader's number type matters:
 * integers in decimal; `at` as microseconds since the Unix epoch in decimal; booleans `true` and `false`; uuids in
 * lower case with hyphens; bytes as lower-case hex; text as it is stored. `made` is an array of such text.
 */

/** An event at its place in the chain. */
export type ChainedEvent = EventColumns & {
  readonly writer: string;
  /** 1 for a writer's first event, without holes. */
  readonly seq: bigint;
  /** 64 lower-case hex digits: the hash of the event before, or 64 zeros. */
  readonly prevHash: string;
  readonly hash: string;
};

/** Where a writer's chain stands. */
export interface ChainHead {
  readonly seq: bigint;
  readonly hash: string;
  readonly atMicros: bigint;
}

/** The `prev_hash` of a writer's first event: 32 zero bytes. */
const FIRST_PREV_HASH = '0'.repeat(64);

/** The head of a chain that has no event yet. */
export const EMPTY_CHAIN: ChainHead = { seq: 0n, hash: FIRST_PREV_HASH, atMicros: 0n };

// In the order of RFC 8785 section 3.2.3. With names sorted, and values that are well-formed text only, what
// JSON.stringify writes is the canonical form to the byte; a test compares it with a library's.
const COLUMNS = Object.entries(getTableColumns(auditEvent))
  .map(([key, column]) => ({
    key: key as keyof typeof auditEvent.$inferSelect, // as: these are the keys of that very table
    name: column.name,
  }))
  .sort((a, b) => (a.name < b.name ? -1 : 1));

/** 64 lower-case hex digits. */
export function hashEvent(event: Omit<ChainedEvent, 'hash'>): string {
  return digest('sha256', canonicalForm(event), 'hex');
}

/** The RFC 8785 form of an event, as the head of this file tells. */
export function canonicalForm(event: Omit<ChainedEvent, 'hash'>): string {
  const members: Record<string, string | readonly string[]> = {};
  for (const { key, name } of COLUMNS) {
    if (key === 'hash') continue;
    const value = key === 'at' ? event.atMicros : event[key];
    if (value === null) continue;
    members[name] = Array.isArray(value) ? value : String(value);
  }
  return JSON.stringify(members);
}

/** Gives events their places after `head`, in the order given. */
export function chain(
  writer: string,
  head: ChainHead,
  events: readonly EventColumns[],
): readonly ChainedEvent[] {
  let { seq, hash: prevHash } = head;
  return events.map((event) => {
    seq += 1n;
    const placed = { ...event, writer, seq, prevHash };
    const hash = hashEvent(placed);
    prevHash = hash;
    return { ...placed, hash };
  });
}

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
