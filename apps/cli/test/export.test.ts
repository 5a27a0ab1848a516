import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Consumer, eventsIn, startConsumer } from '@ideogate/testkit';
import {
  cleanUp,
  eventsInTable,
  generate,
  newFolder,
  type Product,
  ran,
  start,
  stop,
  token,
} from './running-product.ts';

let consumer: Consumer;
let product: Product;
let data: string;
let env: Record<string, string>;

beforeAll(async () => {
  consumer = await startConsumer();
  data = newFolder();
  env = {
    IDEOGATE_EXPORT_TO: `${consumer.url}?source=fake-source`,
    IDEOGATE_EXPORT_AUTHORIZATION: 'Bearer fake-siem-token-MARKED',
  };
  product = await start({ data, env });
});
afterAll(async () => {
  await cleanUp();
  await consumer.stop();
});

const audit = (...words: string[]) => ran(['audit', ...words], { env: { IDEOGATE_DATA: data } });

async function calls(count: number): Promise<void> {
  const bearer = await token(product, 'writer');
  for (let made = 0; made < count; made++) expect((await generate(product, bearer)).status).toBe(200);
}

async function lag(of: 'events' | 'seconds'): Promise<number | undefined> {
  const text = await (await fetch(product.ready.metrics)).text();
  const found = new RegExp(`^ideogate_export_lag_${of}\\{destination="[^"?]+"\\} (\\S+)$`, 'm').exec(
    text,
  )?.[1];
  return found === undefined ? undefined : Number(found);
}

async function keptUp(): Promise<void> {
  await vi.waitUntil(
    async () => new Set(eventsIn(consumer.lines)).size === (await eventsInTable(product)).length,
    {
      timeout: 20_000,
      interval: 100,
    },
  );
}

test('start sends the record where it is told to, tells how far it is behind, and goes on after a restart', async () => {
  await calls(3);
  await keptUp();
  expect(consumer.headers[0]?.authorization).toBe('Bearer fake-siem-token-MARKED');
  await vi.waitUntil(async () => (await lag('events')) === 0, { timeout: 5000, interval: 50 });
  await consumer.stop();
  await calls(5);
  await vi.waitUntil(async () => ((await lag('events')) ?? 0) >= 10 && ((await lag('seconds')) ?? 0) > 0, {
    timeout: 10_000,
    interval: 100,
  });
  expect(await stop(product)).toBe(0);
  const log = product.stdout() + product.stderr();
  expect(log).not.toContain('fake-siem-token-MARKED');
  expect(log).not.toContain('fake-source');
  await consumer.start();
  product = await start({ data, port: product.port, env });
  await calls(1);
  await keptUp();
  expect([...new Set(eventsIn(consumer.lines))].toSorted()).toEqual(await eventsInTable(product));
});

describe('audit export', () => {
  test('writes a file that audit verify proves, and goes on in it the next time', async () => {
    const file = join(data, 'record.ndjson');
    expect((await audit('export', '--out', file)).code).toBe(0);
    const size = statSync(file).size;
    await calls(2);
    expect((await audit('export', '--out', file)).code).toBe(0);
    expect(statSync(file).size).toBeGreaterThan(size);
    expect(existsSync(`${file}.cursor`)).toBe(true);
    const events = eventsIn(readFileSync(file, 'utf8').split('\n').slice(0, -1));
    expect(new Set(events).size).toBe(events.length);
    const key = await audit('key', '--json');
    expect(key.code).toBe(0);
    const verified = await audit('verify', file, '--json');
    expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, events: events.length });
    expect(verified.code).toBe(0);
  });

  test('writes to a pipe, and says in the record that it was read', async () => {
    const piped = await audit('export', '--out', '-');
    expect(piped.code).toBe(0);
    const events = eventsIn(piped.stdout.split('\n').slice(0, -1));
    expect(events.length).toBeGreaterThan(20);
    expect(piped.stdout).toMatch(/"operation":"audit export"/);
  });

  test('gives up an export that nobody knows at once, and one that goes on not at all', async () => {
    const forget = (url: string) => audit('export', '--to', url, '--forget', '--yes');
    expect(await forget('https://siem.example/in')).toMatchObject({
      code: 0,
      stdout: 'Nothing is known of an export https://siem.example/in.\n',
    });
    expect(await forget(consumer.url)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^Nothing was done: the record is being sent there just now/),
    });
  });

  test.each([
    [[], 3, /Say where to/],
    [['--out', 'a', '--forget', '--yes'], 3, /--forget goes with --to/],
    [['--to', 'https://siem.example/in', '--forget'], 3, /Nothing was done.*--yes/],
    [['--out', 'a', '--to', 'https://siem.example/'], 3, /Say where to/],
    [['--to', 'http://siem.example/'], 3, /https URL/],
    [['--out', 'a', '--cursor', 'b'], 3, /--cursor goes with/],
    [['--out', '/nowhere/at/all'], 1, /ENOENT/],
  ])('with %j it says what is wrong', async (words, code, why) => {
    const refused = await audit('export', ...words);
    expect(refused.code).toBe(code);
    expect(refused.stderr).toMatch(why);
  });
});
