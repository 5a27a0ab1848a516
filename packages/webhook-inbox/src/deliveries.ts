import type { Pool } from '@ideogate/postgres';
import { DELIVER, JOBS } from './inbox.ts';

/** `waiting`: it is tried, or tried again. `dead`: tried as often as it may be; only `replay` tries it again. */
export const WEBHOOK_STATES = ['waiting', 'delivered', 'dead'] as const;

/** See `WEBHOOK_STATES`. */
export type WebhookState = (typeof WEBHOOK_STATES)[number];

/** Whether a word from outside names a state. */
export function isWebhookState(text: string): text is WebhookState {
  return (WEBHOOK_STATES as readonly string[]).includes(text);
}

/** One webhook and where it stands. Never its body. */
export interface KeptWebhook {
  readonly id: string;
  readonly endpoint: string;
  readonly eventId: string;
  readonly state: WebhookState;
  /** ISO 8601, as are the others. */
  readonly receivedAt: string;
  readonly deliveredAt: string | null;
  readonly attempts: number | null;
  readonly nextAttemptAt: string | null;
  readonly lastFault: string | null;
}

/** Which webhooks are listed; what is left out filters nothing. */
export interface WebhookFilter {
  readonly state?: WebhookState;
  readonly endpoint?: string;
  readonly ids?: readonly string[];
  readonly limit: number;
}

/** What is true of a webhook follows from what is there, so that no crash can leave a state that is not true. */
const STATES = `
  SELECT e.id, e.endpoint, e.event_id, e.received_at, e.delivered_at, e.body IS NOT NULL AS whole,
    j.attempts, j.max_attempts, j.run_at, j.last_error,
    CASE
      WHEN e.delivered_at IS NOT NULL THEN 'delivered'
      WHEN j.locked_at IS NOT NULL OR j.attempts < j.max_attempts THEN 'waiting'
      ELSE 'dead'
    END AS state
  FROM ideogate_webhook.event e LEFT JOIN ${JOBS}.jobs j ON j.key = e.id::text`;

/** How many are on their way, and how many are tried no more. */
export interface Undelivered {
  readonly waiting: number;
  readonly dead: number;
}

/** Counts those that are not delivered yet. */
export async function countUndelivered(pool: Pool): Promise<Undelivered> {
  const { rows } = await pool.query<Undelivered>(
    `SELECT count(*) FILTER (WHERE state = 'waiting')::int AS waiting, count(*) FILTER (WHERE state = 'dead')::int AS dead
     FROM (${STATES} WHERE e.delivered_at IS NULL) s`,
  );
  return rows[0] ?? { waiting: 0, dead: 0 };
}

/** The webhooks that pass a filter, newest first. */
export async function listWebhooks(pool: Pool, filter: WebhookFilter): Promise<readonly KeptWebhook[]> {
  const { state, endpoint, ids, limit } = filter;
  const { rows } = await pool.query<Row>(
    `SELECT * FROM (${STATES}) s
     WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR endpoint = $2)
       AND ($3::uuid[] IS NULL OR id = ANY ($3))
     ORDER BY id DESC LIMIT $4`,
    [state ?? null, endpoint ?? null, ids ?? null, limit],
  );
  return rows.map((row) => ({
    id: row.id,
    endpoint: row.endpoint,
    eventId: row.event_id,
    state: row.state,
    receivedAt: row.received_at.toISOString(),
    deliveredAt: row.delivered_at?.toISOString() ?? null,
    attempts: row.attempts,
    nextAttemptAt: row.state === 'waiting' ? (row.run_at?.toISOString() ?? null) : null,
    lastFault: row.state === 'delivered' ? null : row.last_error,
  }));
}

interface Row {
  readonly id: string;
  readonly endpoint: string;
  readonly event_id: string;
  readonly state: WebhookState;
  readonly received_at: Date;
  readonly delivered_at: Date | null;
  readonly attempts: number | null;
  readonly run_at: Date | null;
  readonly last_error: string | null;
}

/**
 * Puts the delivery of webhooks on the list again, with all their tries; those whose body is gone stay as they are.
 * @returns the ids of those that are tried again
 */
export async function replayWebhooks(pool: Pool, ids: readonly string[]): Promise<readonly string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `WITH again AS (
       UPDATE ideogate_webhook.event SET delivered_at = NULL
       WHERE id = ANY ($1::uuid[]) AND body IS NOT NULL
       RETURNING id
     )
     SELECT again.id, ${JOBS}.add_job($2, json_build_object('id', again.id), job_key => again.id::text,
       max_attempts => j.max_attempts)
     FROM again LEFT JOIN ${JOBS}.jobs j ON j.key = again.id::text`,
    [ids, DELIVER],
  );
  return rows.map(({ id }) => id);
}
