import { startTestGateway, FAKE_KEYS, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { exchange, request } from './wire.ts';

/*
 * One test for each thing the stack does on its own that would be wrong here, so that an upgrade which changes it is
 * seen. Those about limits are in `limits.test.ts`, those about the upstream in `upstream-failures.test.ts` and
 * `endings.test.ts`.
 */

let gateway: TestGateway;
let token = '';
let host = '';
let key = '';

beforeAll(async () => {
  gateway = await startTestGateway();
  token = await gateway.token('full');
  host = `Host: 127.0.0.1:${gateway.port}`;
  key = `Api-Key: ${token}`;
});
beforeEach(async () => {
  await gateway.fault({});
  await fetch(`${gateway.upstream}/-/received`, { method: 'DELETE' });
});
afterAll(() => gateway?.close());

const GENERATE = '/v1/ideogram-v3/generate';
const BODY = '{"prompt":"a lighthouse"}';
const JSON_TYPE = 'Content-Type: application/json';

async function statuses(bytes: string, options?: Parameters<typeof exchange>[2]): Promise<readonly number[]> {
  const { answers } = await exchange(gateway.port, Buffer.from(bytes, 'latin1'), options);
  return answers.map(({ status }) => status);
}

const post = (...fields: string[]) =>
  request(
    `POST ${GENERATE} HTTP/1.1`,
    [host, key, JSON_TYPE, ...fields, `Content-Length: ${BODY.length}`],
    BODY,
  );
const get = (target: string, ...fields: string[]) =>
  request(`GET ${target} HTTP/1.1`, [host, key, ...fields]);

test.each([
  ['GET', 503],
  ['GET', 502],
  ['GET', 429],
  ['POST', 503],
  ['POST', 500],
] as const)(
  'trap 1: a %s answered %i by Ideogram is sent once, and its answer comes back',
  async (method, status) => {
    await gateway.fault({ status, body: { error: 'not now' } });
    expect(await statuses(method === 'GET' ? get('/models') : post())).toEqual([status]);
    expect(await gateway.received()).toHaveLength(1);
  },
);

test('trap 2: of what a caller sends, only listed fields go out, and the key is ours (D.37)', async () => {
  const forged = [
    'Cookie: session=fake',
    'X-Forwarded-For: 10.0.0.1',
    'X-Forwarded-Host: evil.invalid',
    'Forwarded: for=10.0.0.1',
    'X-User-Id: root',
    'Via: 1.1 evil',
    'Proxy-Authorization: Basic ZmFrZQ==',
    'X-Api-Key: fake',
    'Api_Key: fake',
    'Api.Key: fake',
    'X-HTTP-Method-Override: DELETE',
    'Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    'Accept: image/png',
    'Accept-Encoding: gzip',
    'User-Agent: somebody/1.0',
  ];
  expect(await statuses(post(...forged))).toEqual([200]);
  const [received] = await gateway.received();
  const fields = new Map(received?.headers.map(([name, value]) => [name.toLowerCase(), value]));
  fields.delete('connection');
  expect(Object.fromEntries(fields)).toEqual({
    accept: 'image/png',
    'accept-encoding': 'identity',
    'api-key': FAKE_KEYS.write,
    'content-length': String(BODY.length),
    'content-type': 'application/json',
    host: new URL(gateway.upstream).host,
    'user-agent': 'somebody/1.0',
  });
  expect(received?.headers).toHaveLength(fields.size + 1);
});

test('trap 2: a caller whose token came as a Bearer token does not send it on', async () => {
  expect(await statuses(request('GET /models HTTP/1.1', [host, `Authorization: bearer ${token}`]))).toEqual([
    200,
  ]);
  const received = JSON.stringify(await gateway.received());
  expect(received).not.toContain(token);
  expect(received).not.toMatch(/authorization/i);
});

test.each(['/models/%252e%252e', '//models', '/models%00', '/models/../manage/api/api_keys'])(
  'trap 4: %s is refused before anything is matched',
  async (target) => {
    expect(await statuses(get(target))).toEqual([400]);
    expect(await gateway.received()).toHaveLength(0);
  },
);

test.each([
  ['text/plain', BODY],
  ['application/x-www-form-urlencoded', 'prompt=a'],
])('trap 5: a body of type %s is neither parsed nor forwarded', async (type, body) => {
  const fields = [host, key, `Content-Type: ${type}`, `Content-Length: ${body.length}`];
  expect(await statuses(request(`POST ${GENERATE} HTTP/1.1`, fields, body))).toEqual([415]);
  expect(await gateway.received()).toHaveLength(0);
});

test('trap 6: HEAD and paths without a route walk the same steps: authenticated, recorded, never forwarded', async () => {
  const before = (await gateway.calls()).length;
  for (const line of ['HEAD /models', 'GET /v9', 'PUT /v9', 'TRACE /v9', 'HEAD /v9']) {
    const head = line.startsWith('HEAD');
    expect(await statuses(request(`${line} HTTP/1.1`, [host]), { head })).toEqual([401]);
    expect(await statuses(request(`${line} HTTP/1.1`, [host, key]), { head })).toEqual([
      line === 'HEAD /models' ? 405 : 404,
    ]);
  }
  expect(await gateway.ended(before + 10)).toHaveLength(before + 10);
  expect(await gateway.received()).toHaveLength(0);
});

test.each([
  ['conflicting lengths', (): string => post('Content-Length: 3'), 400],
  ['garbage', (): string => '\0\x01\x02\x03', 400],
  ['too large a head', (): string => get('/models', `X-A: ${'a'.repeat(70_000)}`), 431],
  ['a percent sign that is no escape', (): string => get('/models%'), 400],
  ['an escape that is no text', (): string => get('/models/%ff'), 400],
  ['CONNECT', (): string => request('CONNECT a.invalid:443 HTTP/1.1', ['Host: a.invalid:443']), 501],
] as const)('trap 13: %s, for which no hook runs, has its row', async (_what, bytes, status) => {
  const before = (await gateway.calls()).length;
  expect(await statuses(bytes())).toEqual([status]);
  const row = (await gateway.ended(before + 1)).at(-1);
  expect(row).toMatchObject({ state: 'refused', status });
});

test.each([
  ['a second Authorization', () => ['Authorization: Bearer a', 'Authorization: Bearer b'], 400],
  ['a second Host', () => [host], 400],
] as const)('trap 18: %s is seen', async (_what, more, status) => {
  const fields = [host, ...more()];
  expect(await statuses(request('GET /models HTTP/1.1', fields))).toEqual([status]);
});

test.each([
  ['Keep-Alive: timeout=5', 200],
  ['Connection: keep-alive, x-a', 200],
  ['Proxy-Connection: keep-alive', 200],
  ['TE: trailers', 200],
  ['Trailer: x-a', 200],
  ['Upgrade: x', 501],
  ['Upgrade: h2c', 200],
  ['HTTP2-Settings: AAMAAABkAAQ', 200],
  ['Expect: foo', 417],
] as const)('trap 19: %s is never a fault of ours (D.36, D.41)', async (field, status) => {
  expect(await statuses(post(field))).toEqual([status]);
  const [received] = await gateway.received();
  expect(received === undefined).toBe(status !== 200);
  expect(received?.headers.map(([name]) => name.toLowerCase()) ?? []).not.toContain(
    field.split(':')[0]?.replace('Connection', 'nothing').toLowerCase(),
  );
});

test('trap 19: Expect: 100-continue gets its 100 only once the caller may send (D.41)', async () => {
  const fields = [host, JSON_TYPE, `Content-Length: ${BODY.length}`, 'Expect: 100-continue'];
  const line = `POST ${GENERATE} HTTP/1.1`;
  const allowed = await exchange(gateway.port, request(line, [...fields, key]), { next: BODY, answers: 2 });
  expect(allowed.answers.map(({ status }) => status)).toEqual([100, 200]);
  for (const [credential, status] of [
    ['Api-Key: fake', 401],
    [`Api-Key: ${await gateway.token('reader')}`, 403],
  ] as const) {
    const refused = await exchange(gateway.port, request(line, [...fields, credential]));
    expect(refused.answers.map((answer) => answer.status)).toEqual([status]);
    expect(refused.closed).toBe(true);
  }
  const tooLong = fields.map((field) =>
    field.startsWith('Content-Length') ? 'Content-Length: 99999999' : field,
  );
  expect(await statuses(request(line, [...tooLong, key]))).toEqual([413]);
  expect(await gateway.received()).toHaveLength(1);
});

test.each(['/%76%31/ideogram-v3/generate', '/models#x', '/./models', '/models/.'])(
  'trap 21: %s is not another spelling of a path',
  async (target) => {
    expect(await statuses(get(target))).toEqual([400]);
    expect(await gateway.received()).toHaveLength(0);
  },
);

test('trap 22: a WebSocket handshake is refused, not forwarded as a plain GET (D.40)', async () => {
  const fields = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: ZmFrZWZha2VmYWtlZmFrZQ=='];
  expect(await statuses(get('/models', ...fields))).toEqual([501]);
  expect(await gateway.received()).toHaveLength(0);
});

test('trap 24: a NUL in an answer, or any bytes in a field, do not stop the record (E.55)', async () => {
  await gateway.fault({ status: 200, body: '{"generation_id":"a\\u0000\\ud800b","data":[]}' });
  const before = (await gateway.calls()).length;
  expect(await statuses(post('User-Agent: caf\xe9 \xff', 'Traceparent: \xff\xfe'))).toEqual([200]);
  expect(await statuses(get('/models%00'))).toEqual([400]);
  await gateway.fault({});
  expect(await statuses(get('/models'))).toEqual([200]);
  expect(await gateway.ended(before + 3)).toHaveLength(before + 3);
  expect(await gateway.metrics()).not.toMatch(/^ideogate_rows_not_written\{/m);
});

test.each([
  ['HTTP/1.1 without Host', () => request('GET /models HTTP/1.1', [key]), 400],
  ['an unknown expectation', () => post('Expect: 200-ok'), 417],
  ['CONNECT', () => request('CONNECT a:1 HTTP/1.1', ['Host: a:1']), 501],
  [
    'HTTP/1.0 with chunks',
    () =>
      request(`POST ${GENERATE} HTTP/1.0`, [host, key, JSON_TYPE, 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
    400,
  ],
  [
    'gzip, chunked',
    () =>
      request(
        `POST ${GENERATE} HTTP/1.1`,
        [host, key, JSON_TYPE, 'Transfer-Encoding: gzip, chunked'],
        '0\r\n\r\n',
      ),
    400,
  ],
  ['a body on GET', () => `${get('/models', 'Content-Length: 2')}{}`, 400],
] as const)(
  'trap 28: %s, of which no event tells, is refused, on record, and closes',
  async (_what, bytes, status) => {
    const before = (await gateway.calls()).length;
    const { answers, closed } = await exchange(gateway.port, bytes());
    expect(answers.map((answer) => answer.status)).toEqual([status]);
    expect(closed).toBe(true);
    expect((await gateway.ended(before + 1)).at(-1)?.state).toBe('refused');
    expect(await gateway.received()).toHaveLength(0);
  },
);

test('a type that is none, on a call without a body, is nobody’s fault', async () => {
  const before = (await gateway.calls()).length;
  const fields = [host, key, 'Content-Type: nonsense', 'Content-Length: 0'];
  const got = await statuses(request('POST /datasets/fake-id/train_model HTTP/1.1', fields));
  expect(got[0]).toBeLessThan(500);
  expect(await gateway.ended(before + 1)).toHaveLength(before + 1);
});

test('a field that Connection names ends at the gateway (D.36)', async () => {
  expect(await statuses(post('Accept: image/png', 'Connection: accept, x-a', 'X-A: b'))).toEqual([200]);
  const [received] = await gateway.received();
  expect(received?.headers.map(([name]) => name.toLowerCase())).not.toContain('accept');
});

test.each([
  'DESCRIBE /x RTSP/1.1',
  'GET /models RTSP/1.1',
  'GET /models RTSP/1.0',
  'OPTIONS /-/health RTSP/1.0',
  'SOURCE /models ICE/1.1',
])('trap 40: %s is not taken for HTTP: refused before anything is decided', async (line) => {
  const before = (await gateway.calls()).length;
  expect(await statuses(request(line, [host, key]))).toEqual([400]);
  const row = (await gateway.ended(before + 1)).at(-1);
  expect(row).toMatchObject({ state: 'refused', reason: 'protocol', operation: null, subject: null });
  expect(await gateway.received()).toHaveLength(0);
});

test.each(['/models/..x', '/models/...', '/datasets/x../upload_assets', '/models/%ff'])(
  'trap 41: %s, on which http-proxy or the router throws, is refused before anything is decided',
  async (target) => {
    const before = (await gateway.calls()).length;
    expect(await statuses(get(target))).toEqual([400]);
    const row = (await gateway.ended(before + 1)).at(-1);
    expect(row).toMatchObject({ state: 'refused', problem: 'invalid-target', subject: null });
    expect(await gateway.received()).toHaveLength(0);
  },
);
