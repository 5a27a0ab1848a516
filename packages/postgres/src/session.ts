import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { Client, DatabaseError, type QueryConfig, type QueryResult, type QueryResultRow } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { connectionConfig, type SessionTimeouts } from './connection-config.ts';

/** One connection to Postgres that can be dropped at once, whatever the network does. */
export interface Session {
  /**
   * One statement; those asked meanwhile wait, each with its whole time. A session whose server did not answer in time
   * is lost: nobody knows what it is about to say.
   */
  query(query: QueryConfig): Promise<QueryResult>;
  /** As `query`, for the rows alone. */
  rows<R extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<readonly R[]>;
  /** What `COPY (select) TO STDOUT` writes, in pieces of any size. `select` takes no parameters. */
  copyOut(select: string): AsyncIterable<Buffer>;
  /** `heard` is called for each notification on a channel that this session listens on. */
  onNotification(heard: () => void): void;
  /** Null: in the clear. `authorized`: the certificate and the name on it were verified. */
  tls(): { readonly authorized: boolean; readonly protocol: string } | null;
  /** False once the connection is lost; it never comes back. */
  alive(): boolean;
  /** Says goodbye, and cuts the connection if that takes longer than `connectMs`. */
  end(): Promise<void>;
  /** Cuts the connection without a word: on a silent network a polite end would wait for ever. */
  destroy(): void;
}

/**
 * Opens one connection.
 * @param url of a login
 * @param name shown to whoever looks at the server (`application_name`)
 * @param onLost called once when the connection is lost, by whichever end
 * @throws what the network or Postgres says; the message may hold an address and is not for callers
 */
export async function openSession(
  url: string,
  name: string,
  timeouts: SessionTimeouts,
  onLost: () => void = () => {},
): Promise<Session> {
  // pg waits for ever on a silent network unless told otherwise, and has no public way to cut a connection:
  // so the socket is ours.
  const socket = new Socket();
  const client = new Client({ ...connectionConfig(url, name, timeouts), stream: () => socket });
  let alive = true;
  const lost = () => {
    if (!alive) return;
    alive = false;
    onLost();
  };
  const destroy = () => {
    socket.destroy();
    lost();
  };
  // Without a listener, an error on an idle connection kills the process.
  client.on('error', destroy);
  client.on('end', lost);
  try {
    await client.connect();
  } catch (error) {
    alive = false;
    socket.destroy();
    throw error;
  }
  let last: Promise<unknown> = Promise.resolve();
  async function ask(config: QueryConfig): Promise<QueryResult> {
    try {
      return await client.query(config);
    } catch (error) {
      if (!(error instanceof DatabaseError)) destroy();
      throw error;
    }
  }
  function query(config: QueryConfig): Promise<QueryResult> {
    const asked = last.then(() => ask(config));
    last = asked.catch(() => {});
    return asked;
  }
  return {
    query,
    async rows<R extends QueryResultRow>(text: string, values: readonly unknown[] = []) {
      const { rows } = await query({ text, values: [...values] });
      return rows as R[]; // as: the caller knows what it selects
    },
    copyOut: (select) => client.query(copyTo(`COPY (${select}) TO STDOUT`, { highWaterMark: 65_536 })),
    onNotification: (heard) => void client.on('notification', () => heard()),
    tls() {
      const { stream } = (client as unknown as { connection: { stream: unknown } }).connection; // as: the driver's types leave it out
      return stream instanceof TLSSocket
        ? { authorized: stream.authorized, protocol: stream.getProtocol() ?? 'TLS' }
        : null;
    },
    alive: () => alive,
    destroy,
    async end() {
      if (!alive) return;
      const cut = setTimeout(destroy, timeouts.connectMs);
      await client.end().catch(() => {});
      clearTimeout(cut);
    },
  };
}

/** Runs `work` in a session of its own, and ends the session. @throws as `openSession` does, and what `work` throws */
export async function withSession<T>(
  url: string,
  name: string,
  timeouts: SessionTimeouts,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await openSession(url, name, timeouts);
  try {
    return await work(session);
  } finally {
    await session.end();
  }
}

/** One transaction: all of `work` or nothing. @throws what `work` throws, or what Postgres says of the commit */
export async function inTransaction<T>(session: Session, work: () => Promise<T>): Promise<T> {
  await session.query({ text: 'BEGIN' });
  try {
    const result = await work();
    await session.query({ text: 'COMMIT' });
    return result;
  } catch (error) {
    await session.query({ text: 'ROLLBACK' }).catch(() => {});
    throw error;
  }
}
