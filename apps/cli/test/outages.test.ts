import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Consumer,
  eventsIn,
  startConsumer,
  startWebhookSubscriber,
  type WebhookSubscriber,
} from '@ideogate/testkit';
import { parseWebhookSecret, verifyWebhook } from '@ideogate/webhook';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  callHome,
  cleanUp,
  eventsInTable,
  newFolder,
  type Product,
  ran,
  start,
  stop,
} from './running-product.ts';
import { figures, load, LONG, PER_SECOND, tally } from './two-gateways.ts';

/**
 * Who takes the record and who takes webhooks are away while calls go on; in the long form for five and for ten
 * minutes, and with as many calls a second as that form makes elsewhere.
 */
const CONSUMER_AWAY_MS = LONG ? 300_000 : 2_000;
const SUBSCRIBER_AWAY_MS = LONG ? 600_000 : 4_000;
/** What failed for so long waits for up to three times as long. */
const DELIVERED_WITHIN_MS = LONG ? 1_800_000 : 40_000;

const OURS = `whsec_${Buffer.alloc(32, 'MARKED-ours').toString('base64')}`;
const SHARED = 'fake-shared-secret-MARKED-1';

let consumer: Consumer;
let subscriber: WebhookSubscriber;
let product: Product;
/** How each call ended, and the events whose webhooks were taken in. */
let made: Readonly<Record<string, number>>;
const expected: string[] = [];

beforeAll(async () => {
  [consumer, subscriber] = await Promise.all([startConsumer(), startWebhookSubscriber()]);
  const file = join(newFolder(), 'webhooks.json');
  const to = { url: subscriber.url, secrets: ['env:SUBSCRIBER_SECRET'] };
  writeFileSync(
    file,
    JSON.stringify([
      { name: 'images', scheme: 'ideogram', users: ['emulated-user'], subscriber: to },
      { name: 'plain', scheme: 'hmac-sha256', secrets: ['env:IDEOGRAM_SECRET'], subscriber: to },
    ]),
  );
  product = await start({
    env: {
      IDEOGATE_EXPORT_TO: consumer.url,
      IDEOGATE_WEBHOOKS: file,
      SUBSCRIBER_SECRET: OURS,
      IDEOGRAM_SECRET: SHARED,
      IDEOGATE_RATE_PER_ADDRESS: '1000000',
      IDEOGATE_RATE_PER_SUBJECT: '1000000',
    },
  });
  const began = performance.now();
  await Promise.all([consumer.stop(), subscriber.stop()]);
  const calls = load([() => product], PER_SECOND).then(async (running) => {
    await delay(CONSUMER_AWAY_MS);
    await consumer.start();
    return tally(await running.stop());
  });
  while (performance.now() - began < SUBSCRIBER_AWAY_MS) {
    const { status, id } = await callHome(product, 'a lighthouse');
    if (id === '') throw new Error(`an asynchronous call was answered ${status}`);
    expected.push(id, await send(`plain-${expected.length}`));
    await delay(500);
  }
  made = await calls;
  await subscriber.start();
}, SUBSCRIBER_AWAY_MS + 60_000);
afterAll(async () => {
  await cleanUp();
  await Promise.all([consumer?.stop(), subscriber?.stop()]);
});

async function send(generation_id: string): Promise<string> {
  const body = JSON.stringify({ generation_id });
  const signature = createHmac('sha256', SHARED).update(body).digest('hex');
  const response = await fetch(`${product.ready.gateway}/-/webhooks/plain`, {
    method: 'POST',
    headers: { 'x-ideogram-signature': signature },
    body,
  });
  if (response.status !== 204) throw new Error(`a webhook was answered ${response.status}`);
  return generation_id;
}

/** By event, the ids that it was delivered with. */
function delivered(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const { headers, body } of subscriber.taken) {
    const { generation_id: event } = JSON.parse(body.toString()) as { generation_id: string }; // as: both kinds have one
    found.set(event, (found.get(event) ?? new Set()).add(String(headers['webhook-id'])));
  }
  return found;
}

test('a consumer of the record that was away delays no call, and gets every event once it is back', async () => {
  expect(Object.keys(made)).toEqual(['200']);
  const before = consumer.lines.length;
  const since = performance.now();
  const all = await vi.waitUntil(
    async () => {
      const table = await eventsInTable(product);
      return new Set(eventsIn(consumer.lines)).size === table.length ? table : null;
    },
    { timeout: DELIVERED_WITHIN_MS, interval: 500 },
  );
  expect([...new Set(eventsIn(consumer.lines))].toSorted()).toEqual(all);
  figures(
    `consumer away for ${CONSUMER_AWAY_MS / 1000} s: ${made['200']} calls, all 200; ${all.length} events in the table, ` +
      `${new Set(eventsIn(consumer.lines)).size} with the consumer, ${consumer.lines.length - before} lines in the last ` +
      `${Math.round(performance.now() - since)} ms`,
  );
}, 2_000_000);

test('a subscriber that was away gets every webhook once it is back, each with its id', async () => {
  expect(expected.length).toBeGreaterThan(4);
  const since = performance.now();
  await vi.waitUntil(() => expected.every((event) => delivered().has(event)), {
    timeout: DELIVERED_WITHIN_MS,
    interval: 500,
  });
  const took = Math.round((performance.now() - since) / 1000);
  const listed = await vi.waitUntil(
    async () => {
      const { stdout } = await ran(['webhooks', 'list', '--limit', '10000', '--json'], {
        env: { IDEOGATE_DATA: product.data },
      });
      const list = JSON.parse(stdout) as { id: string; eventId: string; endpoint: string; state: string }[]; // as: what it prints
      return list.every(({ state }) => state === 'delivered') ? list : null;
    },
    { timeout: 20_000, interval: 500 },
  );
  expect([...delivered().keys()].toSorted()).toEqual(expected.toSorted());
  const ids = [...delivered().values()].map((given) => [...given].join()).toSorted();
  expect(ids).toEqual(listed.map(({ id }) => id).toSorted());
  const secret = parseWebhookSecret('standard', OURS);
  if (secret === null) throw new Error('no secret');
  // By the time that each was signed at: the first ones are older than a signature may be.
  const verdicts = subscriber.taken.map((delivery) =>
    verifyWebhook(
      { scheme: 'standard', secrets: [secret] },
      delivery,
      Number(delivery.headers['webhook-timestamp']) * 1000,
    ),
  );
  expect(verdicts.filter(({ ok }) => !ok)).toEqual([]);
  figures(
    `subscriber away for ${SUBSCRIBER_AWAY_MS / 1000} s: ${expected.length} webhooks, ${delivered().size} delivered under ` +
      `${new Set(ids).size} ids, ${subscriber.taken.length - ids.length} of them twice; the last ${took} s after it was back`,
  );
  expect(await stop(product)).toBe(0);
}, 2_000_000);
