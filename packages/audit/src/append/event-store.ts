import { getTableColumns } from 'drizzle-orm';
import type { ChainHead, Link } from '../chain/chain.ts';
import { auditEvent } from '../database/schema.ts';
import { lockOfText, type Session } from '@ideogate/postgres';

/** How the members of a canonical form that are not texts of their column become so. */
const TYPE_OF_ITS_FORM: Readonly<Record<string, string>> = { at: 'bigint', prev_hash: 'text', hash: 'text' };
const STORED: Readonly<Record<string, string>> = {
  // Exact: a double holds every microsecond before the year 2255.
  at: `'epoch'::timestamptz + r.at * interval '1 microsecond'`,
  prev_hash: `decode(r.prev_hash, 'hex')`,
  hash: `decode(r.hash, 'hex')`,
};

const COLUMNS = Object.values(getTableColumns(auditEvent)).map((column) => ({
  name: column.name,
  type: TYPE_OF_ITS_FORM[column.name] ?? column.getSQLType(),
  stored: STORED[column.name] ?? `r.${column.name}`,
}));

const NAMES = COLUMNS.map(({ name }) => name).join(', ');
const STORED_VALUES = COLUMNS.map(({ stored }) => stored).join(', ');
const LINE_COLUMNS = COLUMNS.map(({ name, type }) => `${name} ${type}`).join(', ');

// One statement is one transaction: the writer's lock, the rows, the commit, in one round trip. The lock is taken
// before the first row is made, since every row comes out of a join with it, and let go by the commit. All rows are
// one JSON parameter, so that one prepared statement serves batches of every size. The INSERT-only role may neither
// RETURN nor name a conflict target, and needs neither.
const APPEND = `WITH writer_lock AS MATERIALIZED (SELECT pg_advisory_xact_lock($1::bigint))
  INSERT INTO ideogate.audit_event (${NAMES})
  SELECT ${STORED_VALUES}
  FROM writer_lock CROSS JOIN json_to_recordset($2::json) AS r(${LINE_COLUMNS})`;

// The same, for a batch that closes gaps: it fails whole when one of them was closed before.
const APPEND_CLOSING = APPEND.replace(
  'INSERT',
  ', gaps AS MATERIALIZED (SELECT ideogate.close_gaps($3::uuid[])) INSERT',
).replace('FROM writer_lock', 'FROM writer_lock CROSS JOIN gaps');

/** The writer's advisory lock: whoever appends to or reads back a writer's events holds it. */
export function writerLock(writer: string): bigint {
  return lockOfText(`ideogate writer ${writer}`);
}

/**
 * Appends events, all or none: what was hashed is what is sent. When this throws, they may have been committed all
 * the same: see `appendFailure`.
 * @param lock `writerLock` of the writer
 * @param closings the calls whose gaps these events close
 */
export async function appendEvents(
  session: Session,
  lock: bigint,
  links: readonly Link[],
  closings: readonly string[],
): Promise<void> {
  const rows = links.map(({ form, hash }) => `${form.slice(0, -1)},"hash":"${hash}"}`);
  const values = [lock.toString(), `[${rows.join(',')}]`];
  await session.query(
    closings.length === 0
      ? { name: 'append', text: APPEND, values }
      : { name: 'append-closing', text: APPEND_CLOSING, values: [...values, closings] },
  );
}

/**
 * Inserts events given as lines (see chain/ndjson.ts) into a table that has the record's columns.
 * @param table schema and name, from no input
 */
export async function insertLines(session: Session, table: string, lines: readonly string[]): Promise<void> {
  await session.query({
    text: `INSERT INTO ${table} (${NAMES}) SELECT ${STORED_VALUES} FROM json_to_recordset($1::json) AS r(${LINE_COLUMNS})`,
    values: [`[${lines.join(',')}]`],
  });
}

/** What became of a batch whose answer was lost. */
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
export async function readBack(reader: Session, writer: string, events: readonly Link[]): Promise<ReadBack> {
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
async function readHead(reader: Session, writer: string): Promise<ChainHead | null> {
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
