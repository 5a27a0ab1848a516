import type { QueryArrayConfig, Session } from '@ideogate/postgres';
import { FORM_COLUMNS } from '../chain/chain.ts';
import { checkpointLine, eventLine, LINE_TEXTS } from '../chain/ndjson.ts';
import type { Position, Positions } from './cursors.ts';

/** Lines on their way out, and where the chains stand once they are there. */
export interface Batch {
  readonly lines: readonly string[];
  readonly positions: Positions;
}

/** A chain with events that are to be read. */
export interface Backlog {
  readonly writer: string;
  /** The last event that was read. */
  readonly from: Position;
  /** The last event to read. */
  readonly upTo: number;
}

/** Events that left the database before they were read. */
export interface Missing {
  readonly writer: string;
  readonly from: number;
  readonly to: number;
}

/** What one delivery holds at most, if no single event is larger. */
const MAX_BYTES = 4_194_304;

// Chain by chain, each in its order: the join goes through the list, and reads no chain that it needn't.
const EVENTS = `SELECT ${LINE_TEXTS}
  FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[]) AS f (chain, after, after_micros, up_to)
  CROSS JOIN LATERAL (
    SELECT * FROM ideogate.audit_event e
    WHERE e.writer = f.chain AND e.seq > f.after AND e.seq <= f.up_to
      AND e.at >= 'epoch'::timestamptz + f.after_micros * interval '1 microsecond'
    ORDER BY e.seq LIMIT $5
  ) event
  LIMIT $5`;

const WRITER = FORM_COLUMNS.indexOf('writer');
const SEQ = FORM_COLUMNS.indexOf('seq');
const AT = FORM_COLUMNS.indexOf('at');

/**
 * Reads the next events, chain by chain in the order of the list.
 * @param missing told of what should be there and isn't
 */
export async function readBatch(
  session: Session,
  backlog: readonly Backlog[],
  limit: number,
  missing: (missing: Missing) => void,
): Promise<Batch> {
  const query: QueryArrayConfig = {
    name: 'out-events',
    text: EVENTS,
    values: [
      backlog.map(({ writer }) => writer),
      backlog.map(({ from }) => from.seq),
      backlog.map(({ from }) => from.atMicros.toString()),
      backlog.map(({ upTo }) => upTo),
      limit,
    ],
    rowMode: 'array',
  };
  const rows: readonly (readonly (string | null)[])[] = (await session.query(query)).rows; // every column is a text
  const positions = new Map(backlog.map(({ writer, from }) => [writer, from]));
  const moved = new Map<string, Position>();
  const lines: string[] = [];
  let bytes = 0;
  for (const texts of rows) {
    const line = eventLine(texts);
    bytes += line.length;
    if (bytes > MAX_BYTES && lines.length > 0) break;
    lines.push(line);
    const writer = texts[WRITER] ?? '';
    const seq = Number(texts[SEQ]);
    const before = positions.get(writer)?.seq ?? 0;
    if (seq > before + 1) missing({ writer, from: before + 1, to: seq - 1 });
    const position = { seq, atMicros: BigInt(texts[AT] ?? 0) };
    positions.set(writer, position);
    moved.set(writer, position);
  }
  return { lines, positions: moved };
}

/** Checkpoints are followed as if one writer had written them. */
export const CHECKPOINTS = '00000000-0000-0000-0000-000000000000';
/** One may list the heads of all chains. */
const MAX_CHECKPOINTS = 100;

/** The number of the last checkpoint; 0 when there is none. */
export async function lastCheckpoint(session: Session): Promise<number> {
  const [row] = await session.rows<{ last: string }>(
    'SELECT coalesce(max(number), 0)::text AS last FROM ideogate.checkpoint',
  );
  return Number(row?.last ?? 0);
}

/** Reads the next checkpoints up to a number, at most so many. */
export async function readCheckpoints(
  session: Session,
  after: number,
  upTo: number,
  limit: number,
): Promise<Batch> {
  const list = await session.rows<{ place: string; note: string }>(
    `SELECT c.number::text AS place, note FROM ideogate.checkpoint c
      WHERE c.number > $1 AND c.number <= $2 ORDER BY c.number LIMIT $3`,
    [after, upTo, Math.min(limit, MAX_CHECKPOINTS)],
  );
  const last = list.at(-1);
  return {
    lines: list.map(({ note }) => checkpointLine(note)),
    positions: new Map(last && [[CHECKPOINTS, { seq: Number(last.place), atMicros: 0n }]]),
  };
}

// One look into the index of `(writer, seq, at)` for each writer there is.
const BEHEADED = `WITH RECURSIVE chain AS (
    (SELECT writer FROM ideogate.audit_event ORDER BY writer LIMIT 1)
    UNION ALL
    SELECT (SELECT e.writer FROM ideogate.audit_event e WHERE e.writer > chain.writer ORDER BY e.writer LIMIT 1)
    FROM chain WHERE chain.writer IS NOT NULL
  )
  SELECT writer FROM chain
  WHERE writer IS NOT NULL
    AND NOT EXISTS (SELECT FROM ideogate.audit_event e WHERE e.writer = chain.writer AND e.seq = 1)`;

/**
 * Chains that have lost their first event, by which chains are found: archived, or taken away by somebody. What is left
 * of these goes out too, for whoever verifies it to see what is missing.
 * @param session of the read login
 */
export async function beheadedChains(session: Session): Promise<readonly string[]> {
  const { rows } = await session.query({ text: BEHEADED });
  return (rows as { writer: string }[]).map(({ writer }) => writer); // as: the column selected above
}
