import { Client, type ClientConfig } from 'pg';

/** How long what may take, milliseconds. */
export interface SessionTimeouts {
  /** From the first packet to the server's being ready, and for a goodbye. */
  readonly connectMs: number;
  /** The server gives a statement up after this long, and a transaction that is asked nothing; 0: never. */
  readonly statementMs: number;
  /** The client gives the session up this long after the server should have answered. */
  readonly graceMs: number;
}

/** For a question that is answered in moments, or whose answer nobody waits for longer. */
export const SHORT_TIMEOUTS: SessionTimeouts = { connectMs: 2_000, statementMs: 5_000, graceMs: 500 };

/** What every connection to Postgres is opened with: `pg` waits for ever unless told otherwise. */
export function connectionConfig(
  url: string,
  name: string,
  { connectMs, statementMs, graceMs }: SessionTimeouts,
): ClientConfig {
  return {
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: connectMs,
    statement_timeout: statementMs,
    idle_in_transaction_session_timeout: statementMs,
    // 0 is none for the driver too.
    query_timeout: statementMs === 0 ? 0 : statementMs + graceMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
  };
}

/** What a URL says of the way to its server. */
export interface ConnectionTarget {
  /** A name, an address, or a folder with a Unix socket. */
  readonly host: string;
  /** What the driver insists on: it talks to no server that falls short of it. */
  readonly tls: 'none' | 'unverified' | 'verified';
}

/** Reads a URL as the driver reads it; connects to nothing. @throws when it is none */
export function connectionTarget(url: string): ConnectionTarget {
  const { host, ssl } = new Client({ connectionString: url }) as { host: string; ssl: Tls }; // as: typed as boolean alone
  if (ssl === false) return { host, tls: 'none' };
  const verified =
    ssl === true || (ssl.rejectUnauthorized !== false && ssl.checkServerIdentity === undefined);
  return { host, tls: verified ? 'verified' : 'unverified' };
}

type Tls = boolean | { readonly rejectUnauthorized?: boolean; readonly checkServerIdentity?: unknown };
