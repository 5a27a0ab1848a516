import type { Pool } from '@ideogate/postgres';
import { isoFromMicros } from '../timestamp.ts';
import { boundIn } from './bound-of-writer.ts';
import { GAPS_READER } from './close-gaps.ts';

/** A call that was let go on, and whose end isn't in the record. Text in its stored form, so that it can be printed. */
export interface Gap {
  readonly callId: string;
  /** `gap`: closed, since nobody knows how it ended. `open`: not closed (yet). */
  readonly state: 'gap' | 'open';
  /** Since when: when it was closed, or decided; RFC 3339 UTC with microseconds. */
  readonly since: string;
  readonly decidedAt: string;
  /** Why nobody knows; null while it is open. */
  readonly reason: string | null;
  /** Of an open one: whether it has taken longer than its writer allows. Null when the writer didn't say. */
  readonly overdue: boolean | null;
  readonly subject: string | null;
  readonly operation: string | null;
  readonly writer: string;
}

/** Which part of the list, newest first. */
export interface GapPage {
  readonly limit: number;
  /** The last gap of the page before: the next older ones follow. */
  readonly before?: Pick<Gap, 'since' | 'callId'>;
}

// A true outcome that followed fills the gap. Open decisions lie behind what the one who closes gaps is done with.
const GAPS = `WITH closed AS (
    SELECT 'gap' AS state, o.at AS since, o.call_id, o.reason, d.at AS decided_at, d.subject, d.operation, d.writer
    FROM ideogate.audit_event o
    JOIN ideogate.audit_event d ON d.call_id = o.call_id AND d.kind = 'decision' AND d.at <= o.at
    WHERE o.kind = 'outcome' AND o.result = 'unknown' AND (o.at, o.call_id) < ($2::timestamptz, $3::uuid)
      AND NOT EXISTS (
        SELECT FROM ideogate.audit_event t
        WHERE t.call_id = o.call_id AND t.kind = 'outcome' AND t.result <> 'unknown' AND t.at >= d.at)
    ORDER BY o.at DESC, o.call_id DESC LIMIT $1
  ), chains AS (
    SELECT writer, coalesce(p.seq, 0) AS seq, coalesce(p.at, '-infinity') AS at
    FROM (SELECT writer FROM ideogate.audit_event WHERE seq = 1) f
    FULL JOIN (SELECT * FROM ideogate.chain_position WHERE reader = $4) p USING (writer)
  ), open AS (
    SELECT 'open' AS state, d.at AS since, d.call_id, NULL AS reason, d.at AS decided_at, d.subject, d.operation, d.writer
    FROM chains c
    CROSS JOIN LATERAL (
      SELECT * FROM ideogate.audit_event e
      WHERE e.writer = c.writer AND e.seq > c.seq AND e.at >= c.at AND e.kind = 'decision' AND e.result = 'allowed'
        AND (e.at, e.call_id) < ($2::timestamptz, $3::uuid)
        AND NOT EXISTS (
          SELECT FROM ideogate.audit_event o WHERE o.call_id = e.call_id AND o.kind = 'outcome' AND o.at >= e.at)
    ) d
    ORDER BY d.at DESC, d.call_id DESC LIMIT $1
  )
  SELECT g.state, g.call_id, g.reason, g.subject, g.operation, g.writer,
    (extract(epoch FROM g.since) * 1000000)::bigint::text AS since_micros,
    (extract(epoch FROM g.decided_at) * 1000000)::bigint::text AS decided_micros, b.detail
  FROM (SELECT * FROM closed UNION ALL SELECT * FROM open) g
  LEFT JOIN LATERAL (
    SELECT detail FROM ideogate.audit_event
    WHERE writer = g.writer AND seq = 1 AND kind = 'notice'
  ) b ON true
  ORDER BY g.since DESC, g.call_id DESC LIMIT $1`;

const LAST_CALL_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** Gaps, newest first: those closed, and decisions that have no outcome yet. Throws what Postgres or the network says. */
export async function listGaps(pool: Pool, { limit, before }: GapPage): Promise<readonly Gap[]> {
  const { rows } = await pool.query<GapRow>(GAPS, [
    limit,
    before?.since ?? 'infinity',
    before?.callId ?? LAST_CALL_ID,
    GAPS_READER,
  ]);
  return rows.map(({ call_id, since_micros, decided_micros, detail, ...row }) => ({
    ...row,
    callId: call_id,
    overdue: row.state === 'open' ? isOverdue(Number(decided_micros) / 1_000, detail) : null,
    since: isoFromMicros(BigInt(since_micros)),
    decidedAt: isoFromMicros(BigInt(decided_micros)),
  }));
}

/** @param detail of the first event of its writer */
function isOverdue(decidedAtMs: number, detail: string | null): boolean | null {
  const bound = detail === null ? null : boundIn(detail);
  return bound === null ? null : decidedAtMs + bound < Date.now();
}

type GapRow = Pick<Gap, 'state' | 'reason' | 'subject' | 'operation' | 'writer'> & {
  readonly detail: string | null;
  readonly call_id: string;
  readonly since_micros: string;
  readonly decided_micros: string;
};
