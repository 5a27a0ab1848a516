import type { Client } from 'pg';

/** A caller, an operation and a key that few of the calls of `fillMonth` have. */
export const RARE = { caller: 'service-rare', operation: 'rare.operation', key: 'key_rare' } as const;
/** The caller and the operation that most of them have. */
export const COMMON = { caller: 'service-0', operation: 'operation-0' } as const;

const CALLS_A_STATEMENT = 100_000;

/**
 * Makes a month's partition and fills it with calls: many callers of which few make most, tokens of five minutes, one
 * in twelve refused, an outcome for every other. The events are no chain: they are for plans and times, not for proof.
 * The partition is attached when it is full, which makes its indexes in one go.
 * @param owner the owner role, on a migrated database that has no partition for this month
 * @param from the first instant of the month, UTC
 * @returns rows made
 */
export async function fillMonth(owner: Client, from: Date, calls: number): Promise<number> {
  const to = new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + 1, 1));
  const table = `ideogate.audit_event_${from.toISOString().slice(0, 7).replace('-', '_')}`;
  await owner.query(
    `CREATE TABLE ${table} (LIKE ideogate.audit_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
     REVOKE ALL ON ${table} FROM PUBLIC;`,
  );
  let rows = 0;
  const step = (to.getTime() - from.getTime()) / calls;
  for (let first = 0; first < calls; first += CALLS_A_STATEMENT) {
    const last = Math.min(first + CALLS_A_STATEMENT, calls) - 1;
    const { rowCount } = await owner.query(fillStatement(table), [
      from.toISOString(),
      step,
      first,
      last,
      to.toISOString(),
    ]);
    rows += rowCount ?? 0;
  }
  await owner.query(
    `ALTER TABLE ideogate.audit_event ATTACH PARTITION ${table}
       FOR VALUES FROM ('${from.toISOString()}') TO ('${to.toISOString()}');
     ANALYZE ${table};`,
  );
  return rows;
}

function fillStatement(table: string): string {
  return `WITH call AS MATERIALIZED (
    SELECT n, at, caller, refused, rare,
      -- As a UUIDv7: the time, then chance.
      (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(chance, 1, 3) || '8' || substr(chance, 4, 15))::uuid AS call_id,
      md5('writer ' || at::date)::uuid AS writer,
      'jti-' || md5(caller || floor(extract(epoch FROM at) / 300)) AS token_id,
      CASE WHEN rare THEN '${RARE.operation}' ELSE 'operation-' || floor(12 * random() ^ 2) END AS operation,
      CASE WHEN rare THEN '${RARE.key}' ELSE 'key_' || to_char(at, 'YYYYMM') || (n % 2) END AS key_id,
      sha256(convert_to(chance, 'UTF8')) AS hash
    FROM (
      SELECT n, n % 10007 = 0 AS rare, random() < 1 / 12.0 AS refused, md5(n || ' ' || random()) AS chance,
        $1::timestamptz + (n * $2::float8) * interval '1 millisecond' AS at,
        CASE WHEN n % 10007 = 0 THEN '${RARE.caller}' ELSE 'service-' || floor(40 * random() ^ 2) END AS caller
      FROM generate_series($3::bigint, $4::bigint) AS n
    ) AS made
  )
  INSERT INTO ${table} (writer, seq, at, kind, call_id, environment, issuer, subject, client_id, token_id, address,
    method, resource, operation, scope_needed, scope_held, level, rule, release, key_id, trace_id, result, problem,
    reason, status, upstream_status, bytes_sent, bytes_received, first_byte_ms, duration_ms, images, cost_usd_micros,
    safe, made, prompt_digest, prompt_length, prev_hash, hash)
  SELECT writer, 2 * n + 1, at, 'decision', call_id, 'staging', 'https://issuer.test', caller, caller, token_id,
    '10.0.' || n % 4 || '.' || n % 200, 'POST', '/v1/' || operation, operation, 'write:generate',
    'read:models write:generate', CASE WHEN refused THEN NULL ELSE 'limited' END, 'grants.yaml:' || n % 90,
    'sha256:' || md5(to_char(at, 'YYYYMM')), CASE WHEN refused THEN NULL ELSE key_id END, md5(n::text),
    CASE WHEN refused THEN 'refused' ELSE 'allowed' END,
    CASE WHEN refused THEN 'insufficient-scope' END,
    CASE WHEN refused THEN CASE WHEN rare THEN 'rare-reason' ELSE 'grant-lacks-scope' END END,
    CASE WHEN refused THEN 403 END,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, hash, hash
  FROM call
  UNION ALL
  SELECT writer, 2 * n + 2, least(at + random() * interval '20 seconds', $5::timestamptz - interval '1 microsecond'),
    'outcome', call_id, 'staging', 'https://issuer.test', caller, caller, token_id,
    NULL, NULL, NULL, operation, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    'completed', NULL, NULL, CASE WHEN n % 50 = 0 THEN 422 ELSE 200 END, CASE WHEN n % 50 = 0 THEN 422 ELSE 200 END,
    400, 90000, 900, 1500, 1, 30000, true, ARRAY['generation:' || n], md5('prompt ' || n % 5000), 40, hash, hash
  FROM call WHERE NOT refused`;
}
