import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { beginUpload, bodyOf, callFrom, callIdOf, get, postJson } from './raw-caller.ts';
import { type RawUpstream, say, startRawUpstream } from './raw-upstream.ts';

const GENERATE = '/v1/ideogram-v3/generate';
const REMIX = '/v1/ideogram-v3/remix';
const READ = '/v1/generations/fake-generation';
const PAID = { prompt: 'a lighthouse', rendering_speed: 'TURBO' };

/** The one call on record with this trace id, once it has ended. */
async function callOfTrace(gateway: TestGateway, traceId: string) {
  return vi.waitUntil(
    async () =>
      (await gateway.calls()).find((call) => call.traceId === traceId && call.state !== 'open') ?? null,
    { timeout: 10_000, interval: 25 },
  );
}

let traces = 0;
/** The same request with a trace id of its own, by which its call is found when nobody hears the answer. */
function traced(request: string): { readonly bytes: string; readonly traceId: string } {
  const traceId = (++traces).toString(16).padStart(32, 'a');
  const field = `traceparent: 00-${traceId}-00000000000000ab-01\r\n`;
  const at = request.indexOf('\r\n') + 2;
  return { bytes: request.slice(0, at) + field + request.slice(at), traceId };
}

const until = (condition: () => boolean | Promise<boolean>) =>
  vi.waitUntil(condition, { timeout: 10_000, interval: 10 });

describe('when the caller leaves', () => {
  let gateway: TestGateway;
  let token: string;

  beforeAll(async () => {
    gateway = await startTestGateway();
    token = await gateway.token('full');
  });
  beforeEach(async () => {
    await gateway.fault({});
    await fetch(`${gateway.upstream}/-/received`, { method: 'DELETE' });
  });
  afterAll(() => gateway?.close());

  const receivedOne = () => until(async () => (await gateway.received()).length === 1);

  test('before a paid answer comes: one outcome, aborted, with what was bought (E.48, E.51)', async () => {
    await gateway.fault({ latencyMs: 400 });
    const { bytes, traceId } = traced(postJson(GENERATE, token, PAID));
    const caller = await callFrom(gateway.port, bytes);
    await until(async () => (await gateway.received())[0]?.complete === true);
    caller.socket.destroy();
    const call = await callOfTrace(gateway, traceId);
    expect(call).toMatchObject({
      state: 'done',
      outcome: 'aborted',
      result: 'failure',
      reason: 'caller-left',
      status: null,
      upstreamStatus: 200,
      images: 1,
      costUsdMicros: 30_000,
      safe: true,
    });
    expect(await gateway.received()).toHaveLength(1);
    expect((await gateway.calls()).filter((one) => one.traceId === traceId)).toHaveLength(1);
  });

  test('in the middle of a paid answer: it is read to its end, aborted, with what was bought', async () => {
    await gateway.fault({ drip: { bytes: 100, everyMs: 60 } });
    const { bytes, traceId } = traced(postJson(GENERATE, token, PAID));
    const caller = await callFrom(gateway.port, bytes);
    await until(() => bodyOf(caller.heard()).length > 0);
    caller.socket.destroy();
    expect(await callOfTrace(gateway, traceId)).toMatchObject({
      outcome: 'aborted',
      reason: 'caller-left',
      upstreamStatus: 200,
      images: 1,
      costUsdMicros: 30_000,
    });
  });

  test('trap 27: before the answer to a read comes: the upstream is let go at once', async () => {
    await gateway.fault({ neverAnswer: true });
    const { bytes, traceId } = traced(get(READ, token));
    const caller = await callFrom(gateway.port, bytes);
    await receivedOne();
    caller.socket.destroy();
    expect(await callOfTrace(gateway, traceId)).toMatchObject({
      outcome: 'aborted',
      reason: 'caller-left',
      upstreamStatus: null,
      costUsdMicros: 0,
    });
  });

  test('in the middle of the answer to a read: the upstream is let go', async () => {
    await gateway.fault({ neverEnd: true });
    const { bytes, traceId } = traced(get(READ, token));
    const caller = await callFrom(gateway.port, bytes);
    await until(() => bodyOf(caller.heard()).length > 0);
    caller.socket.destroy();
    expect(await callOfTrace(gateway, traceId)).toMatchObject({ outcome: 'aborted', reason: 'caller-left' });
  });

  test.each([
    ['gone', (caller: Awaited<ReturnType<typeof callFrom>>) => caller.socket.destroy()],
    ['reset', (caller: Awaited<ReturnType<typeof callFrom>>) => caller.socket.resetAndDestroy()],
  ])('in the middle of an upload (%s): the upstream never gets its end', async (_, leave) => {
    const { bytes, traceId } = traced(beginUpload(REMIX, token, 1_000_000));
    const caller = await callFrom(gateway.port, bytes);
    caller.socket.write(Buffer.alloc(200_000));
    await until(async () => ((await gateway.received())[0]?.bodyBytes ?? 0) > 100_000);
    leave(caller);
    const call = await callOfTrace(gateway, traceId);
    expect(call).toMatchObject({ outcome: 'aborted', reason: 'caller-left', costUsdMicros: 0, images: null });
    expect(call?.bytesSent).toBeLessThan(1_000_000);
    expect(await gateway.received()).toMatchObject([{ complete: false, status: null }]);
  });

  test('before its JSON has come whole: refused as left, and nothing went out', async () => {
    const request = postJson(GENERATE, token, PAID);
    const { bytes, traceId } = traced(request.slice(0, -10));
    const caller = await callFrom(gateway.port, bytes);
    await until(async () => /ideogate_calls_in_flight 1\b/.test(await gateway.metrics()));
    caller.socket.destroy();
    expect(await callOfTrace(gateway, traceId)).toMatchObject({
      state: 'refused',
      problem: null,
      reason: 'caller-left',
      subject: 'full',
    });
    expect(await gateway.received()).toEqual([]);
  });

  test.each([
    ['JSON', () => postJson(GENERATE, token, PAID)],
    ['an upload', () => beginUpload(REMIX, token, 1_000_000)],
  ])('while the decision is being written (%s): recorded once, nothing was sent', async (_, request) => {
    gateway.relay.delayAnswers(300);
    const { bytes, traceId } = traced(request());
    const caller = await callFrom(gateway.port, bytes);
    await until(async () => /ideogate_rows_waiting 1\b/.test(await gateway.metrics()));
    caller.socket.destroy();
    const call = await callOfTrace(gateway, traceId);
    gateway.relay.delayAnswers(0);
    expect(call).toMatchObject({ outcome: 'aborted', reason: 'caller-left', costUsdMicros: 0 });
    expect(await gateway.received()).toEqual([]);
  });

  test.each(['JSON', 'an upload', 'a read'])(
    'while it waits for a connection to the upstream (%s): it never goes out, and cost nothing',
    async (kind) => {
      const upstream = await startRawUpstream();
      const narrow = await startTestGateway({
        upstream: `http://127.0.0.1:${upstream.port}`,
        settings: { IDEOGATE_UPSTREAM_CONNECTIONS: '1', IDEOGATE_UPSTREAM_READ_CONNECTIONS: '1' },
      });
      try {
        const ok = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}';
        const answered = new WeakMap<Socket, number>();
        let held: Socket | null = null;
        upstream.behave((socket, all) => {
          const heads = all.split(' HTTP/1.1\r\n').length - 1;
          if (held === null) held = socket;
          else if (heads > (answered.get(socket) ?? 0)) socket.write(ok);
          answered.set(socket, heads);
        });
        const release = () => held?.write(ok);
        const full = await narrow.token('full');
        const first = await callFrom(
          narrow.port,
          kind === 'a read' ? get(READ, full) : postJson(GENERATE, full, PAID),
        );
        await until(() => upstream.bytes() > 0);
        const form = `${bodyOf(beginUpload(REMIX, full, 0))}fake-image\r\n--XXXX--\r\n`;
        const request = {
          JSON: () => postJson(GENERATE, full, { prompt: 'waits' }),
          'an upload': () => beginUpload(REMIX, full, form.length).split('\r\n\r\n')[0] + '\r\n\r\n' + form,
          'a read': () => get(READ, full),
        }[kind];
        const { bytes, traceId } = traced(request?.() ?? '');
        const waiting = await callFrom(narrow.port, bytes);
        await until(async () => (await narrow.calls()).some((call) => call.traceId === traceId));
        waiting.socket.destroy();
        expect(await callOfTrace(narrow, traceId)).toMatchObject({
          outcome: 'aborted',
          reason: 'caller-left',
          costUsdMicros: 0,
          bytesSent: 0,
        });
        release();
        expect(await first.closed).toMatch(/^HTTP\/1\.1 200 /);
        // What was waiting would go before this one.
        const models = await fetch(`${narrow.url}/models`, { headers: { 'api-key': full } });
        expect(models.status).toBe(200);
        expect(upstream.read().match(/ HTTP\/1\.1\r\n/g)).toHaveLength(2);
      } finally {
        await upstream.refuse();
        await narrow.close();
      }
    },
  );

  test.each([
    ['with nothing behind it', ''],
    ['with bytes for the tunnel behind it', 'no tunnel yet'],
  ])('a call with a CONNECT behind it, %s, ends when its caller leaves', async (_, behind) => {
    await gateway.fault({ neverAnswer: true });
    const first = traced(get(READ, token).replace('Connection: close\r\n', ''));
    const tunnel = 'CONNECT /models HTTP/1.1\r\nHost: gateway.test\r\n\r\n';
    const caller = await callFrom(gateway.port, first.bytes + tunnel);
    await receivedOne();
    caller.socket.end(behind);
    expect(await callOfTrace(gateway, first.traceId)).toMatchObject({
      outcome: 'aborted',
      reason: 'caller-left',
    });
  });

  test('with a CONNECT behind calls that wait for their turn: all of them end', async () => {
    await gateway.fault({ neverAnswer: true });
    const kept = (request: string) => request.replace('Connection: close\r\n', '');
    const first = traced(kept(get(READ, token)));
    const second = kept(get(READ, token));
    const page = 'GET /-/health HTTP/1.1\r\nHost: gateway.test\r\n\r\n';
    const tunnel = 'CONNECT /models HTTP/1.1\r\nHost: gateway.test\r\n\r\n';
    const caller = await callFrom(gateway.port, first.bytes + page + second + tunnel);
    await receivedOne();
    caller.socket.destroy();
    expect(await callOfTrace(gateway, first.traceId)).toMatchObject({
      outcome: 'aborted',
      reason: 'caller-left',
    });
    // Neither the page nor what waited behind it was begun: only the gauge tells that they are over. Each one left would
    // take the place of a call.
    await until(async () => /^ideogate_calls_in_flight 0$/m.test(await gateway.metrics()));
    expect(await gateway.received()).toHaveLength(1);
  });

  test('nothing stays behind: no call is in flight when all have ended', async () => {
    await until(async () => /ideogate_calls_in_flight 0\b/.test(await gateway.metrics()));
    await until(async () => /ideogate_rows_waiting 0\b/.test(await gateway.metrics()));
    expect((await gateway.calls()).filter((call) => call.state === 'open')).toEqual([]);
  });
});

describe('when the gateway stops', () => {
  test('calls in flight end as they would have, and new ones are told to try again', async () => {
    const gateway = await startTestGateway();
    try {
      const token = await gateway.token('full');
      await gateway.fault({ latencyMs: 500 });
      const kept = await callFrom(
        gateway.port,
        postJson(GENERATE, token, PAID).replace('Connection: close\r\n', ''),
      );
      await until(async () => (await gateway.received())[0]?.complete === true);
      const stopped = gateway.stop();
      const answer = await kept.closed;
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
      await stopped;
      expect(await gateway.call(callIdOf(answer))).toMatchObject({
        outcome: 'completed',
        result: 'success',
        images: 1,
      });
    } finally {
      await gateway.close();
    }
  });

  test('a call that arrives on an open connection while it stops gets 503 and a row', async () => {
    const gateway = await startTestGateway();
    try {
      const token = await gateway.token('full');
      await gateway.fault({ latencyMs: 500 });
      const request = postJson(GENERATE, token, PAID).replace('Connection: close\r\n', '');
      const idle = await callFrom(gateway.port, request.slice(0, 20));
      const busy = await callFrom(gateway.port, request);
      await until(async () => (await gateway.received())[0]?.complete === true);
      const stopped = gateway.stop();
      idle.socket.write(request.slice(20), 'latin1');
      const refused = await idle.closed;
      expect(refused).toMatch(/^HTTP\/1\.1 503 /);
      expect(refused).toMatch(/^retry-after: 1\r$/im);
      expect(bodyOf(refused)).toContain('"code":"shutting-down"');
      expect(await busy.closed).toMatch(/^HTTP\/1\.1 200 /);
      await stopped;
      expect(await gateway.call(callIdOf(refused))).toMatchObject({
        state: 'refused',
        problem: 'shutting-down',
        reason: 'stopping',
      });
    } finally {
      await gateway.close();
    }
  });

  test('a picture that takes longer than fastify lets a hook take is still waited for', async () => {
    const gateway = await startTestGateway();
    try {
      const token = await gateway.token('full');
      // By default fastify ends what runs before a close after 10 seconds, as an error that nobody can catch.
      await gateway.fault({ latencyMs: 11_000 });
      const { bytes, traceId } = traced(postJson(GENERATE, token, PAID));
      const caller = await callFrom(gateway.port, bytes);
      await until(async () => (await gateway.received()).length === 1);
      await gateway.stop();
      expect(await caller.closed).toMatch(/^HTTP\/1\.1 200 /);
      expect(await callOfTrace(gateway, traceId)).toMatchObject({ outcome: 'completed', result: 'success' });
    } finally {
      await gateway.close();
    }
  });

  test('an answer that is cut by a stop looks whole to nobody, over HTTP/1.0 and where the connection closes with it (D.45)', async () => {
    const gateway = await startTestGateway({ settings: { IDEOGATE_DRAIN_MS: '300' } });
    try {
      const token = await gateway.token('full');
      await gateway.fault({ drip: { bytes: 10, everyMs: 200 } });
      const old = await callFrom(gateway.port, get(READ, token).replace('HTTP/1.1', 'HTTP/1.0'));
      const reset = once(old.socket, 'error');
      const closing = await callFrom(gateway.port, get(READ, token));
      await until(() => [old, closing].every((caller) => bodyOf(caller.heard()).length > 0));
      await gateway.stop();
      expect(await reset).toEqual([expect.objectContaining({ code: 'ECONNRESET' })]);
      const answer = await closing.closed;
      expect(answer).toMatch(/^transfer-encoding: chunked\r$/im);
      expect(answer).not.toMatch(/0\r\n\r\n$/);
    } finally {
      await gateway.close();
    }
  });

  test('what outlives the time a stop allows is cut, and on record as aborted', async () => {
    const gateway = await startTestGateway({ settings: { IDEOGATE_DRAIN_MS: '300' } });
    try {
      const token = await gateway.token('full');
      await gateway.fault({ neverAnswer: true });
      const paid = traced(postJson(GENERATE, token, PAID));
      const read = traced(get(READ, token));
      const upload = traced(beginUpload(REMIX, token, 1_000_000) + 'x'.repeat(70_000));
      const callers = await Promise.all(
        [paid, read, upload].map(({ bytes }) => callFrom(gateway.port, bytes)),
      );
      await until(async () => (await gateway.received()).length === 3);
      const began = performance.now();
      await gateway.stop();
      expect(performance.now() - began).toBeLessThan(5000);
      for (const caller of callers) expect(await caller.closed).toBe('');
      for (const { traceId } of [paid, read, upload]) {
        expect(await callOfTrace(gateway, traceId)).toMatchObject({
          outcome: 'aborted',
          reason: 'gateway-stopped',
          result: 'failure',
          images: null,
        });
      }
    } finally {
      await gateway.close();
    }
  });
});

test('a request that took too long has one row, though the rest of it comes while that row is written', async () => {
  const gateway = await startTestGateway({ settings: { IDEOGATE_HEADERS_TIMEOUT_MS: '200' } });
  try {
    const request = get(READ, await gateway.token('full')).replace('Connection: close\r\n', '');
    const caller = await callFrom(gateway.port, request.slice(0, 20));
    gateway.relay.freeze();
    await until(async () => (await gateway.metrics()).includes('{reason="request-timeout"} 1'));
    caller.socket.write(request.slice(20) + request);
    // An answer to it would come at once, and one to a later call tells that it does not.
    const health = await callFrom(gateway.port, 'GET /-/health HTTP/1.1\r\nHost: gateway.test\r\n\r\n');
    await until(() => bodyOf(health.heard()) !== '');
    gateway.relay.restore();
    expect(await caller.closed).toMatch(/^HTTP\/1\.1 408 /);
    expect(await gateway.ended(1)).toMatchObject([{ reason: 'request-timeout' }]);
    health.socket.destroy();
    await gateway.stop();
    expect(await gateway.calls()).toHaveLength(1);
    expect(await gateway.received()).toEqual([]);
  } finally {
    await gateway.close();
  }
});

describe('when a connection would hold up a stop', () => {
  const PAGES = 'GET /-/whoami HTTP/1.1\r\nHost: gateway.test\r\n\r\n'.repeat(20_000);
  test.each([
    ['half a head and then nothing', () => 'GET /models HTTP/1.1\r\nHost: gateway.test\r\n', 'half-request'],
    ['answers that nobody reads', () => PAGES, null],
    [
      'the rest of a refused upload, byte by byte',
      () => beginUpload(REMIX, 'no-token', 30_000_000).replace('Connection: close\r\n', ''),
      'token-not-compact',
    ],
  ])('%s: it is cut soon after the drain, and keeps its row', async (_, bytes, reason) => {
    const gateway = await startTestGateway({ settings: { IDEOGATE_DRAIN_MS: '300' } });
    const socket = connect(gateway.port, '127.0.0.1');
    const drip = setInterval(() => reason === 'token-not-compact' && socket.write('x'), 50);
    try {
      socket.on('error', () => undefined).pause();
      socket.write(bytes());
      const listening = `${gateway.url}/-/health`;
      expect((await fetch(listening)).status).toBe(200);
      if (reason === 'token-not-compact') await gateway.ended(1);
      const began = performance.now();
      await gateway.stop();
      expect(performance.now() - began).toBeLessThan(6000);
      if (reason !== null) expect(await gateway.ended(1)).toMatchObject([{ reason }]);
      // The last reading of the counter, after the stop.
      expect(await gateway.metrics()).toMatch(/ideogate_calls_in_flight 0\b/);
    } finally {
      clearInterval(drip);
      socket.destroy();
      await gateway.close();
    }
  });
});

describe('when nobody waits for a paid answer any more', () => {
  let gateway: TestGateway;
  let upstream: RawUpstream;

  beforeAll(async () => {
    upstream = await startRawUpstream();
    gateway = await startTestGateway({
      upstream: `http://127.0.0.1:${upstream.port}`,
      settings: { IDEOGATE_UPSTREAM_WHOLE_MS: '1500', IDEOGATE_MAX_BODY_BYTES: '65536' },
    });
  });
  afterAll(async () => {
    await upstream?.refuse();
    await gateway?.close();
  });

  const leaveDuring = async (token: string) => {
    const { bytes, traceId } = traced(postJson(GENERATE, token, PAID));
    const caller = await callFrom(gateway.port, bytes);
    await until(() => upstream.bytes() > 0);
    caller.socket.destroy();
    return callOfTrace(gateway, traceId);
  };

  test('one that never comes is waited for no longer than any call may take', async () => {
    upstream.behave(() => undefined);
    expect(await leaveDuring(await gateway.token('full'))).toMatchObject({
      outcome: 'aborted',
      upstreamStatus: null,
      images: null,
    });
  });

  test('one that a caller does not take to its end is cut when the call has had its time', async () => {
    const token = await gateway.token('full');
    // The kernel takes a part of it, which nobody can tell beforehand: among these some end just beyond.
    const sizes = Array.from({ length: 24 }, (_, index) => 3_850_000 + index * 8000);
    const sockets = [];
    for (const size of sizes) {
      upstream.behave(
        say(
          `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${size}\r\nConnection: close\r\n\r\n${' '.repeat(size)}`,
        ),
      );
      const { bytes } = traced(postJson(GENERATE, token, PAID));
      const socket = connect(gateway.port, '127.0.0.1').pause();
      socket.on('error', () => undefined);
      socket.write(bytes);
      sockets.push(socket);
      await until(async () => upstream.bytes() > 0);
    }
    await until(async () => /ideogate_calls_in_flight 0\b/.test(await gateway.metrics()));
    const calls = (await gateway.ended(sizes.length)).slice(-sizes.length);
    for (const { outcome } of calls) expect(['completed', 'cut']).toContain(outcome);
    for (const socket of sockets) socket.destroy();
  });

  test('one beyond all measure is read no further than the bound', async () => {
    upstream.behave((socket, all) => {
      // After the caller has left: what it would have been sent nobody reads.
      setTimeout(() => {
        const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 90000000\r\n\r\n';
        say(head + 'x'.repeat(200_000))(socket, all);
      }, 150);
    });
    const call = await leaveDuring(await gateway.token('full'));
    expect(call).toMatchObject({ outcome: 'aborted', upstreamStatus: 200 });
    expect(call?.bytesReceived).toBeGreaterThan(65_536);
    expect(call?.bytesReceived).toBeLessThan(200_001);
  });
});
