import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { createDatabase, type Relay, startRelay, type TestDatabase } from '@ideogate/testkit';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  cleanUp,
  freePorts,
  generate,
  newFolder,
  processesOf,
  type Product,
  ran,
  readyIn,
  start,
  stop,
  token,
} from './running-product.ts';

/** Parts of one's own instead of those that come with the product: a Postgres, an upstream, keys. */
const KEYS = { read: 'fake-read-key-MARKED-given', write: 'fake-write-key-MARKED-given' };

let database: TestDatabase;
let relay: Relay;
let upstream: Server;
let product: Product;
let env: Record<string, string>;
const seen: { url: string | undefined; headers: IncomingHttpHeaders }[] = [];

beforeAll(async () => {
  database = await createDatabase();
  const direct = new URL(database.url);
  relay = await startRelay({ host: direct.hostname, port: Number(direct.port) });
  const through = new URL(database.url);
  through.port = String(relay.port);
  upstream = createServer((request, response) => {
    seen.push({ url: request.url, headers: request.headers });
    request.resume().once('end', () => {
      response.setHeader('content-type', 'application/json');
      response.end('{"data":[{"url":"https://images.example/1.png","is_image_safe":true}]}');
    });
  }).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const address = upstream.address();
  const port = typeof address === 'object' ? address?.port : 0;
  env = {
    DATABASE_URL: through.href,
    IDEOGRAM_BASE_URL: `http://127.0.0.1:${port}`,
    IDEOGRAM_READ_KEY: KEYS.read,
    IDEOGRAM_WRITE_KEY: KEYS.write,
  };
  product = await start({ env });
});
afterAll(async () => {
  relay?.restore();
  await cleanUp();
  upstream?.close();
  await relay?.close();
  await database?.drop();
});

test('with a Postgres and an upstream of one’s own neither the embedded one nor the emulator runs', async () => {
  expect(product.ready).toMatchObject({ emulator: null });
  expect(product.logins.owner).toBe('');
  expect(new URL(product.logins.read).pathname).toBe(`/${database.name}`);
  const others = processesOf(product.data).filter((pid) => pid !== product.pid);
  expect(others.map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[1])).toEqual([
    expect.stringMatching(/apps\/issuer\/src\/main\.ts$/),
  ]);
  expect(product.stdout()).toContain(`upstream  ${env['IDEOGRAM_BASE_URL']}, with the key you gave`);
  expect(product.stdout()).not.toContain('EMULATOR');
});

test('calls go to the upstream named, with its key and never with the token', async () => {
  const bearer = await token(product, 'writer');
  expect((await generate(product, bearer)).status).toBe(200);
  expect(seen.at(-1)).toMatchObject({
    url: '/v1/ideogram-v3/generate',
    headers: { 'api-key': KEYS.write },
  });
  await fetch(`${product.ready.gateway}/datasets`, { headers: { 'api-key': bearer } });
  expect(seen.at(-1)?.headers['api-key']).toBe(KEYS.read);
  expect(JSON.stringify(seen)).not.toContain(bearer);
});

test('while the database is away calls get 503 with Retry-After and nothing goes out; then they succeed again', async () => {
  const bearer = await token(product, 'writer');
  const before = seen.length;
  relay.cut();
  const began = performance.now();
  const refused = await generate(product, bearer);
  expect(refused.status).toBe(503);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(performance.now() - began).toBeLessThan(2500);
  expect(seen).toHaveLength(before);
  // A refusal stays what it is.
  expect((await generate(product, await token(product, 'reader'))).status).toBe(403);
  await vi.waitUntil(async () => (await fetch(`${product.ready.gateway}/-/ready`)).status === 503, {
    timeout: 5000,
    interval: 50,
  });
  expect((await fetch(`${product.ready.gateway}/-/health`)).status).toBe(200);
  relay.restore();
  await vi.waitUntil(async () => (await generate(product, bearer)).status === 200, {
    timeout: 10_000,
    interval: 100,
  });
  expect(readyIn(product.data)).not.toBeNull();
});

test('no key is on stdout, on stderr, in ready.json or in the metrics', async () => {
  const metrics = await (await fetch(product.ready.metrics)).text();
  for (const text of [product.stdout(), product.stderr(), JSON.stringify(product.ready), metrics])
    expect(text).not.toContain('MARKED');
});

test('the database of one environment is refused to another, and still works for its own', async () => {
  const data = newFolder();
  const other = await ran(['start'], {
    env: {
      ...env,
      IDEOGATE_DATA: data,
      IDEOGATE_PORT: String(await freePorts()),
      IDEOGATE_ENVIRONMENT: 'production',
    },
  });
  expect(other.code).toBe(3);
  expect(other.stderr).toMatch(
    /^DATABASE_URL: the database holds the record of staging, and production needs one/,
  );
  expect(other.stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(readyIn(data)).toBeNull();
  expect((await generate(product, await token(product, 'writer'))).status).toBe(200);
});

test('a database that does not answer, or does not know the password, is named in one line', async () => {
  const wrong = new URL(database.url);
  wrong.password = 'MARKED-wrong';
  for (const [url, words] of [
    [
      'postgres://me:MARKED@127.0.0.1:9/record',
      /^The Postgres of DATABASE_URL cannot be used \(ECONNREFUSED\)/,
    ],
    [
      'postgres://me:MARKED@localhost:9/record',
      /^The Postgres of DATABASE_URL cannot be used \(ECONNREFUSED\)/,
    ],
    [wrong.href, /^The Postgres of DATABASE_URL cannot be used \(28P01\): password authentication failed/],
  ] as const) {
    const data = newFolder();
    const result = await ran(['start'], {
      env: { DATABASE_URL: url, IDEOGATE_DATA: data, IDEOGATE_PORT: String(await freePorts()) },
    });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(words);
    expect(result.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(result.stderr + result.stdout).not.toContain('MARKED');
    expect(processesOf(data)).toEqual([]);
  }
});

test('it stops in order, and the next start finds its record', async () => {
  expect(await stop(product)).toBe(0);
  expect(product.stderr()).toBe('');
  product = await start({ data: product.data, port: product.port, env });
  const { stdout } = await ran(['audit', 'list', '--result', 'success'], {
    env: { IDEOGATE_DATA: product.data },
  });
  expect((JSON.parse(stdout) as unknown[]).length).toBeGreaterThanOrEqual(3);
});
