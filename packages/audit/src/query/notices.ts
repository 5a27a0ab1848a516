import type { Pool } from '@ideogate/postgres';

/** A notice that a command wrote, as the read login sees it. */
export interface FoundNotice {
  readonly subject: string | null;
  readonly writer: string;
  readonly seq: string;
}

/** The notice of a command whose detail has this member with this value; null when the record has none. */
export async function findNotice(
  pool: Pool,
  sought: {
    readonly operation: string;
    readonly member: string;
    readonly value: string;
    readonly since: Date;
  },
): Promise<FoundNotice | null> {
  const { rows } = await pool.query<{ subject: string | null; writer: string; seq: string }>(
    `SELECT subject, writer, seq::text AS seq FROM ideogate.audit_notice
     WHERE "timestamp" >= $1 AND operation = $2 AND detail->>$3 = $4 LIMIT 1`,
    [sought.since, sought.operation, sought.member, sought.value],
  );
  return rows[0] ?? null;
}
