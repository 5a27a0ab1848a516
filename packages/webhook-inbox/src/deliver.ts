import { setTimeout as delay } from 'node:timers/promises';
import { lockNamed, type Pool, runAsLeader } from '@ideogate/postgres';
import { run, type TaskList } from 'graphile-worker';
import type { Agent } from 'undici';
import { DELIVER, JOBS } from './inbox.ts';
import { countUndelivered, type Undelivered } from './deliveries.ts';
import { openWebhookPool } from './pool.ts';
import { quietLogger } from './quiet-logger.ts';
import { type Delivery, NotDelivered, openSender, send, type Subscriber } from './send.ts';

export type { Subscriber } from './send.ts';

/** Who gets what, and who is told of what fails. */
export interface DeliveryOptions {
  /** The webhook login. */
  readonly url: string;
  /** By the name of the endpoint. */
  readonly subscribers: ReadonlyMap<string, Subscriber>;
  /** Told of each delivery that failed; `dead`: it is not tried again by itself. */
  readonly onFailed: (failure: {
    readonly id: string;
    readonly endpoint: string;
    readonly attempt: number;
    readonly reason: string;
    readonly dead: boolean;
  }) => void;
  /** Told when deliveries as a whole do not go on; it is tried again. */
  readonly onFault: (error: unknown) => void;
}

/** Delivers in the background. */
export interface DeliveryRunner {
  /** As last counted, some seconds ago; null while another process delivers. */
  undelivered(): Undelivered | null;
  stop(): Promise<void>;
}

const LOOK_MS = 1_000;
const LEADER_CHECK_MS = 10_000;
const FORGET_EVERY_MS = 3_600_000;
const STOP_MS = 5_000;
const AT_ONCE = 8;

/**
 * Delivers what the inbox keeps, at least once each, until it is stopped. Of all gateways on one database one does it
 * at a time: it alone can then know that a job which is locked was locked by a process that is no more, and take it
 * up at once. (graphile-worker by itself would wait four hours.)
 */
export function deliverWebhooks(options: DeliveryOptions): DeliveryRunner {
  let undelivered: Undelivered | null = null;
  const pool = openWebhookPool(options.url);
  const agent = openSender();
  const leader = runAsLeader(
    {
      url: options.url,
      name: 'ideogate-webhook-leader',
      lock: lockNamed('hook', 'send'),
      lookMs: LOOK_MS,
      onFault: options.onFault,
    },
    async (session, over) => {
      await session.query({
        text: `SELECT ${JOBS}.force_unlock_workers(array_agg(DISTINCT locked_by))
          FROM ${JOBS}.jobs WHERE locked_by IS NOT NULL`,
      });
      const runner = await run({
        pgPool: pool,
        schema: JOBS,
        taskList: { [DELIVER]: deliver(options, pool, agent) },
        concurrency: AT_ONCE,
        noHandleSignals: true,
        pollInterval: LOOK_MS,
        logger: quietLogger(),
        // Without batches, graphile-worker 0.18 heeds no error of telling the database how a job ended: the rejection
        // would end this process, calls and all, whenever the database goes during a delivery.
        preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
      });
      const ended = new AbortController();
      const end = runner.promise.finally(() => ended.abort());
      // After two errors of telling how jobs ended graphile-worker never comes to its end: the first is ours.
      const broken = new Promise<never>((_, reject) => {
        runner.events.once('pool:fatalError', ({ error }) => reject(error));
      });
      // Whoever waits for it is told; while nobody does, it must not end the process.
      for (const promise of [end, broken]) promise.catch(() => {});
      try {
        let forgetAt = 0;
        while (!over.aborted && !ended.signal.aborted) {
          // Without the lock another gateway may have begun: a session that is lost ends the term.
          await session.query({ text: 'SELECT' });
          undelivered = await countUndelivered(pool).catch(() => null);
          if (performance.now() >= forgetAt) {
            await forgetDelivered(pool);
            forgetAt = performance.now() + FORGET_EVERY_MS;
          }
          await Promise.race([
            end,
            broken,
            delay(LEADER_CHECK_MS, undefined, { signal: over, ref: false }),
          ]).catch((error: unknown) => {
            if (!over.aborted) throw error;
          });
        }
      } finally {
        undelivered = null;
        // What it holds still is taken up by the next term.
        if (!ended.signal.aborted) {
          const stopped = runner.stop().then(() => end);
          await Promise.race([stopped.catch(() => {}), delay(STOP_MS, undefined, { ref: false })]);
        }
      }
    },
  );
  return {
    undelivered: () => undelivered,
    async stop() {
      await leader.stop();
      await agent.close();
      await pool.end();
    },
  };
}

function deliver({ subscribers, onFailed }: DeliveryOptions, pool: Pool, agent: Agent): TaskList[string] {
  return async (payload, { job, abortSignal }) => {
    const { id } = payload as { id: string }; // as: what `put` wrote
    const delivery = await read(pool, id);
    // Delivered before by a process that could not say so any more, and forgotten since.
    if (delivery === null) return;
    const subscriber = subscribers.get(delivery.endpoint);
    try {
      if (subscriber === undefined)
        throw new NotDelivered('no endpoint of this name is set up here any more');
      await send(subscriber, delivery, agent, abortSignal);
    } catch (error) {
      const reason = error instanceof NotDelivered ? error.message : 'failed';
      const { attempts: attempt, max_attempts: most } = job;
      onFailed({ id, endpoint: delivery.endpoint, attempt, reason, dead: attempt >= most });
      throw error;
    }
    await pool.query('UPDATE ideogate_webhook.event SET delivered_at = now() WHERE id = $1', [id]);
  };
}

async function read(pool: Pool, id: string): Promise<Delivery | null> {
  const { rows } = await pool.query<{ endpoint: string; content_type: string | null; body: Buffer | null }>(
    'SELECT endpoint, content_type, body FROM ideogate_webhook.event WHERE id = $1',
    [id],
  );
  const [row] = rows;
  if (row === undefined || row.body === null) return null;
  return { id, endpoint: row.endpoint, contentType: row.content_type, body: row.body };
}

/** A body holds links that open without a key: what was delivered is kept for a week of second thoughts, and no longer. */
async function forgetDelivered(pool: Pool): Promise<void> {
  await pool.query(
    `UPDATE ideogate_webhook.event SET body = NULL
     WHERE body IS NOT NULL AND delivered_at < now() - interval '7 days'`,
  );
}
