import type { Client } from 'pg';
import type { ChainedEvent } from '../src/index.ts';

/** A writer's events as a verifier would rebuild them: from the typed columns alone, through plain SQL. */
export async function readChain(client: Client, writer: string): Promise<readonly ChainedEvent[]> {
  const { rows } = await client.query<Record<string, unknown>>(
    `SELECT *, (extract(epoch FROM at) * 1000000)::bigint::text AS at_micros,
       encode(hash, 'hex') AS hash, encode(prev_hash, 'hex') AS prev_hash
     FROM ideogate.audit_event WHERE writer = $1 ORDER BY seq, at`,
    [writer],
  );
  return rows.map(({ at_micros, ...row }) => {
    const event = Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name.replace(/_(.)/g, (_, c: string) => c.toUpperCase()),
        value,
      ]),
    );
    // as: every column of the table, named as its property
    return { ...event, seq: BigInt(String(row['seq'])), atMicros: BigInt(String(at_micros)) } as ChainedEvent;
  });
}
