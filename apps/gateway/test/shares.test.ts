import { connect, type Socket } from 'node:net';
import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { beginUpload, callFrom, callIdOf, get, postJson, type RawCaller } from './raw-caller.ts';

const GENERATE = '/v1/ideogram-v3/generate';
const REMIX = '/v1/ideogram-v3/remix';
const PICTURE = { prompt: 'a hen', rendering_speed: 'TURBO', num_images: 1 };

const open: { destroy(): void }[] = [];
const gateways: TestGateway[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy();
  for (const gateway of gateways.splice(0)) await gateway.close();
});

async function start(settings: Readonly<Record<string, string>>): Promise<TestGateway> {
  const gateway = await startTestGateway({ settings: { IDEOGATE_QUEUE_MS: '1000', ...settings } });
  gateways.push(gateway);
  return gateway;
}

/** So many callers with the same bytes. */
async function crowd(gateway: TestGateway, count: number, bytes: string): Promise<readonly RawCaller[]> {
  const callers = await Promise.all(Array.from({ length: count }, () => callFrom(gateway.port, bytes)));
  for (const { socket } of callers) open.push(socket);
  return callers;
}

/** The head of a JSON body and its first bytes; the rest never comes. */
function halfJson(token: string, length = 1000): string {
  const fields = `Host: a\r\nApi-Key: ${token}\r\nContent-Type: application/json\r\nContent-Length: ${length}`;
  return `POST ${GENERATE} HTTP/1.1\r\n${fields}\r\n\r\n{"prompt":"`;
}

async function pool(gateway: TestGateway, name: string, figure: string): Promise<number> {
  const line = new RegExp(`^ideogate_pool_${figure}\\{pool="${name}"\\} (\\d+)$`, 'm');
  return Number(line.exec(await gateway.metrics())?.[1] ?? Number.NaN);
}

async function claims(gateway: TestGateway, name: string, result: string): Promise<number> {
  const line = new RegExp(`^ideogate_pool_claims_total\\{pool="${name}",result="${result}"\\} (\\d+)$`, 'm');
  return Number(line.exec(await gateway.metrics())?.[1] ?? 0);
}

const until = (condition: () => boolean | Promise<boolean>) =>
  vi.waitUntil(condition, { timeout: 15_000, interval: 20 });

const ask = (gateway: TestGateway, token: string, path = '/models') =>
  fetch(`${gateway.url}${path}`, { headers: { 'api-key': token } });

const generate = (gateway: TestGateway, token: string) =>
  fetch(`${gateway.url}${GENERATE}`, {
    method: 'POST',
    headers: { 'api-key': token, 'content-type': 'application/json' },
    body: JSON.stringify(PICTURE),
  });

describe('calls in flight (H.62)', () => {
  test('bodies that come byte by byte leave the last quarter to others, health included, and the rest of them are told of their share', async () => {
    const gateway = await start({ IDEOGATE_MAX_IN_FLIGHT: '20' });
    const [greedy, other] = [await gateway.token('full'), await gateway.token('writer')];
    const drips = await crowd(gateway, 30, halfJson(greedy));
    await until(async () => (await pool(gateway, 'calls', 'held')) === 15);
    expect((await ask(gateway, other)).status).toBe(200);
    expect((await generate(gateway, other)).status).toBe(200);
    expect((await fetch(`${gateway.url}/-/health`)).status).toBe(200);
    // Those that waited too long.
    await until(() => drips.filter((one) => one.heard() !== '').length === 15);
    const refused = drips.find((one) => one.heard() !== '')?.heard() ?? '';
    expect(refused).toMatch(/^HTTP\/1\.1 429 /);
    expect(refused).toMatch(/^retry-after: 1\r$/im);
    expect(refused).toMatch(
      /holds 15 of the 20 calls in flight, and its share is \d+ while others want them/,
    );
    expect(await gateway.call(callIdOf(refused))).toMatchObject({ reason: 'calls-share', subject: 'full' });
  });

  test('who finds all taken by unfinished bodies gets the place of the oldest of them, which is told so', async () => {
    const gateway = await start({ IDEOGATE_MAX_IN_FLIGHT: '4' });
    const [greedy, second] = [await gateway.token('full'), await gateway.token('writer')];
    const [oldest] = await crowd(gateway, 1, halfJson(greedy));
    await until(async () => (await pool(gateway, 'calls', 'held')) === 1);
    await crowd(gateway, 2, halfJson(greedy));
    await crowd(gateway, 1, halfJson(second));
    await until(async () => (await pool(gateway, 'calls', 'held')) === 4);
    expect((await ask(gateway, await gateway.token('reader'))).status).toBe(200);
    const told = await oldest?.closed;
    expect(told).toMatch(/^HTTP\/1\.1 429 /);
    expect(await gateway.call(callIdOf(told ?? ''))).toMatchObject({
      problem: 'too-many-requests',
      reason: 'calls-revoked',
      state: 'refused',
    });
    expect(await claims(gateway, 'calls', 'revoked')).toBe(1);
  });

  test('a caller that leaves while it waits takes nothing, and has its row', async () => {
    const gateway = await start({ IDEOGATE_MAX_IN_FLIGHT: '2', IDEOGATE_QUEUE_MS: '60000' });
    const token = await gateway.token('reader');
    await gateway.fault({ latencyMs: 1000 });
    const held = [ask(gateway, token), ask(gateway, token)];
    await until(async () => (await pool(gateway, 'calls', 'held')) === 2);
    const [waiting] = await crowd(gateway, 1, get('/models', token));
    await until(async () => (await pool(gateway, 'calls', 'waiting')) === 1);
    waiting?.socket.destroy();
    await until(async () => (await pool(gateway, 'calls', 'waiting')) === 0);
    for (const answer of held) expect((await answer).status).toBe(200);
    const rows = await gateway.ended(3);
    expect(rows.filter(({ reason }) => reason === 'caller-left')).toHaveLength(1);
    expect(await gateway.received()).toHaveLength(2);
    expect(await pool(gateway, 'calls', 'held')).toBe(0);
  });

  test('pipelining gets nobody more than one call at a time on each connection, and answers in order', async () => {
    const gateway = await start({ IDEOGATE_MAX_IN_FLIGHT: '1000' });
    const token = await gateway.token('full');
    await gateway.fault({ latencyMs: 700, match: { path: '/models' } });
    const one = `GET /models HTTP/1.1\r\nHost: a\r\nApi-Key: ${token}\r\n\r\n`;
    const unknown = one.replace('/models', '/v9/nothing');
    const [caller] = await crowd(gateway, 1, one + unknown.repeat(200));
    await until(async () => (await gateway.received()).length === 1);
    expect(await pool(gateway, 'calls', 'held')).toBe(1);
    // What one read of the socket brought has a name; the rest was not read.
    const inFlight = Number(/^ideogate_calls_in_flight (\d+)$/m.exec(await gateway.metrics())?.[1]);
    expect(inFlight).toBeLessThan(201);
    const answers = () => caller?.heard().match(/HTTP\/1\.1 \d\d\d/g) ?? [];
    await vi.waitUntil(() => answers().length === 201, { timeout: 50_000, interval: 50 });
    expect(answers()[0]).toBe('HTTP/1.1 200');
    expect(new Set(answers().slice(1))).toEqual(new Set(['HTTP/1.1 404']));
  });

  test('peers without a token hold places of their own, by address, and none of callers', async () => {
    const gateway = await start({ IDEOGATE_MAX_IN_FLIGHT: '4', IDEOGATE_COMMIT_TIMEOUT_MS: '2000' });
    gateway.relay.freeze();
    const from = (localAddress: string) => {
      const socket: Socket = connect({ port: gateway.port, host: '127.0.0.1', localAddress });
      open.push(socket);
      let heard = '';
      socket.on('error', () => undefined).on('data', (chunk: Buffer) => (heard += chunk.toString()));
      socket.write('GET /models HTTP/1.1\r\nHost: a\r\n\r\n');
      return () => heard;
    };
    // Each of them waits for its row, as long as that may take.
    const flood = Array.from({ length: 6 }, () => from('127.0.0.3'));
    await until(async () => (await pool(gateway, 'unauthenticated-calls', 'held')) === 3);
    await until(async () => (await claims(gateway, 'unauthenticated-calls', 'share')) === 3);
    const other = from('127.0.0.2');
    await until(() => flood.every((heard) => heard() !== '') && other() !== '');
    gateway.relay.restore();
    const statuses = flood.map((heard) => heard().slice(9, 12)).sort();
    expect(statuses).toEqual(['401', '401', '401', '429', '429', '429']);
    expect(other()).toMatch(/^HTTP\/1\.1 401 /);
    expect(flood.map((heard) => heard()).find((text) => text.startsWith('HTTP/1.1 429'))).toMatch(
      /This address holds 3 of the 4 calls of unauthenticated peers/,
    );
  });
});

describe('connections to Ideogram (H.62)', () => {
  test('an upload of which little is there takes none, however long it lasts', async () => {
    const gateway = await start({ IDEOGATE_UPSTREAM_CONNECTIONS: '2' });
    await crowd(gateway, 8, beginUpload(REMIX, await gateway.token('full'), 5000));
    await until(async () => (await pool(gateway, 'calls', 'held')) === 8);
    expect((await generate(gateway, await gateway.token('writer'))).status).toBe(200);
    expect(await pool(gateway, 'write-connections', 'held')).toBe(0);
    expect((await gateway.received()).map(({ target }) => target)).toEqual([GENERATE]);
  });

  test('unfinished uploads that have theirs give way to a caller within its share, and Ideogram gets no end of them', async () => {
    const gateway = await start({ IDEOGATE_UPSTREAM_CONNECTIONS: '2' });
    const begun = `${beginUpload(REMIX, await gateway.token('full'), 500_000)}${'x'.repeat(100_000)}`;
    const [oldest] = await crowd(gateway, 1, begun);
    await until(async () => (await pool(gateway, 'write-connections', 'held')) === 1);
    await crowd(gateway, 1, begun);
    await until(async () => (await pool(gateway, 'write-connections', 'held')) === 2);
    expect((await generate(gateway, await gateway.token('writer'))).status).toBe(200);
    const told = await oldest?.closed;
    expect(told).toMatch(/^HTTP\/1\.1 429 /);
    expect(await gateway.call(callIdOf(told ?? ''))).toMatchObject({
      outcome: 'aborted',
      problem: 'too-many-requests',
      reason: 'write-connections-revoked',
      costUsdMicros: 0,
    });
    const received = await gateway.received();
    expect(received.filter(({ target, complete }) => target === REMIX && complete)).toEqual([]);
  });

  test('slow pictures leave a quarter to other pictures, and reads go by connections of their own', async () => {
    const gateway = await start({
      IDEOGATE_UPSTREAM_CONNECTIONS: '4',
      IDEOGATE_UPSTREAM_READ_CONNECTIONS: '4',
    });
    await gateway.fault({ latencyMs: 60_000, match: { path: GENERATE } });
    const [greedy, other] = [await gateway.token('full'), await gateway.token('writer')];
    const pictures = await crowd(gateway, 8, postJson(GENERATE, greedy, PICTURE));
    await until(async () => (await gateway.received()).length === 3);
    expect((await ask(gateway, greedy)).status).toBe(200);
    expect((await ask(gateway, other)).status).toBe(200);
    await crowd(gateway, 1, postJson(GENERATE, other, PICTURE));
    await until(
      async () => (await gateway.received()).filter(({ target }) => target === GENERATE).length === 4,
    );
    await until(() => pictures.filter((one) => one.heard() !== '').length === 5);
    const refused = pictures.find((one) => one.heard() !== '')?.heard() ?? '';
    expect(refused).toMatch(/^HTTP\/1\.1 429 /);
    expect(await gateway.call(callIdOf(refused))).toMatchObject({
      outcome: 'failed',
      problem: 'too-many-requests',
      reason: 'write-connections-share',
      costUsdMicros: 0,
      upstreamStatus: null,
    });
  });

  test('who waits is served by what it holds, not by when it came', async () => {
    const gateway = await start({ IDEOGATE_UPSTREAM_CONNECTIONS: '4', IDEOGATE_QUEUE_MS: '30000' });
    await gateway.fault({ latencyMs: 400, match: { path: GENERATE } });
    const [greedy, other] = [await gateway.token('full'), await gateway.token('writer')];
    const before = await crowd(gateway, 30, postJson(GENERATE, greedy, PICTURE));
    await until(async () => (await pool(gateway, 'write-connections', 'waiting')) === 27);
    const late = await Promise.all(Array.from({ length: 4 }, () => generate(gateway, other)));
    expect(late.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(before.filter((one) => one.heard() !== '').length).toBeLessThan(16);
  });
});

describe('memory for bodies (H.62)', () => {
  test('large bodies of one caller leave room for those of others, announced or not', async () => {
    const gateway = await start({ IDEOGATE_MAX_BODY_MEMORY_BYTES: '4194304' });
    const [greedy, other] = [await gateway.token('full'), await gateway.token('writer')];
    const chunked = halfJson(greedy).replace('Content-Length: 1000', 'Transfer-Encoding: chunked');
    const large = [
      ...(await crowd(gateway, 3, halfJson(greedy, 1_048_576))),
      ...(await crowd(gateway, 3, `${chunked.slice(0, chunked.indexOf('{'))}b\r\n{"prompt":"\r\n`)),
    ];
    await until(async () => (await pool(gateway, 'body-memory', 'held')) === 3 * 1_048_576);
    expect((await generate(gateway, other)).status).toBe(200);
    await until(() => large.filter((one) => one.heard() !== '').length === 3);
    const refused = large.find((one) => one.heard() !== '')?.heard() ?? '';
    expect(refused).toMatch(/^HTTP\/1\.1 429 /);
    expect(refused).toMatch(/bytes of request bodies in memory/);
    for (const { socket } of large) socket.destroy();
    await until(async () => (await pool(gateway, 'body-memory', 'held')) === 0);
  });

  test('of a body without an announced length only what came is held on to', async () => {
    const gateway = await start({});
    await gateway.fault({ latencyMs: 1000, match: { path: GENERATE } });
    const body = new Blob([JSON.stringify(PICTURE)]).stream();
    const answer = fetch(`${gateway.url}${GENERATE}`, {
      method: 'POST',
      headers: { 'api-key': await gateway.token('writer'), 'content-type': 'application/json' },
      body,
      duplex: 'half',
    });
    await until(async () => (await gateway.received()).length === 1);
    expect(await pool(gateway, 'body-memory', 'held')).toBe(JSON.stringify(PICTURE).length);
    expect((await answer).status).toBe(200);
    await until(async () => (await pool(gateway, 'body-memory', 'held')) === 0);
  });
});

test('everything is given back, however calls end', async () => {
  const gateway = await start({ IDEOGATE_MAX_IN_FLIGHT: '8', IDEOGATE_BODY_IDLE_MS: '300' });
  const token = await gateway.token('full');
  await gateway.fault({ latencyMs: 100 });
  const upload = beginUpload(REMIX, token, 500_000);
  const kinds = [
    get('/models', token),
    get('/models', 'no-token'),
    get('/v9/nothing', token),
    postJson(GENERATE, token, PICTURE),
    postJson(GENERATE, token, { ...PICTURE, webhook_url: 'https://elsewhere.example' }),
    halfJson(token),
    upload,
    `${upload}${'x'.repeat(100_000)}`,
  ];
  for (let round = 0; round < 3; round++) {
    const callers = await Promise.all(kinds.map((bytes) => callFrom(gateway.port, bytes)));
    if (round === 1) for (const { socket } of callers) socket.destroy();
    await Promise.all(callers.map(({ closed }) => closed));
  }
  await until(async () => /^ideogate_calls_in_flight 0$/m.test(await gateway.metrics()));
  for (const name of [
    'unauthenticated-calls',
    'calls',
    'body-memory',
    'read-connections',
    'write-connections',
  ])
    expect([name, await pool(gateway, name, 'held'), await pool(gateway, name, 'waiting')]).toEqual([
      name,
      0,
      0,
    ]);
});
