import { randomUUIDv7 } from 'node:crypto';
import { runMigrations } from 'graphile-worker';
import type { Pool } from '@ideogate/postgres';
import { openWebhookPool } from './pool.ts';
import { quietLogger } from './quiet-logger.ts';

/** A webhook that was verified. */
export interface ReceivedWebhook {
  readonly endpoint: string;
  /** The sender's name for the event, at most 256 bytes. */
  readonly eventId: string;
  /** When the sender says to have sent it, seconds since 1970; null where nothing signed says so. */
  readonly sentAt: number | null;
  readonly contentType: string | null;
  /** The raw bytes, at most 1 MiB. */
  readonly body: Uint8Array;
  readonly bodySha256: Buffer;
  /** How often it is tried to deliver it before it is a dead letter. */
  readonly attempts: number;
}

/** Where webhooks are kept until they are delivered. */
export interface WebhookInbox {
  /** Whether this event was kept before. */
  has(endpoint: string, eventId: string): Promise<boolean>;
  /** Keeps a webhook and puts its delivery on the list, both in one commit; `seen`: it was kept before. */
  put(webhook: ReceivedWebhook): Promise<'kept' | 'seen'>;
  close(): Promise<void>;
}

/** Who sends a webhook is soon told to try again. */
const SENDER_WAITS_MS = 2_000;

/** The schema of graphile-worker's tables. */
export const JOBS = 'ideogate_webhook_jobs';
/** The name of graphile-worker's task that makes one delivery. */
export const DELIVER = 'deliver';

/**
 * Opens the store of webhooks, and brings graphile-worker's tables up to date.
 * @param url of the webhook login
 * @throws what Postgres or the network says
 */
export async function openInbox(url: string): Promise<WebhookInbox> {
  const pool = openWebhookPool(url, SENDER_WAITS_MS);
  try {
    await runMigrations({ pgPool: pool, schema: JOBS, logger: quietLogger() });
  } catch (error) {
    await pool.end();
    throw error;
  }
  return {
    has: async (endpoint, eventId) => {
      const { rowCount } = await pool.query(
        'SELECT FROM ideogate_webhook.event WHERE endpoint = $1 AND event_id = $2',
        [endpoint, eventId],
      );
      return rowCount !== 0;
    },
    put: (webhook) => put(pool, webhook),
    close: () => pool.end(),
  };
}

/** One statement, so that no webhook is kept without a delivery, nor one delivered that is not kept. */
async function put(pool: Pool, webhook: ReceivedWebhook): Promise<'kept' | 'seen'> {
  const { endpoint, eventId, sentAt, contentType, body, bodySha256, attempts } = webhook;
  const { rowCount } = await pool.query(
    `WITH kept AS (
       INSERT INTO ideogate_webhook.event
         (id, endpoint, event_id, received_at, sent_at, content_type, body, body_sha256)
       VALUES ($1, $2, $3, now(), to_timestamp($4), $5, $6, $7)
       ON CONFLICT (endpoint, event_id) DO NOTHING
       RETURNING id
     )
     SELECT ${JOBS}.add_job($8, json_build_object('id', id), job_key => id::text, max_attempts => $9) FROM kept`,
    [randomUUIDv7(), endpoint, eventId, sentAt, contentType, body, bodySha256, DELIVER, attempts],
  );
  return rowCount === 0 ? 'seen' : 'kept';
}
