import { setTimeout as delay } from 'node:timers/promises';
import type { CallId } from '@ideogate/contract';
import { and, desc, eq, getTableColumns, gte, inArray, type SQL, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { getViewConfig, type PgColumn } from 'drizzle-orm/pg-core';
import type { Pool } from '@ideogate/postgres';
import { auditCall, auditEvent } from '../database/schema.ts';
import { storableText } from '../storable.ts';
import { isoFromMicros } from '../timestamp.ts';

type Row = typeof auditCall.$inferSelect;

/**
 * One call of the record: `decided_at` and `ended_at` as RFC 3339 UTC text with microseconds, counts as numbers,
 * text in its stored form (see `storableText`), so that it can be printed as it is.
 */
export type Call = Readonly<Row>;

/** Which calls are listed; what is left out bounds nothing. */
export interface CallFilter {
  /** The token's `sub`. */
  readonly caller?: string;
  /** Operation id. */
  readonly operation?: string;
  readonly result?: 'success' | 'failure';
  readonly state?: Call['state'];
  /** Id of an Ideogram key. */
  readonly key?: string;
  /** The token's `jti`. */
  readonly token?: string;
  /** Reason of a refusal or of an outcome. */
  readonly reason?: string;
  /** Calls decided at this time or after. */
  readonly since?: Date;
}

/** Which part of that list, newest first. */
export interface CallPage extends CallFilter {
  readonly limit: number;
  /** The last call of the page before: the next older ones follow. */
  readonly before?: Pick<Call, 'decidedAt' | 'callId'>;
}

/** Calls that pass the filter, newest first. Throws what Postgres or the network says. */
export async function listCalls(pool: Pool, page: CallPage): Promise<readonly Call[]> {
  const { before } = page;
  const older =
    before &&
    sql`(${auditCall.decidedAt}, ${auditCall.callId}) < (${before.decidedAt}::timestamptz, ${before.callId}::uuid)`;
  const rows = await drizzle(pool)
    .select(FIELDS)
    .from(auditCall)
    .where(and(...conditions(page), older))
    .orderBy(desc(auditCall.decidedAt), desc(auditCall.callId))
    .limit(page.limit);
  return rows.map(asCall);
}

/** One event as the record holds it: `at` as RFC 3339 UTC text, hashes in hex, counts as numbers. */
export type RecordedEvent = Readonly<
  Omit<typeof auditEvent.$inferSelect, 'seq' | 'bytesSent' | 'bytesReceived' | 'costUsdMicros'> &
    Record<'seq', number> &
    Record<'bytesSent' | 'bytesReceived' | 'costUsdMicros', number | null>
>;

/**
 * What the record holds on one call; null when it holds nothing. Of odd duplicates the first counts, and a true outcome
 * before one that says that nobody knows.
 */
export async function showCall(
  pool: Pool,
  callId: CallId,
): Promise<{ readonly decision: RecordedEvent | null; readonly outcome: RecordedEvent | null } | null> {
  const rows = await drizzle(pool)
    .select(EVENT_FIELDS)
    .from(auditEvent)
    .where(eq(auditEvent.callId, callId))
    .orderBy(auditEvent.at, auditEvent.writer, auditEvent.seq);
  if (rows.length === 0) return null;
  const first = (kind: RecordedEvent['kind']) => {
    const some = rows.filter((event) => event.kind === kind);
    const row = some.find(({ result }) => result !== 'unknown') ?? some[0];
    return row === undefined ? null : asEvent(row);
  };
  return { decision: first('decision'), outcome: first('outcome') };
}

const POLL_MS = 500;
const MAX_EVENTS = 1_000;
/** How far a writer's first row may be committed after its time; a busy gateway commits within 2 s. */
const NEW_WRITER_WINDOW = '60 seconds';

/**
 * Calls that pass the filter, as they come into the record: once when decided, and once more when the outcome is
 * there (only once if both came together). Follows each writer's sequence, so a row that commits late isn't missed.
 * Ends when `signal` aborts; throws what Postgres or the network says.
 * @param since where to start; every call from there on is given
 */
export async function* tailCalls(
  pool: Pool,
  filter: CallFilter & { readonly since: Date; readonly pollMs?: number },
  signal: AbortSignal,
): AsyncGenerator<Call, void, void> {
  const { pollMs = POLL_MS, ...conditions } = filter;
  const followed = new Map<string, bigint>();
  let floor = filter.since.toISOString();
  while (!signal.aborted) {
    for (const [writer, seq] of await newWriters(pool, floor, [...followed.keys()]))
      followed.set(writer, seq);
    const events = await eventsAfter(pool, followed);
    for (const { writer, seq } of events) followed.set(writer, latest(followed.get(writer), BigInt(seq)));
    const { rows } = await pool.query<{ floor: string }>(
      `SELECT greatest($1::timestamptz, now() - interval '${NEW_WRITER_WINDOW}')::text AS floor`,
      [floor],
    );
    floor = rows[0]?.floor ?? floor;
    for (const call of await callsOf(pool, conditions, events)) {
      if (signal.aborted) return;
      yield call;
    }
    if (events.length < MAX_EVENTS) await delay(pollMs, undefined, { signal }).catch(() => {});
  }
}

interface Event {
  readonly writer: string;
  readonly seq: string;
  /** Null in a notice. */
  readonly call_id: string | null;
}

async function newWriters(
  pool: Pool,
  floor: string,
  known: readonly string[],
): Promise<readonly [string, bigint][]> {
  const { rows } = await pool.query<{ writer: string; before: string }>(
    `SELECT writer, (min(seq) - 1)::text AS before FROM ideogate.audit_event
     WHERE at >= $1::timestamptz AND writer <> ALL ($2::uuid[]) GROUP BY writer`,
    [floor, known],
  );
  return rows.map(({ writer, before }) => [writer, BigInt(before)]);
}

async function eventsAfter(pool: Pool, followed: ReadonlyMap<string, bigint>): Promise<readonly Event[]> {
  const { rows } = await pool.query<Event>(
    `SELECT e.writer, e.seq::text AS seq, e.call_id
     FROM unnest($1::uuid[], $2::bigint[]) AS f (writer, seq)
     CROSS JOIN LATERAL (
       SELECT writer, seq, call_id, at FROM ideogate.audit_event
       WHERE writer = f.writer AND seq > f.seq ORDER BY seq LIMIT ${MAX_EVENTS}
     ) e
     ORDER BY e.at, e.seq`,
    [[...followed.keys()], [...followed.values()].map(String)],
  );
  return rows;
}

async function callsOf(pool: Pool, filter: CallFilter, events: readonly Event[]): Promise<readonly Call[]> {
  const ids = [...new Set(events.flatMap(({ call_id }) => call_id ?? []))];
  if (ids.length === 0) return [];
  const rows = await drizzle(pool)
    .select(FIELDS)
    .from(auditCall)
    .where(and(inArray(auditCall.callId, ids), ...conditions(filter)))
    .orderBy(auditCall.decidedAt, auditCall.callId);
  return rows.map(asCall);
}

function conditions(filter: CallFilter): (SQL | undefined)[] {
  const { result, state, since } = filter;
  // The record holds text in its storable form, so that is what to look for.
  const holds = (column: PgColumn, text: string | undefined) =>
    text === undefined ? undefined : eq(column, storableText(text));
  return [
    holds(auditCall.subject, filter.caller),
    holds(auditCall.operation, filter.operation),
    holds(auditCall.keyId, filter.key),
    holds(auditCall.tokenId, filter.token),
    holds(auditCall.reason, filter.reason),
    result && eq(auditCall.result, result),
    // The same calls, found by an index: the state is worked out, the decision is stored.
    state === 'refused' ? eq(auditCall.decision, state) : state && eq(auditCall.state, state),
    since && gte(auditCall.decidedAt, since.toISOString()),
  ];
}

// Times are read as microseconds: their text depends on settings of the server.
const FIELDS = {
  ...(getViewConfig(auditCall).selectedFields as { [K in keyof Row]: PgColumn }), // as: the view's own columns
  decidedAt: micros(auditCall.decidedAt),
  endedAt: micros(auditCall.endedAt),
};

const EVENT_FIELDS = {
  ...getTableColumns(auditEvent),
  at: micros(auditEvent.at),
  prevHash: sql<string>`encode(${auditEvent.prevHash}, 'hex')`,
  hash: sql<string>`encode(${auditEvent.hash}, 'hex')`,
};

function asEvent(row: typeof auditEvent.$inferSelect): RecordedEvent {
  // Counts are stored up to 2^53 - 1 only, so a number holds them exactly.
  const { seq, bytesSent, bytesReceived, costUsdMicros } = row;
  return {
    ...row,
    at: isoFromMicros(BigInt(row.at)),
    seq: Number(seq),
    bytesSent: bytesSent === null ? null : Number(bytesSent),
    bytesReceived: bytesReceived === null ? null : Number(bytesReceived),
    costUsdMicros: costUsdMicros === null ? null : Number(costUsdMicros),
  };
}

function micros(column: PgColumn): SQL<string> {
  return sql<string>`(extract(epoch FROM ${column}) * 1000000)::bigint::text`;
}

function asCall(row: Record<keyof Row, unknown>): Call {
  const { decidedAt, endedAt, ...rest } = row as Row; // as: the fields selected are the view's
  return {
    ...rest,
    decidedAt: isoFromMicros(BigInt(decidedAt)),
    endedAt: endedAt === null ? null : isoFromMicros(BigInt(endedAt)),
  };
}

function latest(a: bigint | undefined, b: bigint): bigint {
  return a === undefined || b > a ? b : a;
}
