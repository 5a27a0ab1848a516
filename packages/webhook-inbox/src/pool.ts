import { Pool } from 'pg';

/**
 * A small pool over the webhook login; it doesn't need the database to be up.
 * @param url of the webhook login
 * @param statementMs how long the database may take for one statement
 */
export function openWebhookPool(url: string, statementMs = 5_000): Pool {
  const pool = new Pool({
    connectionString: url,
    application_name: 'ideogate-webhook',
    max: 8,
    connectionTimeoutMillis: 2_000,
    idleTimeoutMillis: 10_000,
    statement_timeout: statementMs,
    query_timeout: statementMs + 500,
    idle_in_transaction_session_timeout: 5_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    // What the worker's migrations make belongs to the group, so that another login of it can go on with it. And what
    // was acknowledged to a sender is on disk, whatever the login's own settings say.
    options: '-c role=ideogate_webhook -c synchronous_commit=on',
  });
  // Without a listener, an error on a connection kills the process; whoever uses the connection is told anyway.
  pool.on('error', () => {});
  pool.on('connect', (client) => void client.on('error', () => {}));
  return pool;
}
