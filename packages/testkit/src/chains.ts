import type { ChainedEvent } from '@ideogate/audit';
import type { Client } from 'pg';

/**
 * Events as a verifier would rebuild them: from the typed columns alone, through plain SQL. By writer, then in the
 * order of its chain.
 * @param writers default: all
 */
export async function readChains(
  client: Client,
  writers: readonly string[] | null = null,
): Promise<readonly ChainedEvent[]> {
  const { rows } = await client.query<Record<string, unknown>>(
    `SELECT *, (extract(epoch FROM at) * 1000000)::bigint::text AS at_micros,
       encode(hash, 'hex') AS hash, encode(prev_hash, 'hex') AS prev_hash
     FROM ideogate.audit_event WHERE writer = ANY ($1::uuid[]) OR $1::uuid[] IS NULL ORDER BY writer, seq, at`,
    [writers],
  );
  return rows.map(({ at_micros, ...row }) => {
    const event = Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
        value,
      ]),
    );
    // as: every column of the table, named as its property
    return { ...event, seq: BigInt(String(row['seq'])), atMicros: BigInt(String(at_micros)) } as ChainedEvent;
  });
}
