import { Socket } from 'node:net';
import { Client, DatabaseError, type QueryConfig, type QueryResult } from 'pg';

export interface SessionTimeouts {
  readonly connectMs: number;
  /** The server gives a statement up after this long. */
  readonly statementMs: number;
  /** The client gives the session up this long after the server should have answered. */
  readonly graceMs: number;
}

/** One connection to Postgres that can be dropped at once, whatever the network does. */
export interface Session {
  query(query: QueryConfig): Promise<QueryResult>;
  /** False once the connection is lost; it never comes back. */
  alive(): boolean;
  /** Says goodbye, and cuts the connection if that takes longer than `connectMs`. */
  end(): Promise<void>;
  /** Cuts the connection without a word: on a silent network a polite end would wait for ever. */
  destroy(): void;
}

/**
 * @param onLost called once when the connection is lost, by whichever end
 * @throws whatever the network or Postgres says; the message may hold an address and is not for callers
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
  const client = new Client({
    connectionString: url,
    application_name: name,
    stream: () => socket,
    connectionTimeoutMillis: timeouts.connectMs,
    query_timeout: timeouts.statementMs + timeouts.graceMs,
    statement_timeout: timeouts.statementMs,
    idle_in_transaction_session_timeout: timeouts.statementMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
  });
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
  return {
    query: (query) => client.query(query),
    alive: () => alive,
    destroy,
    end: async () => {
      if (!alive) return;
      const cut = setTimeout(destroy, timeouts.connectMs);
      await client.end().catch(() => {});
      clearTimeout(cut);
    },
  };
}

const OWNER_TIMEOUTS: SessionTimeouts = { connectMs: 5_000, statementMs: 60_000, graceMs: 5_000 };

/** Runs `work` in a session of the owner role, and ends the session. */
export async function withOwner<T>(ownerUrl: string, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await openSession(ownerUrl, 'ideogate-owner', OWNER_TIMEOUTS);
  try {
    return await work(session);
  } finally {
    await session.end();
  }
}

/**
 * Makes changes to the record's schema one process at a time. The lock is the database's; another database of the
 * same cluster goes ahead at the same time, so whatever touches roles must be repeatable (`retryOnRoleRace`).
 */
export async function withSchemaLock<T>(session: Session, work: () => Promise<T>): Promise<T> {
  await session.query({ text: 'SELECT pg_advisory_lock($1::bigint)', values: [SCHEMA_LOCK] });
  try {
    return await work();
  } finally {
    // A lost session has lost its locks; the error that tells so is the one to see.
    await session
      .query({ text: 'SELECT pg_advisory_unlock($1::bigint)', values: [SCHEMA_LOCK] })
      .catch(() => {});
  }
}

/** "ideogate" in ASCII. */
const SCHEMA_LOCK = BigInt(`0x${Buffer.from('ideogate').toString('hex')}`).toString();

/** One transaction: all of `work` or nothing. */
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

/** The SQLSTATE of an error that Postgres answered with, or undefined when it came from the network. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof DatabaseError ? error.code : undefined;
}

/**
 * Tries again when another database of the same cluster was changing the same roles: Postgres locks neither roles
 * nor their memberships, and says `unique_violation`, `duplicate_object`, or plainly "tuple concurrently updated".
 */
export async function retryOnRoleRace<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === 20 || !isRoleRace(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5 * attempt * (1 + Math.random())));
    }
  }
}

function isRoleRace(error: unknown): boolean {
  const state = sqlState(error);
  if (state === '23505' || state === '42710' || state === '40P01') return true;
  return state === 'XX000' && error instanceof Error && /tuple concurrently/.test(error.message);
}
