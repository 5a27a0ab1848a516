import { Pool } from 'pg';

/** A small pool over the read login, for queries of people; it doesn't need the database to be up. */
export function openReadPool(readUrl: string): Pool {
  const pool = new Pool({
    connectionString: readUrl,
    application_name: 'ideogate-read',
    max: 4,
    connectionTimeoutMillis: 2_000,
    idleTimeoutMillis: 10_000,
    statement_timeout: 15_000,
    query_timeout: 16_000,
    idle_in_transaction_session_timeout: 15_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
  });
  // Without a listener, an error on an idle connection kills the process.
  pool.on('error', () => {});
  return pool;
}
