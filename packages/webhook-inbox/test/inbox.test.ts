import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { relayTo, startWebhookSubscriber, type WebhookSubscriber } from '@ideogate/testkit';
import { verifyWebhook } from '@ideogate/webhook';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Pool } from 'pg';
import {
  type DeliveryRunner,
  deliverWebhooks,
  listWebhooks,
  openInbox,
  openWebhookPool,
  replayWebhooks,
  type WebhookInbox,
} from '../src/index.ts';
import { SECRET } from './fake-secret.ts';
import { received, webhookDatabase, type WebhookDatabase } from './inbox-under-test.ts';

let database: WebhookDatabase;
let inbox: WebhookInbox;
let pool: Pool;
let subscriber: WebhookSubscriber;
const running: DeliveryRunner[] = [];

beforeAll(async () => {
  database = await webhookDatabase();
  inbox = await openInbox(database.url);
  pool = openWebhookPool(database.url);
});
afterAll(async () => {
  await pool.end();
  await inbox.close();
  await database.close();
});
beforeEach(async () => {
  subscriber = await startWebhookSubscriber();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()));
  await subscriber.stop();
  await database.owner.query(
    'DELETE FROM ideogate_webhook_jobs._private_jobs; DELETE FROM ideogate_webhook.event',
  );
});

const failures: { readonly reason: string; readonly dead: boolean }[] = [];

function deliver(): void {
  failures.length = 0;
  running.push(
    deliverWebhooks({
      url: database.url,
      subscribers: new Map([['images', { url: subscriber.url, secrets: [SECRET] }]]),
      onFailed: (failure) => failures.push(failure),
      onFault: () => {},
    }),
  );
}

/** What graphile-worker would wait for has passed. */
const letTimePass = () =>
  database.owner.query(
    'UPDATE ideogate_webhook_jobs._private_jobs SET run_at = now() WHERE locked_at IS NULL',
  );

const soon = (look: () => unknown) => vi.waitUntil(look, { timeout: 20_000, interval: 10 });
const list = async (filter = {}) => listWebhooks(pool, { limit: 1000, ...filter });
const eventsTaken = () =>
  subscriber.taken.map(
    ({ body }) => (JSON.parse(body.toString()) as { generation_id: string }).generation_id,
  ); // as: what `received` makes
const undelivered = async () => (await list()).filter(({ state }) => state !== 'delivered').length;

test('what was kept is delivered, byte for byte, with our signature and an id of its own (G.61)', async () => {
  deliver();
  const webhook = received('g1', { body: Buffer.from('{ "a":1 }\n'), contentType: 'application/json; x=y' });
  expect(await inbox.put(webhook)).toBe('kept');
  await soon(async () => (await undelivered()) === 0);
  const [{ headers, body }, ...more] = subscriber.taken as [(typeof subscriber.taken)[0]]; // as: one came
  expect(more).toEqual([]);
  expect(body).toEqual(webhook.body);
  expect(headers).toMatchObject({
    'content-type': 'application/json; x=y',
    'ideogate-webhook-endpoint': 'images',
  });
  expect(verifyWebhook({ scheme: 'standard', secrets: [SECRET] }, { headers, body })).toMatchObject({
    ok: true,
    id: (await list())[0]?.id,
  });
  expect((await list())[0]).toMatchObject({ endpoint: 'images', eventId: 'g1', state: 'delivered' });
});

test('the same event again is known, at its endpoint alone, however many ask at once (G.61)', async () => {
  const answers = await Promise.all(Array.from({ length: 8 }, () => inbox.put(received('g1'))));
  expect(answers.filter((answer) => answer === 'kept')).toHaveLength(1);
  expect(await inbox.has('images', 'g1')).toBe(true);
  expect(await inbox.has('other', 'g1')).toBe(false);
  expect(await inbox.put(received('g1', { endpoint: 'other' }))).toBe('kept');
  deliver();
  await soon(async () => (await undelivered()) === 1);
  expect(eventsTaken()).toEqual(['g1']);
});

test('a subscriber that is away gets all of it once it is back, each with its id, none lost', async () => {
  await subscriber.stop();
  deliver();
  const ids = Array.from({ length: 40 }, (_, at) => `g${at}`);
  for (const id of ids) await inbox.put(received(id));
  await soon(() => failures.length >= 40);
  await letTimePass();
  await soon(() => failures.length >= 80);
  expect(await undelivered()).toBe(40);
  expect((await list())[0]).toMatchObject({ state: 'waiting', lastFault: 'not reached (ECONNREFUSED)' });
  await subscriber.start();
  await letTimePass();
  await soon(async () => (await undelivered()) === 0);
  expect(eventsTaken().toSorted()).toEqual(ids.toSorted());
  const signedIds = subscriber.taken.map(({ headers }) => String(headers['webhook-id']));
  expect(signedIds.toSorted()).toEqual((await list()).map(({ id }) => id).toSorted());
});

test('between two tries it waits, longer each time', async () => {
  subscriber.behave(503);
  deliver();
  let since = Date.now();
  await inbox.put(received('g1'));
  for (const attempts of [1, 2, 3]) {
    const [webhook] = await soonWaiting(attempts);
    expect(webhook?.lastFault).toBe('answered with 503');
    // graphile-worker's own waits: e to the power of the tries, in seconds.
    const wait = Date.parse(webhook?.nextAttemptAt ?? '') - since;
    expect(wait).toBeGreaterThan(Math.exp(attempts) * 1000 - 100);
    since = Date.now();
    await letTimePass();
  }
});

/** The row once the try is over, and no other has begun. */
async function soonWaiting(attempts: number) {
  await soon(async () => {
    const { rowCount } = await database.owner.query(
      'SELECT FROM ideogate_webhook_jobs._private_jobs WHERE locked_at IS NULL AND attempts = $1',
      [attempts],
    );
    return rowCount === 1;
  });
  return list();
}

test.each([301, 302, 307, 308])(
  'a redirect (%i) is not followed: it is a failure like any other (G.61)',
  async (status) => {
    subscriber.behave(status);
    deliver();
    await inbox.put(received('g1'));
    await soon(() => failures.length === 1);
    expect(failures[0]?.reason).toBe(`answered with ${status}`);
    expect(subscriber.asked()).toBe(1);
  },
);

test('what was tried as often as it may be is a dead letter, and is delivered when somebody replays it', async () => {
  subscriber.behave(500);
  deliver();
  await inbox.put(received('g1', { attempts: 2 }));
  await inbox.put(received('g2', { attempts: 1, endpoint: 'gone' }));
  await soon(() => failures.length === 2);
  await soonWaiting(1);
  await letTimePass();
  await soon(async () => (await list({ state: 'dead' })).length === 2);
  expect(failures.filter(({ dead }) => dead)).toHaveLength(2);
  const dead = await list({ state: 'dead' });
  expect(dead.map(({ endpoint, lastFault }) => [endpoint, lastFault])).toEqual([
    ['gone', 'no endpoint of this name is set up here any more'],
    ['images', 'answered with 500'],
  ]);
  // Time alone brings none of them back.
  await letTimePass();
  const replayed = dead[1]?.id ?? '';
  subscriber.behave('takes');
  expect(await replayWebhooks(pool, [replayed, crypto.randomUUID()])).toEqual([replayed]);
  await soon(async () => (await list({ state: 'delivered' })).length === 1);
  expect(subscriber.taken[0]?.headers['webhook-id']).toBe(replayed);
  expect(await list({ state: 'dead' })).toHaveLength(1);
});

test('a body is let go a week after its delivery: it is not replayed then, but still known', async () => {
  await inbox.put(received('old'));
  await inbox.put(received('new'));
  await database.owner.query(
    `DELETE FROM ideogate_webhook_jobs._private_jobs;
     UPDATE ideogate_webhook.event SET delivered_at = now() - CASE event_id WHEN 'old' THEN interval '8 days' ELSE interval '6 days' END`,
  );
  deliver();
  const bodies = async () =>
    (await database.owner.query('SELECT event_id FROM ideogate_webhook.event WHERE body IS NOT NULL')).rows;
  await soon(async () => (await bodies()).length === 1);
  expect(await bodies()).toEqual([{ event_id: 'new' }]);
  const ids = (await list()).map(({ id }) => id);
  expect(await replayWebhooks(pool, ids)).toHaveLength(1);
  expect(await inbox.put(received('old'))).toBe('seen');
});

describe('a process that is killed', () => {
  const MAIN = fileURLToPath(new URL('deliver.main.ts', import.meta.url));

  test('between keeping and delivering loses nothing: the next one delivers', async () => {
    for (const id of ['g1', 'g2']) await inbox.put(received(id));
    deliver();
    await soon(async () => (await undelivered()) === 0);
    expect(eventsTaken().toSorted()).toEqual(['g1', 'g2']);
  });

  test('in the middle of a delivery holds nothing up: the next one takes its job over at once', async () => {
    subscriber.behave('is silent');
    await inbox.put(received('g1'));
    const child = spawn(process.execPath, [MAIN, database.url, subscriber.url], { stdio: 'ignore' });
    await soon(() => subscriber.asked() === 1);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const { rows } = await database.owner.query<{ locked: number }>(
      'SELECT count(*)::int AS locked FROM ideogate_webhook_jobs._private_jobs WHERE locked_at IS NOT NULL',
    );
    expect(rows).toEqual([{ locked: 1 }]);
    subscriber.behave('takes');
    deliver();
    await soon(async () => (await undelivered()) === 0);
    expect(eventsTaken()).toEqual(['g1']);
  });
});

test('how many wait and how many are dead letters is known to who delivers', async () => {
  await subscriber.stop();
  await inbox.put(received('g1', { attempts: 1 }));
  for (const id of ['g2', 'g3']) await inbox.put(received(id));
  await database.owner.query(
    'UPDATE ideogate_webhook_jobs._private_jobs SET attempts = max_attempts WHERE max_attempts = 1',
  );
  deliver();
  const [delivery] = running;
  await soon(() => delivery?.undelivered() !== null);
  expect(delivery?.undelivered()).toEqual({ waiting: 2, dead: 1 });
  await delivery?.stop();
  running.length = 0;
  expect(delivery?.undelivered()).toBeNull();
});

test('of two gateways one delivers, and the other goes on when it stops', async () => {
  deliver();
  deliver();
  for (let at = 0; at < 20; at++) await inbox.put(received(`g${at}`));
  await soon(async () => (await undelivered()) === 0);
  expect(subscriber.taken).toHaveLength(20);
  await running.shift()?.stop();
  await inbox.put(received('last'));
  await soon(async () => (await undelivered()) === 0);
  expect(eventsTaken().at(-1)).toBe('last');
});

describe('rights', () => {
  const asks = async (url: string, text: string) => {
    const own = openWebhookPool(url);
    // The pool takes on the group's role, which the record's logins may not.
    own.options.options = '';
    try {
      await own.query(text);
      return 'done';
    } catch (error) {
      return (error as { code?: string }).code; // as: errors of Postgres carry a code
    } finally {
      await own.end();
    }
  };
  test.each([
    'SELECT FROM ideogate.audit_event',
    'INSERT INTO ideogate.audit_event (seq) VALUES (1)',
    'DELETE FROM ideogate_webhook.event',
    'TRUNCATE ideogate_webhook.event',
    "UPDATE ideogate_webhook.event SET event_id = 'x'",
    'DROP TABLE ideogate_webhook.event',
    'CREATE TABLE ideogate_webhook.mine (a int)',
    "SELECT ideogate.month_key_of('2026-01-01', NULL)",
  ])('the webhook login may not: %s', async (text) => {
    expect(['42501', '3F000']).toContain(await asks(database.url, text));
  });
  test.each([
    'SELECT FROM ideogate_webhook.event',
    "SELECT ideogate_webhook_jobs.add_job('deliver')",
    'SELECT FROM ideogate_webhook_jobs.jobs',
    'SET ROLE ideogate_webhook',
  ])('the logins of the record may not: %s', async (text) => {
    expect(await asks(database.appendUrl, text)).toBe('42501');
    expect(await asks(database.readUrl, text)).toBe('42501');
  });
});

/** Six deliveries whose subscriber holds its answers back, until it is told to take whatever comes. */
async function sixUnderWay(url: string) {
  const waiting: ServerResponse[] = [];
  const told = { taking: false, faults: 0 };
  const held = createServer((request, response) => {
    request.resume();
    if (told.taking) response.writeHead(204).end();
    else waiting.push(response);
  }).listen(0, '127.0.0.1');
  await once(held, 'listening');
  const { port } = held.address() as AddressInfo; // as: it listens on TCP
  const delivery = deliverWebhooks({
    url,
    subscribers: new Map([['images', { url: `http://127.0.0.1:${port}/webhooks`, secrets: [SECRET] }]]),
    onFailed: () => {},
    onFault: () => void told.faults++,
  });
  for (let number = 0; number < 6; number++) await inbox.put(received(`g${number}`));
  await soon(() => waiting.length === 6);
  return {
    waiting,
    told,
    stop: async () => {
      await delivery.stop();
      held.closeAllConnections();
      held.close();
    },
  };
}

/** All that was kept is delivered, however long graphile-worker would wait. */
const allDelivered = () =>
  soon(async () => {
    await letTimePass();
    return (await undelivered()) === 0;
  });

test.each([204, 500])(
  'the database goes while deliveries are under way, which are then answered %i: nothing ends, and all are delivered',
  async (status) => {
    const deaths: unknown[] = [];
    const onDeath = (error: unknown) => deaths.push(error);
    process.on('unhandledRejection', onDeath);
    const { relay, url } = await relayTo(database.url);
    try {
      const { waiting, told, stop } = await sixUnderWay(url);
      relay.cut();
      for (const response of waiting) response.writeHead(status).end();
      await soon(() => told.faults > 0);
      told.taking = true;
      relay.restore();
      await allDelivered();
      await stop();
      expect(deaths).toEqual([]);
    } finally {
      process.off('unhandledRejection', onDeath);
      await relay.close();
    }
  },
  60_000,
);

test('telling how several deliveries ended fails while the lead is held: another term goes on with all', async () => {
  const { waiting, told, stop } = await sixUnderWay(database.url);
  await database.owner.query(
    'BEGIN; LOCK TABLE ideogate_webhook_jobs._private_jobs IN ACCESS EXCLUSIVE MODE',
  );
  told.taking = true;
  const ends = `FROM pg_stat_activity WHERE application_name = 'ideogate-webhook' AND datname = current_database()
    AND wait_event_type = 'Lock' AND query LIKE '%delete%'`;
  // One by one, or they would be told of at once; more than two find no connection left in the pool.
  for (const [before, response] of waiting.slice(0, 2).entries()) {
    response.writeHead(204).end();
    await soon(async () => {
      await database.owner.query('SELECT pg_stat_clear_snapshot()');
      return (await database.owner.query(`SELECT ${ends}`)).rows.length > before;
    });
  }
  await database.owner.query(`SELECT pg_terminate_backend(pid) ${ends}`);
  await database.owner.query('COMMIT');
  for (const response of waiting.slice(2)) response.writeHead(204).end();
  await soon(() => told.faults > 0);
  await inbox.put(received('later'));
  await allDelivered();
  expect((await list()).map(({ state }) => state)).toEqual(Array.from({ length: 7 }, () => 'delivered'));
  await stop();
}, 60_000);
