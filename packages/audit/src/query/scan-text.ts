import type { Pool } from '@ideogate/postgres';

/** What one event holds in words that came from outside: callers, tokens, commands. */
export interface EventTexts {
  readonly writer: string;
  readonly seq: string;
  readonly texts: readonly string[];
}

const COLUMNS = [
  'issuer',
  'subject',
  'client_id',
  'token_id',
  'address',
  'proxy',
  'method',
  'resource',
  'scope_held',
  'reason',
  'trace_id',
  'detail',
  "array_to_string(made, E'\\n')",
] as const;

const PAGE = 2_000;

/** The words of every event in the database, a page of events at a time, chain by chain. @param pool of the read login */
export async function* scanText(pool: Pool): AsyncGenerator<readonly EventTexts[]> {
  let after: readonly [string, string] = ['00000000-0000-0000-0000-000000000000', '0'];
  for (;;) {
    const { rows } = await pool.query<EventTexts>(
      `SELECT writer, seq::text AS seq, array_remove(ARRAY[${COLUMNS.join(', ')}], NULL) AS texts
       FROM ideogate.audit_event WHERE (writer, seq) > ($1::uuid, $2::bigint) ORDER BY writer, seq LIMIT ${PAGE}`,
      [...after],
    );
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    after = [last.writer, last.seq];
  }
}
