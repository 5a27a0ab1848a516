import { Socket } from 'node:net';
import { Client, type QueryResultRow } from 'pg';

const CONNECT_MS = 2_000;
const STATEMENT_MS = 4_000;
const GRACE_MS = 500;

/** One connection to the store, which can be dropped at once whatever the network does. */
export interface Connection {
  rows<R extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<readonly R[]>;
  onNotification(heard: (payload: string) => void): void;
  alive(): boolean;
  /** Says goodbye, and cuts the connection if that takes too long. */
  end(): Promise<void>;
}

/** @throws what the network or Postgres says; it may hold an address */
export async function connect(url: string, name: string): Promise<Connection> {
  // pg waits for ever on a silent network, and has no public way to cut a connection: so the socket is ours.
  const socket = new Socket();
  const client = new Client({
    connectionString: url,
    application_name: name,
    stream: () => socket,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: STATEMENT_MS + GRACE_MS,
    statement_timeout: STATEMENT_MS,
    idle_in_transaction_session_timeout: STATEMENT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
  });
  let alive = true;
  const lost = () => {
    alive = false;
    socket.destroy();
  };
  // Without a listener, an error on an idle connection kills the process.
  client.on('error', lost);
  client.on('end', lost);
  try {
    await client.connect();
  } catch (error) {
    lost();
    throw error;
  }
  let last: Promise<unknown> = Promise.resolve();
  async function ask<R extends QueryResultRow>(
    text: string,
    values: readonly unknown[],
  ): Promise<readonly R[]> {
    try {
      return (await client.query<R>(text, [...values])).rows;
    } catch (error) {
      // Nobody knows what a connection that timed out is about to say.
      if (!(error instanceof Error && 'severity' in error)) lost();
      throw error;
    }
  }
  return {
    rows<R extends QueryResultRow>(text: string, values: readonly unknown[] = []) {
      const asked = last.then(() => ask<R>(text, values));
      last = asked.catch(() => undefined);
      return asked;
    },
    onNotification: (heard) => void client.on('notification', ({ payload }) => heard(payload ?? '')),
    alive: () => alive,
    async end() {
      if (!alive) return;
      const cut = setTimeout(lost, CONNECT_MS);
      await client.end().catch(() => undefined);
      clearTimeout(cut);
    },
  };
}
