import { type Session, SHORT_TIMEOUTS, withSession } from '@ideogate/postgres';

/** The last event of a chain that a reader is done with. */
export interface Position {
  readonly seq: number;
  /** The time of that event, or one before it; microseconds since the Unix epoch. */
  readonly atMicros: bigint;
}

/** Positions by writer. */
export type Positions = ReadonlyMap<string, Position>;

/** How far a reader has come. @param session of the read login */
export async function positionsOf(session: Session, reader: string): Promise<Positions> {
  const list = await session.rows<{ writer: string; seq: string; at_micros: string }>(
    `SELECT writer, seq::text AS seq, (extract(epoch FROM at) * 1000000)::bigint::text AS at_micros
      FROM ideogate.chain_position WHERE reader = $1`,
    [reader],
  );
  return new Map(
    list.map(({ writer, seq, at_micros }) => [writer, { seq: Number(seq), atMicros: BigInt(at_micros) }]),
  );
}

/**
 * Keeps how far a reader has come; a position never goes back.
 * @param appendUrl the append login, in a session of its own
 */
export async function advancePositions(
  appendUrl: string,
  reader: string,
  positions: Positions,
): Promise<void> {
  if (positions.size === 0) return;
  const list = [...positions.values()];
  await withSession(appendUrl, 'ideogate-positions', SHORT_TIMEOUTS, (session) =>
    session.rows('SELECT ideogate.advance_positions($1, $2, $3, $4)', [
      reader,
      [...positions.keys()],
      list.map(({ seq }) => seq),
      list.map(({ atMicros }) => atMicros.toString()),
    ]),
  );
}
