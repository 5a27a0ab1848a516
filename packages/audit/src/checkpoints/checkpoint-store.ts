import type { Session } from '@ideogate/postgres';

/** A checkpoint as the table holds it: nothing about it is proved. */
export interface StoredCheckpoint {
  readonly number: number;
  /** The whole signed note. */
  readonly note: string;
}

/** What is beyond 15 digits was never signed: a checkpoint's text cannot say it. */
export const END_OF_NUMBERS = 1e15;

/** A chain that may have grown. */
export interface KnownChain {
  readonly writer: string;
  /** Where it stood. */
  readonly seq: number;
  /** The time of that event, or null when that isn't known; microseconds since the Unix epoch. */
  readonly atMicros: bigint | null;
}

/** Where a chain stands. */
export interface ChainEnd {
  readonly writer: string;
  readonly seq: number;
  readonly hash: string;
  readonly atMicros: bigint;
  /** Its writer stopped in order: nothing follows. */
  readonly closed: boolean;
}

// One statement, and so one snapshot. A writer has one batch in flight, so a lower `seq` never commits after a higher
// one: the highest that is seen is a head for good. Times never go back within a writer, which spares the earlier
// months. What is beyond 15 digits was never written by a writer.
const CHAIN_ENDS = `SELECT f.writer, e.seq::text AS seq, encode(e.hash, 'hex') AS hash,
    (extract(epoch FROM e.at) * 1000000)::bigint::text AS at_micros, e.closed
  FROM (
    SELECT k.writer, k.seq, coalesce('epoch'::timestamptz + k.at_micros * interval '1 microsecond', '-infinity') AS at
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS k (writer, seq, at_micros)
    UNION ALL
    SELECT writer, 1, at FROM ideogate.audit_event WHERE seq = 1 AND writer <> ALL ($4::uuid[])
  ) f
  CROSS JOIN LATERAL (
    SELECT seq, hash, at, kind = 'notice' AND result = 'writer-closed' AS closed
    FROM ideogate.audit_event
    WHERE writer = f.writer AND seq >= f.seq AND seq < 1000000000000000 AND at >= f.at
    ORDER BY seq DESC LIMIT 1
  ) e`;

/**
 * Where chains stand now, in one snapshot: those asked for, as far as the database still has their end, and all that
 * are neither asked for nor among `others`.
 * @param reader a session of the read login
 */
export async function chainEnds(
  reader: Session,
  asked: readonly KnownChain[],
  others: readonly string[],
): Promise<readonly ChainEnd[]> {
  const writers = asked.map(({ writer }) => writer);
  const { rows } = await reader.query({
    name: 'chain-ends',
    text: CHAIN_ENDS,
    values: [
      writers,
      asked.map(({ seq }) => seq),
      asked.map(({ atMicros }) => atMicros?.toString() ?? null),
      [...writers, ...others],
    ],
  });
  const list = rows as { writer: string; seq: string; hash: string; at_micros: string; closed: boolean }[]; // as: the columns selected above
  return list.map(({ writer, seq, hash, at_micros, closed }) => ({
    writer,
    seq: Number(seq),
    hash,
    atMicros: BigInt(at_micros),
    closed,
  }));
}

/** At most so many checkpoints before this number, newest first. */
export async function checkpointsBefore(
  reader: Session,
  number: number,
  atMost: number,
): Promise<readonly StoredCheckpoint[]> {
  const list = await reader.rows<{ place: string; note: string }>(
    `SELECT number::text AS place, note FROM ideogate.checkpoint WHERE number < $1
      ORDER BY number DESC LIMIT $2`,
    [number, atMost],
  );
  return list.map(({ place, note }) => ({ number: Number(place), note }));
}

/** The first number after this one that no checkpoint has. */
export async function freeNumberAfter(reader: Session, number: number): Promise<number> {
  const [row] = await reader.rows<{ free: string }>(
    `SELECT (min(number) + 1)::text AS free
      FROM (SELECT $1::bigint AS number UNION ALL SELECT number FROM ideogate.checkpoint WHERE number > $1) taken
      WHERE number < ${END_OF_NUMBERS} AND NOT EXISTS (
        SELECT FROM ideogate.checkpoint next WHERE next.number = taken.number + 1)`,
    [number],
  );
  return Number(row?.free);
}

/** @param appender a session of the append login */
export async function insertCheckpoint(appender: Session, { number, note }: StoredCheckpoint): Promise<void> {
  await appender.query({
    text: 'INSERT INTO ideogate.checkpoint (number, note) VALUES ($1, $2)',
    values: [number, note],
  });
}
