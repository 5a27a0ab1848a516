import { TLSSocket } from 'node:tls';
import { Client } from 'pg';

/** How a connection to a database was really made, and how its clock stands to ours. */
export interface DatabaseWay {
  /** Null: in the clear. `authorized`: the certificate and the name on it were verified. */
  readonly tls: { readonly authorized: boolean; readonly protocol: string } | null;
  /** The server's clock minus ours, milliseconds; it is right within `boundMs`, half of what the question took. */
  readonly aheadMs: number;
  readonly boundMs: number;
}

/** Connects as the driver does with this URL, and looks at the connection. Throws what Postgres or the network says. */
export async function databaseWay(url: string): Promise<DatabaseWay> {
  const client = new Client({
    connectionString: url,
    application_name: 'ideogate-way',
    connectionTimeoutMillis: 2_000,
    query_timeout: 2_500,
    statement_timeout: 2_000,
  });
  // Without a listener, an error on an idle connection kills the process.
  client.on('error', () => {});
  await client.connect();
  try {
    const asked = performance.now();
    const { rows } = await client.query<{ now: number }>(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now',
    );
    const boundMs = Math.ceil((performance.now() - asked) / 2);
    const { connection } = client as unknown as { connection: { stream: unknown } }; // as: the driver's types leave it out
    const { stream } = connection;
    return {
      tls:
        stream instanceof TLSSocket
          ? { authorized: stream.authorized, protocol: stream.getProtocol() ?? 'TLS' }
          : null,
      aheadMs: Math.round((rows[0]?.now ?? Number.NaN) - (Date.now() - boundMs)),
      boundMs,
    };
  } finally {
    await client.end().catch(() => {});
  }
}
