import { relayTo, startTestGateway, redisUrl, testWithRedis, type TestGateway } from '@ideogate/testkit';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { PacedLine } from '../src/admission/paced-line.ts';
import { exchange, request } from './wire.ts';

async function withGateway(
  settings: Readonly<Record<string, string>>,
  use: (gateway: TestGateway) => Promise<void>,
): Promise<void> {
  const gateway = await startTestGateway({ settings });
  try {
    await use(gateway);
  } finally {
    await gateway.close();
  }
}

/** So many requests to a path, one after the other. */
async function times(count: number, ask: () => Promise<Response>): Promise<readonly Response[]> {
  const responses: Response[] = [];
  for (let i = 0; i < count; i++) {
    const response = await ask();
    await response.arrayBuffer();
    responses.push(response);
  }
  return responses;
}

const statuses = (responses: readonly Response[]) => responses.map(({ status }) => status);
const count = (status: number, responses: readonly Response[]) =>
  responses.filter((response) => response.status === status).length;

async function refusals(gateway: TestGateway, reason: string): Promise<number> {
  const line = new RegExp(`^ideogate_refusals_total\\{reason="${reason}"\\} (\\d+)$`, 'm');
  return Number(line.exec(await gateway.metrics())?.[1] ?? 0);
}

const JSON_HEADERS = { 'content-type': 'application/json' };

test('trap 7: what an address sends over its limit gets 429 with Retry-After, is counted exactly, and has no rows (D.46, E.48)', () =>
  withGateway({ IDEOGATE_RATE_PER_ADDRESS: '20' }, async (gateway) => {
    const good = await gateway.token('reader');
    const ask = (path: string, token?: string) => () =>
      fetch(`${gateway.url}${path}`, token === undefined ? {} : { headers: { 'api-key': token } });
    // 401, 404, 200, own pages, what no parser reads: all of it counts, before anybody is authenticated.
    const within = [
      ...(await times(5, ask('/models'))),
      ...(await times(5, ask('/models', 'fake-token'))),
      ...(await times(3, ask('/v9/dream', good))),
      ...(await times(2, ask('/models', good))),
      ...(await times(3, ask('/-/problems'))),
    ];
    expect(count(429, within)).toBe(0);
    for (let i = 0; i < 2; i++) await exchange(gateway.port, 'NONSENSE\r\n\r\n');

    const over = [
      ...(await times(20, ask('/models'))),
      ...(await times(10, ask('/models', 'fake-token'))),
      ...(await times(5, ask('/-/problems'))),
    ];
    expect(count(429, over)).toBe(35);
    for (const response of over) {
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
      expect(response.headers.get('ideogate-call-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
    const told = await ask('/models')();
    expect(await told.json()).toMatchObject({
      detail: expect.stringMatching(
        /^This address sent more than 20 requests in 60 s, the limit of each address\. /,
      ),
      limit_of: 'each address',
      limit: 20,
    });
    const garbage = await exchange(gateway.port, 'NONSENSE\r\n\r\n');
    expect(garbage.answers.map(({ status }) => status)).toEqual([429]);
    await exchange(gateway.port, 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n');
    expect(await refusals(gateway, 'address-rate')).toBe(38);
    // 5 + 5 + 3 + 2 calls and 2 times garbage; the pages have no rows, and the flood has none.
    const rows = await gateway.ended(17);
    expect(rows).toHaveLength(17);
    expect(rows.filter(({ reason }) => reason === 'address-rate')).toHaveLength(0);
  }));

test('an address over its limit shuts out no caller that shares it, and nobody who asks whether the gateway lives (D.46, H.62, H.65)', () =>
  withGateway(
    { IDEOGATE_RATE_PER_ADDRESS: '50', IDEOGATE_RATE_PER_SUBJECT: '30', IDEOGATE_RATE_WINDOW_MS: '600000' },
    async (gateway) => {
      const [known, fresh, later] = [
        await gateway.token('reader'),
        await gateway.token('reader'),
        await gateway.token('reader'),
      ];
      const ask = (path: string, token?: string) => () =>
        fetch(`${gateway.url}${path}`, token === undefined ? {} : { headers: { 'api-key': token } });
      expect(statuses(await times(1, ask('/models', known)))).toEqual([200]);
      const flood = await times(80, ask('/models'));
      expect(count(401, flood)).toBe(49);
      expect(count(429, flood)).toBe(31);
      const probes = await times(60, ask('/-/health'));
      expect(count(200, probes)).toBe(60);
      // What was verified before goes on, and what is valid and seen for the first time, too.
      expect(statuses(await times(3, ask('/models', known)))).toEqual([200, 200, 200]);
      expect(statuses(await times(2, ask('/models', fresh)))).toEqual([200, 200]);
      const turns = vi.spyOn(PacedLine.prototype, 'next');
      // Junk is stopped as if it had brought none, and keeps no token out that was never seen, while it waits or after.
      const junk = Array.from({ length: 300 }, (_, at) => `${known.slice(0, -8)}AAA${at + 100}AA`);
      const stopped = junk.map((token) => ask('/models', token)());
      expect(statuses(await times(1, ask('/models', later)))).toEqual([200]);
      expect(count(429, await Promise.all(stopped))).toBe(300);
      // None of them was verified but in its turn.
      expect(turns).toHaveBeenCalledTimes(301);
      turns.mockRestore();
      expect(statuses(await times(2, ask('/models', known)))).toEqual([200, 200]);
      const rows = await gateway.ended(1 + 49 + 3 + 2 + 1 + 2);
      expect(rows).toHaveLength(1 + 49 + 3 + 2 + 1 + 2);
      expect(await refusals(gateway, 'address-rate')).toBe(31 + 300);
      // A token takes nothing past the limit that isn't counted for its caller either.
      const broken = await times(40, ask('/models//', known));
      expect(statuses(broken.slice(0, 2))).toEqual([400, 400]);
      expect(count(400, broken)).toBe(30 - 8);
      expect(count(429, broken)).toBe(40 - 22);
    },
  ));

test('a caller over its own limit gets 429 with Retry-After and a row; others go on (B.26, D.46)', () =>
  withGateway({ IDEOGATE_RATE_PER_SUBJECT: '5' }, async (gateway) => {
    const [reader, again, writer] = [
      await gateway.token('reader'),
      await gateway.token('reader'),
      await gateway.token('writer'),
    ];
    const models = (token: string) => () => fetch(`${gateway.url}/models`, { headers: { 'api-key': token } });
    expect(statuses(await times(5, models(reader)))).toEqual(Array.from({ length: 5 }, () => 200));
    // Another token of the same caller is the same caller.
    const over = await models(again)();
    expect(over.status).toBe(429);
    expect(Number(over.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await over.json()).toMatchObject({
      detail: expect.stringMatching(
        /^This caller sent more than 5 requests in 60 s, the limit of each caller\. Try again in \d+ s\.$/,
      ),
      limit_of: 'each caller',
      limit: 5,
      window_seconds: 60,
    });
    expect(await gateway.call(over)).toMatchObject({
      problem: 'too-many-requests',
      reason: 'subject-rate',
      subject: 'reader',
    });
    expect(statuses(await times(1, models(writer)))).toEqual([200]);
    // Nobody uses up a caller's limit with a token that isn't valid.
    expect(count(401, await times(10, models(`${writer.slice(0, -4)}AAAA`)))).toBe(10);
    expect(statuses(await times(4, models(writer)))).toEqual([200, 200, 200, 200]);
  }));

test('two callers whose names differ only in case have a limit each', async () => {
  const gateway = await startTestGateway({
    settings: { IDEOGATE_RATE_PER_SUBJECT: '2' },
    policy: `
environments:
  staging: { ceiling: ["read:*"] }
callers:
  - subject: reader
    grants: { staging: ["read:*"] }
  - subject: Reader
    grants: { staging: ["read:*"] }
`,
  });
  try {
    for (const caller of ['reader', 'Reader']) {
      const headers = { 'api-key': await gateway.token(caller) };
      expect(statuses(await times(3, () => fetch(`${gateway.url}/models`, { headers })))).toEqual([
        200, 200, 429,
      ]);
    }
  } finally {
    await gateway.close();
  }
});

test('calls beyond those that may be in flight get 429 from a caller that has its share, 503 from others, with Retry-After and a row', () =>
  withGateway({ IDEOGATE_MAX_IN_FLIGHT: '2', IDEOGATE_QUEUE_MS: '200' }, async (gateway) => {
    const headers = { 'api-key': await gateway.token('reader') };
    await gateway.fault({ latencyMs: 60_000, match: { path: '/models' } });
    const stop = new AbortController();
    const held = [1, 2].map(() =>
      fetch(`${gateway.url}/models`, { headers, signal: stop.signal }).catch(() => null),
    );
    await expect.poll(async () => (await gateway.received()).length, { timeout: 5000 }).toBe(2);
    const third = await fetch(`${gateway.url}/models`, { headers });
    expect(third.status).toBe(429);
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await third.json()).toMatchObject({ pool: 'calls', held: 2, share: 1, size: 2 });
    expect(await gateway.call(third)).toMatchObject({ problem: 'too-many-requests', reason: 'calls-share' });
    const other = await fetch(`${gateway.url}/models`, {
      headers: { 'api-key': await gateway.token('writer') },
    });
    expect(other.status).toBe(503);
    expect(await gateway.call(other)).toMatchObject({ problem: 'overloaded', reason: 'calls-full' });
    stop.abort();
    await Promise.all(held);
    await gateway.ended(4);
    await gateway.fault({});
    expect((await fetch(`${gateway.url}/models`, { headers })).status).toBe(200);
  }));

test('trap 5: bodies end at their limit: announced or not, JSON or form, and nothing complete goes out', () =>
  withGateway(
    { IDEOGATE_MAX_BODY_BYTES: '20000', IDEOGATE_MAX_JSON_BYTES: '2000', IDEOGATE_MAX_TOKEN_BYTES: '8192' },
    async (gateway) => {
      const token = await gateway.token('full');
      const url = `${gateway.url}/v1/ideogram-v3/generate`;
      const form = new FormData();
      form.append('prompt', 'a lighthouse');
      form.append(
        'style_reference_images',
        new Blob([new Uint8Array(30_000)], { type: 'image/png' }),
        'a.png',
      );
      const encoded = new Response(form);
      const type = encoded.headers.get('content-type') ?? '';
      const bytes = new Uint8Array(await encoded.arrayBuffer());
      const json = JSON.stringify({ prompt: 'x'.repeat(3000) });
      const streamed = (body: Uint8Array | string): RequestInit & { duplex: 'half' } => ({
        body: new Blob([typeof body === 'string' ? body : new Uint8Array(body)]).stream(),
        duplex: 'half',
      });
      const tries: readonly (readonly [RequestInit, string, 'refused' | 'done'])[] = [
        [{ body: bytes, headers: { 'api-key': token, 'content-type': type } }, 'content-length', 'refused'],
        [{ ...streamed(bytes), headers: { 'api-key': token, 'content-type': type } }, 'body-size', 'done'],
        [{ body: json, headers: { 'api-key': token, ...JSON_HEADERS } }, 'json-size', 'refused'],
        [{ ...streamed(json), headers: { 'api-key': token, ...JSON_HEADERS } }, 'json-size', 'refused'],
      ];
      for (const [init, reason, state] of tries) {
        const response = await fetch(url, { method: 'POST', ...init });
        expect(response.status).toBe(413);
        expect(await response.json()).toMatchObject({ code: 'body-too-large' });
        expect(await gateway.call(response)).toMatchObject({ problem: 'body-too-large', reason, state });
      }
      expect((await gateway.received()).filter(({ complete }) => complete)).toHaveLength(0);
    },
  ));

test('a caller still sending when it is refused gets to see why', () =>
  withGateway({}, async (gateway) => {
    const token = await gateway.token('full');
    const body = `{"prompt":"a","prompt":"b","x":"${'x'.repeat(900_000)}"}`;
    const fields = [`Host: 127.0.0.1:${gateway.port}`, `Api-Key: ${token}`, 'Content-Type: application/json'];
    for (const [target, status] of [
      ['/v1/ideogram-v3/generate', 400],
      ['/v1//generate', 400],
      ['/v9/dream', 404],
      ['/v1/ideogram-v3/generate?api_key=a', 400],
    ] as const) {
      const { answers } = await exchange(
        gateway.port,
        request(`POST ${target} HTTP/1.1`, [...fields, `Content-Length: ${body.length}`], body),
      );
      expect(answers.map((answer) => answer.status)).toEqual([status]);
    }
  }));

test('values and depth of JSON end at their limits, in a form too', () =>
  withGateway({ IDEOGATE_MAX_JSON_VALUES: '100', IDEOGATE_MAX_JSON_DEPTH: '8' }, async (gateway) => {
    const headers = { 'api-key': await gateway.token('full'), ...JSON_HEADERS };
    const send = (more: object) =>
      fetch(`${gateway.url}/v1/ideogram-v3/generate`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ prompt: 'a lighthouse', ...more }),
      });
    const nested = (depth: number): object => (depth === 0 ? {} : { in: nested(depth - 1) });
    const values = (count: number) => ({ other: Array.from({ length: count }, () => 1) });
    for (const [more, status] of [
      [values(80), 200],
      [values(110), 413],
      [{ other: nested(5) }, 200],
      [{ other: nested(9) }, 400],
    ] as const)
      expect([more, (await send(more)).status]).toEqual([more, status]);
  }));

describe('what a call is made of has its limits: at each it passes, one past it is refused with a row (D.46)', () => {
  let gateway: TestGateway;
  let full = '';
  let writer = '';

  beforeAll(async () => {
    gateway = await startTestGateway({
      settings: {
        IDEOGATE_MAX_TARGET_BYTES: '300',
        IDEOGATE_MAX_HEADER_BYTES: '8192',
        IDEOGATE_MAX_HEADER_COUNT: '20',
        IDEOGATE_MAX_TOKEN_BYTES: '1500',
        IDEOGATE_MAX_PARTS: '5',
        IDEOGATE_MAX_FIELD_NAME_BYTES: '40',
        IDEOGATE_MAX_FIELD_BYTES: '2000',
      },
    });
    full = await gateway.token('full');
    writer = await gateway.token('writer');
  });
  afterAll(() => gateway?.close());

  const get = (target: string, fields: readonly string[] = []) =>
    request(`GET ${target} HTTP/1.1`, ['Host: a', `Api-Key: ${full}`, ...fields]);
  const form = (token: string, parts: readonly (readonly [name: string, value: string])[]) => {
    const body = `${parts.map(([name, value]) => `--B\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`).join('')}--B--\r\n`;
    const fields = ['Host: a', `Api-Key: ${token}`, 'Content-Type: multipart/form-data; boundary=B'];
    return request(
      'POST /v1/ideogram-v3/generate HTTP/1.1',
      [...fields, `Content-Length: ${body.length}`],
      body,
    );
  };
  const several = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: a`);
  const prompt = ['prompt', 'a lighthouse'] as const;
  const turbo = ['rendering_speed', 'TURBO'] as const;
  const unknown = (count: number) => Array.from({ length: count }, (_, i) => [`other_${i}`, 'a'] as const);

  // The bytes of a request with so much of what is limited, and what is answered to one too much.
  const limits: readonly [
    what: string,
    limit: number,
    bytes: (size: number) => string,
    status: number,
    reason: string,
  ][] = [
    ['bytes of target', 300, (size) => get(`/models?${'a'.repeat(size - 8)}`), 414, 'target-length'],
    ['header fields', 20, (size) => get('/models', several(size - 2)), 431, 'header-count'],
    ['parts', 5, (size) => form(full, [prompt, ...unknown(size - 1)]), 400, 'multipart-too-many-parts'],
    [
      'bytes of field name',
      40,
      (size) => form(full, [prompt, ['n'.repeat(size), 'a']]),
      400,
      'part-disposition',
    ],
    [
      'bytes of text field under bounds',
      2000,
      (size) => form(writer, [['prompt', 'a'.repeat(size)], turbo]),
      403,
      'field-too-long',
    ],
  ];
  test.each(limits)('%s: %i', async (_, limit, bytes, status, reason) => {
    const within = await exchange(gateway.port, bytes(limit));
    expect(within.answers.map((answer) => answer.status)).not.toContain(status);
    const beyond = await exchange(gateway.port, bytes(limit + 1));
    expect(beyond.answers.map((answer) => answer.status)).toEqual([status]);
    const id = beyond.answers[0]?.headers.get('ideogate-call-id') ?? '';
    expect(await gateway.call(id)).toMatchObject({ reason, result: 'failure' });
  });

  test('bytes of token: one past the limit is refused before it is decoded', async () => {
    for (const [length, reason] of [
      [1500, 'token-not-compact'],
      [1501, 'token-too-long'],
    ] as const) {
      const response = await fetch(`${gateway.url}/models`, { headers: { 'api-key': 'a'.repeat(length) } });
      expect(response.status).toBe(401);
      expect(await gateway.call(response)).toMatchObject({ reason });
    }
  });

  test('bytes of header section: 431 past the limit, on a connection that then closes', async () => {
    for (const [size, status] of [
      [6000, 200],
      [9000, 431],
    ] as const) {
      const { answers } = await exchange(gateway.port, get('/models', [`X-A: ${'a'.repeat(size)}`]));
      expect(answers.map((answer) => answer.status)).toEqual([status]);
    }
  });

  test('a request behind a head of too many fields is not read as one of its own', async () => {
    const { answers, closed } = await exchange(gateway.port, get('/models', several(30)) + get('/models'), {
      answers: 2,
    });
    expect(closed).toBe(true);
    expect(answers.map((answer) => answer.status)).not.toContain(200);
  });
});

test('decisions beyond those that may wait get 503 with Retry-After, and none of them goes out', () =>
  withGateway({ IDEOGATE_MAX_WAITING: '3', IDEOGATE_COMMIT_TIMEOUT_MS: '1500' }, async (gateway) => {
    const headers = { 'api-key': await gateway.token('reader') };
    expect((await fetch(`${gateway.url}/models`, { headers })).status).toBe(200);
    gateway.relay.freeze();
    const began = performance.now();
    const responses = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const response = await fetch(`${gateway.url}/models`, { headers });
        return { response, milliseconds: performance.now() - began };
      }),
    );
    gateway.relay.restore();
    for (const { response } of responses) {
      expect(response.status).toBe(503);
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    // Those beyond the limit are told at once; the others when the time of a commit is up.
    expect(await refusals(gateway, 'record-overloaded')).toBeGreaterThan(0);
    expect(responses.filter(({ milliseconds }) => milliseconds < 1000).length).toBeGreaterThan(0);
    expect(await gateway.received()).toHaveLength(1);
  }));

test('an idle connection is kept for its time and then closed, with no row of its own', () =>
  withGateway({ IDEOGATE_IDLE_TIMEOUT_MS: '300' }, async (gateway) => {
    const began = performance.now();
    // Nobody sends more after the first answer, and nothing asks to close.
    const { answers, closed } = await exchange(
      gateway.port,
      request('GET /models HTTP/1.1', ['Host: a', `Api-Key: ${await gateway.token('reader')}`]),
      { answers: 2 },
    );
    expect(answers.map(({ status }) => status)).toEqual([200]);
    expect(closed).toBe(true);
    expect(performance.now() - began).toBeGreaterThan(250);
    expect(await gateway.ended(1)).toHaveLength(1);
  }));

test('no more connections are opened to Ideogram than may be; other calls wait their turn', () =>
  withGateway({ IDEOGATE_UPSTREAM_READ_CONNECTIONS: '2' }, async (gateway) => {
    const headers = { 'api-key': await gateway.token('reader') };
    await gateway.fault({ latencyMs: 300 });
    const calls = Array.from({ length: 5 }, () => fetch(`${gateway.url}/models`, { headers }));
    await expect.poll(async () => (await gateway.received()).length, { timeout: 5000 }).toBe(2);
    expect(statuses(await Promise.all(calls))).toEqual([200, 200, 200, 200, 200]);
  }));

test('who went over a limit goes on when the window is over', () =>
  withGateway({ IDEOGATE_RATE_PER_SUBJECT: '2', IDEOGATE_RATE_WINDOW_MS: '2000' }, async (gateway) => {
    const headers = { 'api-key': await gateway.token('reader') };
    const ask = () => fetch(`${gateway.url}/models`, { headers });
    expect(statuses(await times(3, ask))).toEqual([200, 200, 429]);
    await expect.poll(async () => (await ask()).status, { timeout: 5000, interval: 100 }).toBe(200);
  }));

/** Redis behind a relay, in a database of its own, without what earlier runs left. */
async function redisBehindRelay() {
  const direct = new URL(redisUrl() ?? '');
  direct.pathname = '/9';
  const redis = new Redis(direct.href);
  const old = await redis.keys('ideogate:*');
  if (old.length > 0) await redis.del(...old);
  await redis.quit();
  return relayTo(direct.href);
}

testWithRedis(
  'gateways that share a Redis share the limits; without it each keeps to its part',
  async ({ expect }) => {
    const { relay, url } = await redisBehindRelay();
    const settings = { REDIS_URL: url, IDEOGATE_REPLICAS: '2', IDEOGATE_RATE_PER_SUBJECT: '12' };
    const one = await startTestGateway({ settings });
    const issuers = [
      { issuer: one.issuerUrl, algorithms: ['ES256', 'EdDSA'] as const, keys: { discovery: true } as const },
    ];
    const two = await startTestGateway({ settings, verifier: { issuers, audience: one.url } });
    const degraded = (gateway: TestGateway) =>
      gateway.metrics().then((text) => /^ideogate_limits_degraded (\d)$/m.exec(text)?.[1]);
    try {
      await expect.poll(() => degraded(one), { timeout: 5000 }).toBe('0');
      await expect.poll(() => degraded(two), { timeout: 5000 }).toBe('0');
      const headers = { 'api-key': await one.token('reader') };
      const ask = (gateway: TestGateway) => () => fetch(`${gateway.url}/models`, { headers });
      const here = await times(8, ask(one));
      const there = await times(8, ask(two));
      expect(count(429, here)).toBe(0);
      expect(statuses(there)).toEqual([200, 200, 200, 200, 429, 429, 429, 429]);

      relay.cut();
      await expect.poll(() => degraded(one), { timeout: 5000 }).toBe('1');
      const alone = await times(10, ask(one));
      expect(statuses(alone)).toEqual([...Array.from({ length: 6 }, () => 200), 429, 429, 429, 429]);

      relay.restore();
      await expect.poll(() => degraded(one), { timeout: 5000 }).toBe('0');
      expect(statuses(await times(1, ask(one)))).toEqual([429]);
    } finally {
      await two.close();
      await one.close();
      await relay.close();
    }
  },
);

testWithRedis('a Redis that says nothing delays a call, and stops none', async ({ expect }) => {
  const { relay, url } = await redisBehindRelay();
  const gateway = await startTestGateway({ settings: { REDIS_URL: url } });
  try {
    const headers = { 'api-key': await gateway.token('reader') };
    expect((await fetch(`${gateway.url}/models`, { headers })).status).toBe(200);
    relay.freeze();
    const began = performance.now();
    const responses = await times(4, () => fetch(`${gateway.url}/models`, { headers }));
    expect(statuses(responses)).toEqual([200, 200, 200, 200]);
    expect(performance.now() - began).toBeLessThan(4000);
    await expect
      .poll(async () => /^ideogate_limits_degraded (\d)$/m.exec(await gateway.metrics())?.[1], {
        timeout: 5000,
      })
      .toBe('1');
    relay.restore();
    await expect
      .poll(async () => /^ideogate_limits_degraded (\d)$/m.exec(await gateway.metrics())?.[1], {
        timeout: 5000,
      })
      .toBe('0');
  } finally {
    relay.restore();
    await gateway.close();
    await relay.close();
  }
});
