import { openPool, type Pool } from '@ideogate/postgres';

/**
 * A small pool over the webhook login; it doesn't need the database to be up.
 * @param url of the webhook login
 * @param statementMs how long the database may take for one statement
 */
export function openWebhookPool(url: string, statementMs = 5_000): Pool {
  return openPool(url, {
    name: 'ideogate-webhook',
    max: 8,
    statementMs,
    graceMs: 500,
    // What the worker's migrations make belongs to the group, so that another login of it can go on with it. And what
    // was acknowledged to a sender is on disk, whatever the login's own settings say.
    settings: { role: 'ideogate_webhook', synchronous_commit: 'on' },
  });
}
