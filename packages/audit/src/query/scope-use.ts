import type { Pool } from '@ideogate/postgres';

/** A scope that policy grants to a caller. */
export interface GrantedScope {
  readonly subject: string;
  /** Null: of any issuer. */
  readonly issuer: string | null;
  readonly scope: string;
}

/** Those of the scopes that were needed for a call that was let through since then. @param pool of the read login */
export async function scopesUsed<T extends GrantedScope>(
  pool: Pool,
  granted: readonly T[],
  since: Date,
): Promise<readonly T[]> {
  const { rows } = await pool.query<{ place: number }>(
    `SELECT g.place::int - 1 AS place
     FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS g (subject, issuer, scope, place)
     WHERE EXISTS (
       SELECT FROM ideogate.audit_event e
       WHERE e.subject = g.subject AND (g.issuer IS NULL OR e.issuer = g.issuer) AND e.scope_needed = g.scope
         AND e.kind = 'decision' AND e.result = 'allowed' AND e.at >= $4)`,
    [
      granted.map(({ subject }) => subject),
      granted.map(({ issuer }) => issuer),
      granted.map(({ scope }) => scope),
      since,
    ],
  );
  const places = new Set(rows.map(({ place }) => place));
  return granted.filter((_, place) => places.has(place));
}

/** The time of the oldest event in the database; null in an empty one. */
export async function recordBegins(pool: Pool): Promise<Date | null> {
  const { rows } = await pool.query<{ at: Date }>('SELECT at FROM ideogate.audit_event ORDER BY at LIMIT 1');
  return rows[0]?.at ?? null;
}
