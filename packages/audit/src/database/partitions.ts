import { inTransaction, type Pool, type Session, SQLSTATE, sqlState } from '@ideogate/postgres';
import { withOwner, withSchemaLock } from './owner-session.ts';
import { isoFromMicros } from '../timestamp.ts';

const MONTHS_BEHIND = 1;
const MONTHS_AHEAD = 12;
const LOCK_TIMEOUT_MS = 2_000;
const LOCK_ATTEMPTS = 5;
const DAY_MICROS = 86_400_000_000n;

interface Month {
  readonly name: string;
  /** First instant of the month, UTC. */
  readonly from: string;
  readonly to: string;
}

/**
 * Makes the monthly partitions that are missing: one month behind `now`, twelve ahead. To be run daily, by the owner
 * role; several processes may run it at once.
 * @param nowMicros microseconds since the Unix epoch
 * @returns the names of the partitions made now
 */
export function topUpPartitions(ownerUrl: string, nowMicros: bigint): Promise<readonly string[]> {
  return withOwner(ownerUrl, (session) =>
    withSchemaLock(session, async () => {
      const rows = await session.rows<{ name: string }>(
        `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'ideogate.audit_event'::regclass`,
      );
      const present = new Set(rows.map(({ name }) => name));
      const missing = months(nowMicros).filter(({ name }) => !present.has(name));
      for (const month of missing) await attach(session, month);
      return missing.map(({ name }) => name);
    }),
  );
}

/**
 * Days from `nowMicros` to the end of the last partition that follows without a hole; 0 when now itself has none.
 * The role needs no rights but to connect.
 */
export async function partitionsAheadDays(reader: Pool, nowMicros: bigint): Promise<number> {
  const { rows } = await reader.query<{ from_micros: string; to_micros: string }>(
    `SELECT (extract(epoch FROM b[1]::timestamptz) * 1000000)::bigint::text AS from_micros,
            (extract(epoch FROM b[2]::timestamptz) * 1000000)::bigint::text AS to_micros
     FROM pg_inherits i
     JOIN pg_class c ON c.oid = i.inhrelid
     CROSS JOIN regexp_match(pg_get_expr(c.relpartbound, c.oid), $$FROM \\('([^']+)'\\) TO \\('([^']+)'\\)$$) AS b
     WHERE i.inhparent = 'ideogate.audit_event'::regclass
     ORDER BY b[1]::timestamptz`,
  );
  let end = nowMicros;
  for (const { from_micros, to_micros } of rows) {
    if (BigInt(from_micros) <= end && BigInt(to_micros) > end) end = BigInt(to_micros);
  }
  return Number((end - nowMicros) / DAY_MICROS);
}

function months(nowMicros: bigint): readonly Month[] {
  const now = new Date(Number(nowMicros / 1_000n));
  return Array.from({ length: MONTHS_BEHIND + 1 + MONTHS_AHEAD }, (_, index) => {
    const start = (offset: number) =>
      BigInt(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - MONTHS_BEHIND + index + offset, 1)) * 1_000n;
    const from = isoFromMicros(start(0));
    return { name: `audit_event_${from.slice(0, 7).replace('-', '_')}`, from, to: isoFromMicros(start(1)) };
  });
}

/**
 * `CREATE TABLE … PARTITION OF` would wait for every open SELECT, and hold up every INSERT behind it; ATTACH takes a
 * lock that lets both go on. What it does wait for (another change of the schema) it waits for briefly, then asks again.
 */
async function attach(session: Session, { name, from, to }: Month): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await inTransaction(session, async () => {
        await session.query({ text: `SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}` });
        // `name` is made of digits, `from` and `to` are RFC 3339: nothing here comes from outside.
        await session.query({
          text: `CREATE TABLE ideogate.${name} (LIKE ideogate.audit_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
            REVOKE ALL ON ideogate.${name} FROM PUBLIC;
            ALTER TABLE ideogate.audit_event ATTACH PARTITION ideogate.${name} FOR VALUES FROM ('${from}') TO ('${to}');`,
        });
      });
    } catch (error) {
      if (attempt === LOCK_ATTEMPTS || sqlState(error) !== SQLSTATE.lockNotAvailable) throw error;
    }
  }
}
