import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';

const PATIENCE_MS = 60_000;
const RETRY_MS = 20;

/** A session, as soon as the server takes one: it may have been killed a moment ago. */
export async function connected(url: string): Promise<Client> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const client = new Client({
      connectionString: url,
      connectionTimeoutMillis: 30_000,
      query_timeout: 120_000,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (performance.now() > end) throw error;
      await delay(RETRY_MS);
    }
  }
}
