import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { sharedFor } from '../src/routes/probes.ts';

describe('on the operations port', () => {
  let gateway: TestGateway;
  let reader = '';

  beforeAll(async () => {
    gateway = await startTestGateway({
      settings: { IDEOGATE_MAX_IN_FLIGHT: '4', IDEOGATE_RATE_PER_ADDRESS: '5' },
    });
    reader = await gateway.token('reader');
  });
  afterAll(() => gateway?.close());

  const ask = (path: string, init?: RequestInit) => fetch(`${gateway.operationsUrl}${path}`, init);

  test.each([
    ['/-/health', /^application\/json/, '{"status":"alive"}'],
    ['/-/ready', /^application\/json/, '"status":"ready"'],
    ['/metrics', /^text\/plain/, 'ideogate_refusals_total'],
  ])('%s answers, as often as it is asked, and HEAD without a body', async (path, type, holds) => {
    for (let asked = 0; asked < 20; asked++) {
      const response = await ask(path);
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toMatch(type);
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(await response.text()).toContain(holds);
    }
    const head = await ask(path, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await ask(path, { method: 'OPTIONS' })).headers.get('allow')).toBe('GET, HEAD, OPTIONS');
    expect((await ask(path, { method: 'POST' })).status).toBe(405);
  });

  test('nothing else is there, and no call either', async () => {
    for (const path of ['/', '/models', '/-/whoami', '/metrics/', '/-/health?a=1'])
      expect((await ask(path, { headers: { 'api-key': reader } })).status).toBe(404);
    expect(await gateway.received()).toEqual([]);
  });

  test('what callers do doesn’t keep health and readiness from answering, on either port (H.65)', async () => {
    await gateway.fault({ latencyMs: 60_000, match: { path: '/models' } });
    const stop = new AbortController();
    const held = Array.from({ length: 10 }, () =>
      fetch(`${gateway.url}/models`, { headers: { 'api-key': reader }, signal: stop.signal }).catch(
        () => null,
      ),
    );
    const flood = await Promise.all(Array.from({ length: 20 }, () => fetch(`${gateway.url}/models`)));
    expect(flood.map(({ status }) => status)).toContain(429);
    for (const url of [gateway.url, gateway.operationsUrl])
      for (const path of ['/-/health', '/-/ready']) expect((await fetch(`${url}${path}`)).status).toBe(200);
    stop.abort();
    await Promise.all(held);
    await gateway.fault({});
  });

  describe.each([
    ['say nothing', '', 300],
    ['begin a head and no more', 'GET /-/health HT', 300],
    ['begin a body and no more', 'POST /-/health HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n', 300],
  ])('connections that %s', (_, said, many) => {
    test('are bounded, and keep no probe out (H.62, H.65)', async () => {
      const held = await Promise.all(Array.from({ length: many }, () => opened(said)));
      await vi.waitUntil(() => held.filter(({ closed }) => closed).length >= many - 256, { timeout: 5000 });
      for (let asked = 0; asked < 5; asked++) expect((await ask('/-/health')).status).toBe(200);
      for (const socket of held) socket.destroy();
    });

    test('have seconds', async () => {
      const socket = await opened(said);
      await expect.poll(() => socket.closed, { timeout: 14_000 }).toBe(true);
    }, 15_000);
  });

  async function opened(said: string): Promise<Socket> {
    const socket = connect(Number(new URL(gateway.operationsUrl).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    await once(socket, 'connect');
    socket.write(said);
    return socket;
  }

  test('a gateway that drains says that it isn’t ready, and that it lives', async () => {
    const before = (await gateway.received()).length;
    await gateway.fault({ latencyMs: 1500, match: { path: '/models' } });
    const last = fetch(`${gateway.url}/models`, { headers: { 'api-key': reader } });
    await expect.poll(async () => (await gateway.received()).length, { timeout: 5000 }).toBe(before + 1);
    const stopped = gateway.stop();
    const ready = await ask('/-/ready');
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ checks: { listener: { ok: false, detail: 'stopping' } } });
    expect((await ask('/-/health')).status).toBe(200);
    expect((await last).status).toBe(200);
    await stopped;
  });
});

describe('what many ask at once', () => {
  test('is worked out once, and kept for its time after that', async () => {
    let now = 0;
    let worked = 0;
    let finish: (value: number) => void = () => undefined;
    const ask = sharedFor(
      1000,
      () =>
        new Promise<number>((resolve) => {
          worked++;
          finish = resolve;
        }),
      () => now,
    );
    const many = Array.from({ length: 100 }, () => ask());
    now = 5000;
    finish(1);
    expect(new Set(await Promise.all(many))).toEqual(new Set([1]));
    now = 5999;
    expect([await ask(), worked]).toEqual([1, 1]);
    now = 6000;
    const next = ask();
    finish(2);
    expect([await next, worked]).toEqual([2, 2]);
  });

  test('and fails is worked out anew for who asks next', async () => {
    let worked = 0;
    const ask = sharedFor(1000, async () => {
      worked++;
      throw new Error('fake');
    });
    await expect(ask()).rejects.toThrow('fake');
    await expect(ask()).rejects.toThrow('fake');
    expect(worked).toBe(2);
  });
});
