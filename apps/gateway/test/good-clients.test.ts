import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { exchange, type ExchangeOptions, request } from './wire.ts';

/*
 * What a standard allows and clients in use send: each line is passed as it would be by Ideogram itself, and what goes
 * out is nothing but the call (I.67).
 */

let gateway: TestGateway;
let host = '';
let key = '';

beforeAll(async () => {
  gateway = await startTestGateway();
  host = `Host: 127.0.0.1:${gateway.port}`;
  key = `Api-Key: ${await gateway.token('full')}`;
});
beforeEach(async () => {
  await fetch(`${gateway.upstream}/-/received`, { method: 'DELETE' });
});
afterAll(() => gateway?.close());

const GENERATE = '/v1/ideogram-v3/generate';
const BODY = '{"prompt":"a lighthouse"}';
const JSON_BODY = ['Content-Type: application/json', `Content-Length: ${BODY.length}`];
const H2C = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQ'];

interface GoodCase {
  readonly what: string;
  readonly bytes: () => string;
  readonly options?: ExchangeOptions;
  /** Default: one 200. */
  readonly statuses?: readonly number[];
  /** Whether the connection is closed with the last answer; default: no. */
  readonly closed?: boolean;
  /** Targets that went out; default: one call of the model list. */
  readonly out?: readonly string[];
}

const get = (target: string, ...fields: string[]) =>
  request(`GET ${target} HTTP/1.1`, [host, key, ...fields]);

const CASES: readonly GoodCase[] = [
  {
    what: 'nginx with a plain proxy_pass: HTTP/1.0, its upstream for a host, and the connection closed',
    bytes: () => request('GET /models HTTP/1.0', ['Host: ideogate_upstream', 'Connection: close', key]),
    closed: true,
  },
  {
    what: 'the same with a body',
    bytes: () =>
      request(`POST ${GENERATE} HTTP/1.0`, ['Host: ideogate', 'Connection: close', key, ...JSON_BODY], BODY),
    closed: true,
    out: [GENERATE],
  },
  {
    what: 'HTTP/1.0 with a Host and no word about the connection',
    bytes: () => request('GET /models HTTP/1.0', [host, key]),
    closed: true,
  },
  {
    what: 'HTTP/1.0 without a Host, which it may lack (RFC 9112 section 3.2)',
    bytes: () => request('GET /models HTTP/1.0', [key]),
    closed: true,
  },
  {
    what: 'HTTP/1.0 that keeps its connection',
    bytes: () => request('GET /-/health HTTP/1.0', [host, 'Connection: keep-alive']),
    out: [],
  },
  {
    what: 'HTTP/1.0 that expects a 100, which it is not sent (RFC 9110 section 10.1.1)',
    bytes: () =>
      request(`POST ${GENERATE} HTTP/1.0`, [host, key, 'Expect: 100-continue', ...JSON_BODY], BODY),
    closed: true,
    out: [GENERATE],
  },
  {
    what: "HAProxy's health check",
    bytes: () => request('GET /-/health HTTP/1.0', []),
    closed: true,
    out: [],
  },
  {
    what: "HAProxy's check with OPTIONS",
    bytes: () => request('OPTIONS /-/health HTTP/1.0', []),
    statuses: [204],
    closed: true,
    out: [],
  },
  {
    what: 'readiness by HTTP/1.0',
    bytes: () => request('GET /-/ready HTTP/1.0', []),
    closed: true,
    out: [],
  },
  {
    what: 'wget --spider',
    bytes: () => request('HEAD /-/health HTTP/1.1', [host]),
    options: { head: true },
    out: [],
  },
  {
    what: 'a host that ends with a full stop',
    bytes: () => request('GET /models HTTP/1.1', ['Host: ideogate.ns.svc.cluster.local.', key]),
  },
  {
    what: 'a host that ends with a full stop, and a port',
    bytes: () => request('GET /models HTTP/1.1', ['Host: ideogate.ns.svc.cluster.local.:8787', key]),
  },
  {
    what: 'the whole address of the gateway for a target, as for a proxy',
    bytes: () => get(`http://127.0.0.1:${gateway.port}/models`),
  },
  {
    what: 'the same in other letters, and with https, since TLS may end in front',
    bytes: () => get(`HTTPS://127.0.0.1:${gateway.port}/models?page=1`),
    out: ['/models?page=1'],
  },
  {
    what: 'a page of the gateway by its whole address',
    bytes: () => get(`http://127.0.0.1:${gateway.port}/-/health`),
    out: [],
  },
  {
    what: "Java's HttpClient over plain http: an offer of h2c with each request",
    bytes: () => get('/models', ...H2C),
    options: { answers: 2, next: 'again' },
  },
  {
    what: 'the same with a body',
    bytes: () => request(`POST ${GENERATE} HTTP/1.1`, [host, key, ...H2C, ...JSON_BODY], BODY),
    out: [GENERATE],
  },
  {
    what: 'an offer of TLS (RFC 2817)',
    bytes: () => get('/models', 'Connection: Upgrade', 'Upgrade: TLS/1.2, HTTP/2.0'),
  },
  {
    what: 'two trace contexts, of a client and of the proxy in front',
    bytes: () =>
      get(
        '/models',
        `Traceparent: 00-${'ab'.repeat(16)}-00f067aa0ba902b7-01`,
        `Traceparent: 00-${'cd'.repeat(16)}-00f067aa0ba902b7-01`,
      ),
  },
  { what: 'two names of a client', bytes: () => get('/models', 'User-Agent: a/1', 'User-Agent: b/2') },
  { what: 'a lone question mark', bytes: () => get('/models?'), out: ['/models?'] },
  { what: 'GET with a body of no bytes', bytes: () => get('/models', 'Content-Length: 0') },
  {
    what: 'GET with a type for a body that it has not',
    bytes: () => get('/models', 'Content-Type: application/json', 'Content-Length: 0'),
  },
  {
    what: 'GET with chunks that hold nothing, as of an empty stream',
    bytes: () => `${get('/models', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
  },
  {
    what: 'the same on a page of ours',
    bytes: () => `${get('/-/ready', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    out: [],
  },
  {
    what: 'DELETE with a body of no bytes and a type',
    bytes: () =>
      request('DELETE /models HTTP/1.1', [host, key, 'Content-Type: application/json', 'Content-Length: 0']),
    statuses: [405],
    out: [],
  },
];

describe('a good client is not refused (D.34, D.40, I.67)', () => {
  test.each(CASES)(
    '$what',
    async ({ bytes, options, statuses = [200], closed = false, out = ['/models'] }) => {
      const again = options?.next === undefined ? {} : { next: bytes(), answers: 2 };
      const got = await exchange(gateway.port, bytes(), { ...options, ...again });
      const times = options?.next === undefined ? 1 : 2;
      expect(got.answers.map(({ status }) => status)).toEqual(
        Array.from({ length: times }, () => statuses).flat(),
      );
      expect(got.closed).toBe(closed);
      expect(got.answers.map(({ headers }) => headers.get('transfer-encoding') ?? 'none')).not.toContain(
        closed ? 'chunked' : 'never',
      );
      const received = await gateway.received();
      expect(received.map(({ target }) => target)).toEqual(Array.from({ length: times }, () => out).flat());
      const names = received.flatMap(({ headers }) => headers.map(([name]) => name.toLowerCase()));
      for (const name of ['upgrade', 'http2-settings', 'traceparent', 'expect', 'transfer-encoding'])
        expect(names).not.toContain(name);
    },
  );
});

test('a doubled trace context is not on record, and of a doubled name of a client neither goes out (D.39)', async () => {
  const trace = (hex: string) => `Traceparent: 00-${hex.repeat(16)}-00f067aa0ba902b7-01`;
  const bytes = get('/models', trace('ab'), trace('cd'), 'User-Agent: a/1', 'User-Agent: b/2');
  const { answers } = await exchange(gateway.port, bytes);
  const call = await gateway.call(answers[0]?.headers.get('ideogate-call-id') ?? '');
  expect(call).toMatchObject({ state: 'done', traceId: null });
  const [received] = await gateway.received();
  expect(received?.headers.map(([name]) => name.toLowerCase())).not.toContain('user-agent');
});

test('what stands behind an offered upgrade, which is passed over, is answered like all else', async () => {
  const offered = `${get('/models', ...H2C)}${get('/models?page=2')}`;
  const { answers, closed } = await exchange(gateway.port, offered, { answers: 2 });
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  expect(closed).toBe(false);
  expect((await gateway.received()).map(({ target }) => target)).toEqual(['/models', '/models?page=2']);
});

test('a byte in the body of GET is one too many, announced or not', async () => {
  for (const bytes of [
    `${get('/models', 'Content-Length: 1')}a`,
    `${get('/models', 'Transfer-Encoding: chunked')}1\r\na\r\n0\r\n\r\n`,
    `${get('/-/health', 'Transfer-Encoding: chunked')}1\r\na\r\n0\r\n\r\n`,
  ]) {
    const { answers } = await exchange(gateway.port, bytes);
    expect(answers.map(({ status, body }) => [status, /"detail":"([^"]*)"/.exec(body)?.[1]])).toEqual([
      [400, 'GET and HEAD carry no body.'],
    ]);
  }
  expect(await gateway.received()).toEqual([]);
});
