import type { Pool } from '@ideogate/postgres';

/** What the record says of one Ideogram key, by one writer. */
export interface KeyUse {
  readonly writer: string;
  /** Its last decision to send the key. */
  readonly lastUse: Date;
  /** Calls decided since the time asked for. */
  readonly calls: number;
  /** What those cost by price rules, in USD micros; calls whose price nobody knows are not in it. */
  readonly costUsdMicros: number;
  /** Calls that were let through and whose end is not in the record. */
  readonly open: number;
}

/** Use of one key since a time, a row for each writer. Throws what Postgres or the network says. */
export async function keyUse(pool: Pool, keyId: string, since: Date): Promise<readonly KeyUse[]> {
  const { rows } = await pool.query<Record<keyof KeyUse, string> & { lastUse: Date }>(
    `SELECT decision_writer AS writer, max(decided_at) AS "lastUse", count(*) AS calls,
       coalesce(sum(cost_usd_micros), 0) AS "costUsdMicros", count(*) FILTER (WHERE state = 'open') AS open
     FROM ideogate.audit_call WHERE key_id = $1 AND decided_at >= $2 GROUP BY 1 ORDER BY 2 DESC`,
    [keyId, since],
  );
  return rows.map((row) => ({
    ...row,
    calls: Number(row.calls),
    costUsdMicros: Number(row.costUsdMicros),
    open: Number(row.open),
  }));
}

/** When a key was last sent, however long ago that is in the database; null when never. */
export async function lastUseOf(pool: Pool, keyId: string): Promise<Date | null> {
  const { rows } = await pool.query<{ at: Date | null }>(
    `SELECT max(at) AS at FROM ideogate.audit_event WHERE key_id = $1 AND kind = 'decision' AND result = 'allowed'`,
    [keyId],
  );
  return rows[0]?.at ?? null;
}
