import type { QueryConfig, Session } from '@ideogate/postgres';
import type { Position } from '../export/cursors.ts';
import type { CallOfOutcome } from '../append/event-columns.ts';

/** A decision that let a call go on, and no outcome that followed it. */
interface OpenDecision extends Position {
  readonly call: CallOfOutcome & { readonly callId: string };
}

/** How many events are looked at in one statement: some milliseconds' worth. */
const LOOK_AT = 50_000;
const MAX_FOUND = 1_000;

// The outcome may be another writer's: one that closed the gap. `at` spares the earlier months.
const RANGE = `writer = $1 AND seq > $2 AND seq <= $2::bigint + ${LOOK_AT}
  AND at >= 'epoch'::timestamptz + $3::bigint * interval '1 microsecond'
  AND at <= 'epoch'::timestamptz + $4::bigint * interval '1 microsecond'`;

const OPEN = `SELECT d.seq::text AS seq, (extract(epoch FROM d.at) * 1000000)::bigint::text AS at_micros,
    d.call_id, d.environment, d.issuer, d.subject, d.client_id, d.token_id, d.actor, d.operation
  FROM (SELECT * FROM ideogate.audit_event WHERE ${RANGE}) d
  WHERE d.kind = 'decision' AND d.result = 'allowed' AND NOT EXISTS (
    SELECT FROM ideogate.audit_event o WHERE o.call_id = d.call_id AND o.kind = 'outcome' AND o.at >= d.at)
  ORDER BY d.seq LIMIT ${MAX_FOUND}`;

const LAST = `SELECT max(seq)::text AS seq, (extract(epoch FROM max(at)) * 1000000)::bigint::text AS at_micros
  FROM ideogate.audit_event WHERE ${RANGE}`;

const NEXT = `SELECT e.seq::text AS seq, (extract(epoch FROM e.at) * 1000000)::bigint::text AS at_micros
  FROM ideogate.audit_event e
  WHERE writer = $1 AND seq > $2 AND at >= 'epoch'::timestamptz + $3::bigint * interval '1 microsecond'
  ORDER BY e.seq LIMIT 1`;

/** What was found in the next stretch of a chain. */
export interface Stretch {
  /** Oldest first; not all of them if there are very many. */
  readonly open: readonly OpenDecision[];
  /** The last event before the first open decision, or of the stretch. Null when there was nothing to look at. */
  readonly settled: Position | null;
  /** There may be more to look at behind `settled`. */
  readonly more: boolean;
}

/**
 * Looks at the next events of one chain, up to `untilMicros`.
 * @param from the last event that needs no look
 */
export async function openDecisions(
  session: Session,
  writer: string,
  from: Position,
  untilMicros: bigint,
): Promise<Stretch> {
  const values = [writer, from.seq, from.atMicros.toString(), untilMicros.toString()];
  const found = await session.query({ name: 'gaps-open', text: OPEN, values });
  const open = (found.rows as OpenRow[]).map(openDecision); // as: the columns selected above
  const [first] = open;
  if (first !== undefined) {
    const settled = first.seq - 1 > from.seq ? { seq: first.seq - 1, atMicros: first.atMicros } : null;
    return { open, settled, more: false };
  }
  const [last] = await placesOf(session, { name: 'gaps-last', text: LAST, values });
  if (last !== undefined) return { open, settled: last, more: last.seq === from.seq + LOOK_AT };
  const [next] = await placesOf(session, { name: 'gaps-next', text: NEXT, values: values.slice(0, 3) });
  // Sequences have no holes: what is missing left with an archived month.
  if (next === undefined || next.seq === from.seq + 1) return { open, settled: null, more: false };
  return { open, settled: { seq: next.seq - 1, atMicros: next.atMicros }, more: true };
}

async function placesOf(session: Session, query: QueryConfig): Promise<readonly Position[]> {
  const { rows } = await session.query(query);
  const list = rows as { seq: string | null; at_micros: string }[]; // as: the columns selected above
  return list.flatMap(({ seq, at_micros }) =>
    seq === null ? [] : [{ seq: Number(seq), atMicros: BigInt(at_micros) }],
  );
}

interface OpenRow {
  readonly seq: string;
  readonly at_micros: string;
  readonly call_id: string;
  readonly environment: string;
  readonly issuer: string | null;
  readonly subject: string | null;
  readonly client_id: string | null;
  readonly token_id: string | null;
  readonly actor: string | null;
  readonly operation: string | null;
}

function openDecision(row: OpenRow): OpenDecision {
  return {
    seq: Number(row.seq),
    atMicros: BigInt(row.at_micros),
    call: {
      callId: row.call_id,
      environment: row.environment,
      issuer: row.issuer,
      subject: row.subject,
      clientId: row.client_id,
      tokenId: row.token_id,
      actor: row.actor,
      operation: row.operation,
    },
  };
}
