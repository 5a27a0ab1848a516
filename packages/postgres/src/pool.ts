import { Pool } from 'pg';
import { connectionConfig } from './connection-config.ts';

const CONNECT_MS = 2_000;

/** What a pool over one login is like. */
export interface PoolOptions {
  /** Shown to whoever looks at the server. */
  readonly name: string;
  /** The most connections at a time. */
  readonly max: number;
  /** How long the database may take for one statement, milliseconds. */
  readonly statementMs: number;
  /** How long after that the client gives the connection up, milliseconds. */
  readonly graceMs: number;
  /** Settings that each connection begins with, as of `postgres -c`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * A small pool over one login; it doesn't need the database to be up, and nothing that happens to a connection of it
 * ends the process.
 */
export function openPool(url: string, options: PoolOptions): Pool {
  const { name, max, statementMs, graceMs, settings = {} } = options;
  const words = Object.entries(settings).map(([setting, value]) => `-c ${setting}=${value}`);
  const pool = new Pool({
    ...connectionConfig(url, name, { connectMs: CONNECT_MS, statementMs, graceMs }),
    max,
    idleTimeoutMillis: 10_000,
    ...(words.length === 0 ? {} : { options: words.join(' ') }),
  });
  // Without a listener, an error on a connection kills the process; whoever uses the connection is told anyway.
  pool.on('error', () => {});
  pool.on('connect', (client) => void client.on('error', () => {}));
  return pool;
}
