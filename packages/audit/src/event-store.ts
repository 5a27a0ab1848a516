import { createHash } from 'node:crypto';
import { getTableColumns } from 'drizzle-orm';
import type { ChainedEvent, ChainHead } from './chain.ts';
import { auditEvent } from './schema.ts';
import type { Session } from './session.ts';
import { isoFromMicros } from './timestamp.ts';

const COLUMNS = Object.entries(getTableColumns(auditEvent)).map(([key, column]) => ({
  key: key as keyof typeof auditEvent.$inferSelect, // as: these are the keys of that very table
  name: column.name,
  type: column.getSQLType(),
}));
const NAMES = COLUMNS.map(({ name }) => name).join(', ');
const TYPED = COLUMNS.map(({ name, type }) => `${name} ${type}`).join(', ');

// One statement is one transaction: the writer's lock, the rows, the commit, in one round trip. The lock is taken
// before the first row is made, since every row comes out of a join with it, and let go by the commit. All rows are
// one JSON parameter, so that one prepared statement serves batches of every size. The INSERT-only role may neither
// RETURN nor name a conflict target, and needs neither.
const APPEND = `WITH writer_lock AS MATERIALIZED (SELECT pg_advisory_xact_lock($1::bigint))
  INSERT INTO ideogate.audit_event (${NAMES})
  SELECT ${COLUMNS.map(({ name }) => `r.${name}`).join(', ')}
  FROM writer_lock CROSS JOIN json_to_recordset($2::json) AS r(${TYPED})`;

/** The writer's advisory lock: whoever appends to or reads back a writer's events holds it. */
export function writerLock(writer: string): bigint {
  return createHash('sha256').update(`ideogate writer ${writer}`).digest().readBigInt64BE(0);
}

/** Appends events, all or none. When this throws, they may have been committed all the same: see `appendFailure`. */
export async function appendEvents(
  session: Session,
  writer: string,
  events: readonly ChainedEvent[],
): Promise<void> {
  const rows = events.map((event) => {
    const row: Record<string, unknown> = {};
    for (const { key, name } of COLUMNS) {
      const value = storedValue(event, key);
      // A member that is not there is null to Postgres, and need not be written.
      if (value !== null) row[name] = value;
    }
    return row;
  });
  await session.query({
    name: 'append',
    text: APPEND,
    values: [writerLock(writer).toString(), JSON.stringify(rows)],
  });
}

function storedValue(event: ChainedEvent, key: keyof typeof auditEvent.$inferSelect): unknown {
  if (key === 'at') return isoFromMicros(event.atMicros);
  if (key === 'prevHash' || key === 'hash') return `\\x${event[key]}`;
  const value = event[key];
  return typeof value === 'bigint' ? value.toString() : value;
}

export type ReadBack =
  | 'committed'
  | 'absent'
  /** Somebody else wrote under this writer's name; where that chain stands. */
  | ChainHead;

/**
 * Tells whether a batch whose answer was lost is in the record. Takes the writer's lock first: a commit that is still
 * under way holds it, and looking before it ends would miss its rows.
 * @param reader a session of the read login, used for nothing else
 */
export async function readBack(
  reader: Session,
  writer: string,
  events: readonly ChainedEvent[],
): Promise<ReadBack> {
  const first = events[0];
  if (first === undefined) return 'committed';
  const found = await lockedRead(reader, writer, 'AND seq >= $2 ORDER BY seq LIMIT 1001', [
    first.seq.toString(),
  ]);
  if (found.length === 0) return 'absent';
  if (events.every(({ hash }, index) => found[index]?.hash === hash)) return 'committed';
  return (await readHead(reader, writer)) ?? 'absent';
}

/** Where a writer's chain stands in the record; null when it has no event. */
export async function readHead(reader: Session, writer: string): Promise<ChainHead | null> {
  const [head] = await lockedRead(reader, writer, 'ORDER BY seq DESC LIMIT 1', []);
  return head ?? null;
}

async function lockedRead(
  reader: Session,
  writer: string,
  rest: string,
  values: readonly string[],
): Promise<readonly ChainHead[]> {
  await reader.query({ text: 'BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY' });
  // A statement of its own: the one that reads must see what was committed while this one waited.
  await reader.query({
    text: 'SELECT pg_advisory_xact_lock($1::bigint)',
    values: [writerLock(writer).toString()],
  });
  const { rows } = await reader.query({
    text: `SELECT seq::text AS place, encode(hash, 'hex') AS hash, (extract(epoch FROM at) * 1000000)::bigint::text AS at_micros
      FROM ideogate.audit_event WHERE writer = $1 ${rest}`,
    values: [writer, ...values],
  });
  await reader.query({ text: 'COMMIT' });
  const list = rows as { place: string; hash: string; at_micros: string }[]; // as: the columns selected above
  return list.map(({ place, hash, at_micros }) => ({
    seq: BigInt(place),
    hash,
    atMicros: BigInt(at_micros),
  }));
}
