import fc from 'fast-check';
import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readRawHead } from '../src/edge/request-head.ts';
import { parseTarget } from '../src/edge/target.ts';
import { exchange, type ExchangeOptions, request } from './wire.ts';

let gateway: TestGateway;
let token = '';
let host = '';

beforeAll(async () => {
  gateway = await startTestGateway({
    settings: { IDEOGATE_HEADERS_TIMEOUT_MS: '400', IDEOGATE_REQUEST_TIMEOUT_MS: '1500' },
  });
  token = await gateway.token('full');
  host = `Host: 127.0.0.1:${gateway.port}`;
});
afterAll(() => gateway?.close());

interface Expected {
  /** Status of each answer, in order. */
  readonly statuses: readonly number[];
  /** Reason of each row. */
  readonly reasons: readonly (string | null)[];
  readonly closed?: boolean;
  readonly allow?: string;
}

interface WireCase extends Expected {
  readonly what: string;
  /** Made when the gateway is up: `host` and `key` are whole field lines. */
  readonly bytes: (fields: { readonly host: string; readonly key: string }) => string;
  readonly options?: ExchangeOptions;
}

/** What there was to see: the answers, whether the server closed, the rows, and what came out complete. */
async function observe({ bytes, options, statuses, reasons }: WireCase) {
  const before = (await gateway.calls()).length;
  const out = (await gateway.received()).length;
  const sent = Buffer.from(bytes({ host, key: `Api-Key: ${token}` }), 'latin1');
  const got = await exchange(gateway.port, sent, { answers: statuses.length, ...options });
  await gateway.ended(before + reasons.length);
  // One more call, so that a row too many would be seen before it.
  await gateway.call(await fetch(`${gateway.url}/models`));
  const rows = (await gateway.calls()).slice(before, -1);
  return {
    statuses: got.answers.map((answer) => answer.status),
    reasons: rows.map((row) => String(row.reason)).sort(),
    closed: got.closed,
    allow: got.answers.at(-1)?.headers.get('allow'),
    nameless: got.answers.filter(
      ({ headers }) => !/^[0-9a-f-]{36}$/.test(headers.get('ideogate-call-id') ?? ''),
    ),
    bare: got.answers.filter(
      ({ status, headers }) => status >= 400 && headers.get('content-type') !== 'application/problem+json',
    ),
    wentOut: (await gateway.received()).slice(out).filter((entry) => entry.complete).length,
  };
}

function expected({ statuses, reasons, closed, allow }: WireCase) {
  return {
    statuses,
    reasons: reasons.map(String).sort(),
    nameless: [],
    bare: [],
    wentOut: statuses.filter((status) => status === 200).length,
    ...(closed === undefined ? {} : { closed }),
    ...(allow === undefined ? {} : { allow }),
  };
}

const get = (target: string, ...fields: string[]) => request(`GET ${target} HTTP/1.1`, fields);
const post = (fields: string[], body = '', target = '/v1/ideogram-v3/generate') =>
  request(`POST ${target} HTTP/1.1`, fields, body);
const JSON_TYPE = 'Content-Type: application/json';
const BODY = '{"prompt":"a lighthouse"}';

const refusedHead = (what: string, bytes: WireCase['bytes'], status: number, reason: string): WireCase => ({
  what,
  bytes,
  statuses: [status],
  reasons: [reason],
  closed: true,
});

const HEADS: readonly WireCase[] = [
  refusedHead('no Host', ({ key }) => get('/models', key), 400, 'missing-host'),
  refusedHead('two Hosts', ({ host, key }) => get('/models', host, host, key), 400, 'repeated-host'),
  refusedHead('an empty Host', ({ key }) => get('/models', 'Host:', key), 400, 'invalid-host'),
  refusedHead('a Host with a path', ({ key }) => get('/models', 'Host: a/b', key), 400, 'invalid-host'),
  refusedHead('a Host with a user', ({ key }) => get('/models', 'Host: a@b', key), 400, 'invalid-host'),
  refusedHead(
    'HTTP/1.0 with chunks',
    ({ host, key }) =>
      request(
        'POST /v1/ideogram-v3/generate HTTP/1.0',
        [host, key, JSON_TYPE, 'Transfer-Encoding: chunked'],
        '0\r\n\r\n',
      ),
    400,
    'chunked-on-1.0',
  ),
  refusedHead(
    'RTSP, with a method of HTTP',
    ({ host, key }) => request('GET /models RTSP/1.1', [host, key]),
    400,
    'protocol',
  ),
  refusedHead(
    'RTSP/1.0, with a method of HTTP',
    ({ host, key }) => request('GET /models RTSP/1.0', [host, key]),
    400,
    'protocol',
  ),
  refusedHead('RTSP, with its own method', () => request('DESCRIBE /x RTSP/1.1', []), 400, 'protocol'),
  refusedHead('RTSP to everything', ({ host }) => request('OPTIONS * RTSP/1.0', [host]), 400, 'protocol'),
  refusedHead(
    'RTSP, with a body',
    ({ host, key }) =>
      request('POST /v1/ideogram-v3/generate RTSP/1.1', [host, key, JSON_TYPE, 'Content-Length: 2'], '{}'),
    400,
    'protocol',
  ),
  refusedHead('ICE', ({ host }) => request('SOURCE /x ICE/1.1', [host]), 400, 'protocol'),
  refusedHead(
    'two spaces in the request line',
    ({ host, key }) => request('GET  /models HTTP/1.1', [host, key]),
    400,
    'request-line',
  ),
  {
    what: 'RTSP whose line comes in pieces',
    bytes: () => 'GET /models RTS',
    options: { pieces: ['P/1.1\r', '\nHost: a\r\n', '\r\n'] },
    statuses: [400],
    reasons: ['protocol'],
    closed: true,
  },
  refusedHead(
    'HTTP/2.0 in words',
    ({ host }) => request('GET /models HTTP/2.0', [host]),
    400,
    'http-version',
  ),
  refusedHead('HTTP/0.9', () => 'GET /models\r\n\r\n', 400, 'http-version'),
  refusedHead('HTTP/2 from the start', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'unparsable'),
  refusedHead('a TLS hello', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, 'unparsable'),
  refusedHead('line feeds alone', ({ host }) => `GET /models HTTP/1.1\n${host}\n\n`, 400, 'unparsable'),
  refusedHead('a bare CR in a field', ({ host }) => get('/models', `${host}\rX-A: b`), 400, 'unparsable'),
  refusedHead('a folded field', ({ host }) => get('/models', host, 'X-A: b', ' c'), 400, 'unparsable'),
  refusedHead('a space before the colon', ({ host }) => get('/models', host, 'X-A : b'), 400, 'unparsable'),
  refusedHead('a field with no name', ({ host }) => get('/models', host, ': b'), 400, 'unparsable'),
  refusedHead('NUL in a field', ({ host }) => get('/models', host, 'X-A: b\0c'), 400, 'unparsable'),
  refusedHead('a space in the target', ({ host }) => get('/mod els', host), 400, 'unparsable'),
  refusedHead('non-ASCII in the target', ({ host }) => get('/mod\xe9ls', host), 400, 'unparsable'),
  refusedHead(
    'an upgrade to WebSocket',
    ({ host, key }) =>
      get(
        '/models',
        host,
        key,
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: ZmFrZWZha2VmYWtlZmFrZQ==',
      ),
    501,
    'upgrade',
  ),
  ...['websocket', 'h2c, websocket', 'WebSocket/13', 'tcp', 'SPDY/3.1', 'h2c/x'].map((protocols) =>
    refusedHead(
      `an upgrade to ${protocols}`,
      ({ host, key }) => get('/models', host, key, 'Connection: Upgrade', `Upgrade: ${protocols}`),
      501,
      'upgrade',
    ),
  ),
  refusedHead(
    'CONNECT',
    () => request('CONNECT api.ideogram.ai:443 HTTP/1.1', ['Host: api.ideogram.ai:443']),
    501,
    'connect',
  ),
  refusedHead(
    'a method nobody knows',
    ({ host, key }) => request('CONJURE /models HTTP/1.1', [host, key]),
    501,
    'unknown-method',
  ),
  refusedHead(
    'a method in small letters',
    ({ host, key }) => request('get /models HTTP/1.1', [host, key]),
    501,
    'unknown-method',
  ),
  refusedHead(
    'an expectation nobody can meet',
    ({ host, key }) => post([host, key, JSON_TYPE, `Content-Length: ${BODY.length}`, 'Expect: foo'], BODY),
    417,
    'expectation',
  ),
  refusedHead(
    'two equal lengths',
    ({ host, key }) => post([host, key, JSON_TYPE, 'Content-Length: 2', 'Content-Length: 2'], '{}'),
    400,
    'unparsable',
  ),
  refusedHead(
    'two lengths that differ',
    ({ host, key }) => post([host, key, JSON_TYPE, 'Content-Length: 2', 'Content-Length: 3'], '{}'),
    400,
    'unparsable',
  ),
  refusedHead(
    'a list of lengths',
    ({ host, key }) => post([host, key, JSON_TYPE, 'Content-Length: 2, 2'], '{}'),
    400,
    'unparsable',
  ),
  refusedHead(
    'a length with a sign',
    ({ host, key }) => post([host, key, JSON_TYPE, 'Content-Length: +2'], '{}'),
    400,
    'unparsable',
  ),
  refusedHead(
    'a length with a leading zero',
    ({ host, key }) => post([host, key, JSON_TYPE, 'Content-Length: 02'], '{}'),
    400,
    'content-length',
  ),
  refusedHead(
    'length and chunks',
    ({ host, key }) =>
      post([host, key, JSON_TYPE, 'Transfer-Encoding: chunked', 'Content-Length: 2'], '0\r\n\r\n'),
    400,
    'unparsable',
  ),
  refusedHead(
    'gzip, then chunked',
    ({ host, key }) => post([host, key, JSON_TYPE, 'Transfer-Encoding: gzip, chunked'], '0\r\n\r\n'),
    400,
    'transfer-encoding',
  ),
  refusedHead(
    'chunked twice',
    ({ host, key }) =>
      post([host, key, JSON_TYPE, 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
    400,
    'unparsable',
  ),
  refusedHead(
    'chunked, then gzip',
    ({ host, key }) => post([host, key, JSON_TYPE, 'Transfer-Encoding: chunked, gzip'], '0\r\n\r\n'),
    400,
    'unparsable',
  ),
  refusedHead(
    'a coding of tabs and tricks',
    ({ host, key }) => post([host, key, JSON_TYPE, 'Transfer-Encoding: \x0bchunked'], '0\r\n\r\n'),
    400,
    'unparsable',
  ),
  refusedHead(
    'a chunk that is none',
    ({ host, key }) => post([host, key, JSON_TYPE, 'Transfer-Encoding: chunked'], 'zz\r\n\r\n'),
    400,
    'unparsable',
  ),
  refusedHead(
    'a body on GET',
    ({ host, key }) => `${get('/models', host, key, 'Content-Length: 2')}{}`,
    400,
    'body-on-get',
  ),
  refusedHead(
    'two content types',
    ({ host, key }) =>
      post(
        [host, key, JSON_TYPE, 'Content-Type: multipart/form-data; boundary=b', 'Content-Length: 2'],
        '{}',
      ),
    400,
    'repeated-content-type',
  ),
  refusedHead(
    'a Connection that takes the content type off',
    ({ host, key }) =>
      post([host, key, JSON_TYPE, 'Connection: content-type', `Content-Length: ${BODY.length}`], BODY),
    400,
    'connection-option',
  ),
  {
    what: 'a target beyond the limit',
    bytes: ({ host, key }) => get(`/models/${'a'.repeat(5000)}`, host, key),
    statuses: [414],
    reasons: ['target-length'],
  },
  refusedHead(
    'header fields beyond the limit',
    ({ host, key }) => get('/models', host, key, `X-A: ${'a'.repeat(20_000)}`),
    431,
    'header-overflow',
  ),
  refusedHead(
    'more header fields than a reader keeps, and a second credential behind them',
    ({ host, key }) => get('/models', host, key, ...Array.from({ length: 2500 }, () => 'a:'), key),
    431,
    'header-overflow',
  ),
  {
    what: 'a header that comes too slowly',
    bytes: ({ host }) => `GET /models HTTP/1.1\r\n${host}\r\n`,
    statuses: [408],
    reasons: ['request-timeout'],
    closed: true,
  },
  {
    what: 'a body that comes too slowly',
    bytes: ({ host, key }) => post([host, key, JSON_TYPE, 'Content-Length: 10'], '{'),
    statuses: [408],
    reasons: ['request-timeout'],
    closed: true,
  },
  {
    what: 'half a header, then nobody',
    bytes: ({ host }) => `GET /models HTTP/1.1\r\n${host}`,
    options: { end: true },
    statuses: [400],
    reasons: ['half-request'],
    closed: true,
  },
  {
    what: 'half a header, then a connection cut off',
    bytes: ({ host }) => `GET /models HTTP/1.1\r\n${host}`,
    options: { cut: true },
    statuses: [],
    reasons: ['connection-reset'],
  },
  {
    what: 'a connection that says nothing',
    bytes: () => '',
    options: { end: true },
    statuses: [],
    reasons: [],
  },
];

describe('what is not one plain HTTP/1.1 request is answered, recorded once, and not forwarded (D.34, D.39, D.40, E.48)', () => {
  test.each(HEADS)('$what', async (line) => {
    expect(await observe(line)).toMatchObject(expected(line));
  });
});

const CREDENTIALS: readonly WireCase[] = [
  {
    what: 'two Authorization fields, the first one good',
    bytes: ({ host, key }) => {
      const bearer = key.replace('Api-Key: ', 'Authorization: Bearer ');
      return get('/models', host, bearer, 'Authorization: Bearer fake');
    },
    statuses: [400],
    reasons: ['credential-repeated'],
  },
  {
    what: 'two Api-Key fields',
    bytes: ({ host, key }) => get('/models', host, key, key),
    statuses: [400],
    reasons: ['credential-repeated'],
  },
  {
    what: 'both credentials',
    bytes: ({ host, key }) => get('/models', host, key, key.replace('Api-Key: ', 'Authorization: Bearer ')),
    statuses: [400],
    reasons: ['credential-in-two-fields'],
  },
  ...['access_token=a', 'api_key=a', 'Api-Key=a', 'x=1&token=a', 'api%5Fkey=a', 'token%5B%5D=a'].map(
    (query): WireCase => ({
      what: `a credential in the query: ${query}`,
      bytes: ({ host, key }) => get(`/models?${query}`, host, key),
      statuses: [400],
      reasons: ['credential-in-query'],
    }),
  ),
  {
    what: 'a cookie for a credential',
    bytes: ({ host, key }) => get('/models', host, key.replace('Api-Key: ', 'Cookie: access_token=')),
    statuses: [401],
    reasons: ['credential-missing'],
  },
  {
    what: 'an underscore for a dash',
    bytes: ({ host, key }) => get('/models', host, key.replace('Api-Key', 'Api_Key')),
    statuses: [401],
    reasons: ['credential-missing'],
  },
];

describe('exactly one credential, in one of two places (A.19)', () => {
  test.each(CREDENTIALS)('$what', async (line) => {
    expect(await observe(line)).toMatchObject(expected(line));
  });
});

const METHODS: readonly WireCase[] = [
  ...['TRACE', 'HEAD', 'OPTIONS', 'PUT', 'PROPFIND', 'QUERY', 'PURGE', 'POST'].map(
    (method): WireCase => ({
      what: method,
      bytes: ({ host, key }) => request(`${method} /models HTTP/1.1`, [host, key]),
      options: { head: method === 'HEAD' },
      statuses: [405],
      reasons: ['unknown-method'],
      allow: 'GET',
    }),
  ),
  {
    what: 'TRACE without a token',
    bytes: ({ host }) => request('TRACE /models HTTP/1.1', [host]),
    statuses: [401],
    reasons: ['credential-missing'],
  },
  {
    what: 'OPTIONS on everything',
    bytes: ({ host, key }) => request('OPTIONS * HTTP/1.1', [host, key]),
    statuses: [400],
    reasons: ['not-origin-form'],
  },
  {
    what: 'a field that would override the method',
    bytes: ({ host, key }) => get('/models', host, key, 'X-HTTP-Method-Override: DELETE'),
    statuses: [200],
    reasons: [null],
  },
];

describe('a method the operation does not take is refused with Allow, once, and goes nowhere (B.26, D.35)', () => {
  test.each(METHODS)('$what', async (line) => {
    expect(await observe(line)).toMatchObject(expected(line));
  });
});

const TARGETS: readonly (readonly [target: string, reason: string])[] = [
  ['http://api.ideogram.ai/models', 'other-host'],
  ['http://127.0.0.1:1/models', 'other-host'],
  ['http://user@127.0.0.1/models', 'other-host'],
  ['http:///models', 'other-host'],
  ['ftp://127.0.0.1/models', 'not-origin-form'],
  ['/models/..x', 'dot-segment'],
  ['/models/...', 'dot-segment'],
  ['/datasets/x../upload_assets', 'dot-segment'],
  ['/models/%ff', 'path-escape'],
  ['/models/%c3%28', 'path-escape'],
  ['//models', 'double-slash'],
  ['/models//', 'double-slash'],
  ['/./models', 'dot-segment'],
  ['/models/.', 'dot-segment'],
  ['/models/../manage/api/api_keys', 'dot-segment'],
  ['/models/..', 'dot-segment'],
  ['/models/%2e%2e/manage', 'reserved-escape'],
  ['/models/%252e%252e/manage', 'reserved-escape'],
  ['/models%2Fx', 'reserved-escape'],
  ['/models%5cx', 'reserved-escape'],
  ['/models%00', 'reserved-escape'],
  ['/models%23', 'reserved-escape'],
  ['/models%3Fdry_run=true', 'reserved-escape'],
  ['/models%3bx', 'reserved-escape'],
  ['/%76%31/ideogram-v3/generate', 'needless-escape'],
  ['/mode%6cs', 'needless-escape'],
  ['/models;a=b', 'path-parameter'],
  ['/models#x', 'fragment'],
  ['/models\\x', 'backslash'],
  ['/models%', 'path-byte'],
  ['/models%zz', 'path-byte'],
  ['/models%e', 'path-byte'],
  ['/models"x', 'path-byte'],
  ['/models?a=<b>', 'query-byte'],
  ['/models?a=b?api_key=c', 'query-byte'],
  ['/models?a=%', 'query-byte'],
  ['/models?a=b#c', 'query-byte'],
];

test.each(TARGETS)(
  'the target %s has two meanings: 400, one row, nothing goes out (D.33, D.34)',
  async (target, reason) => {
    const line: WireCase = {
      what: target,
      bytes: ({ host, key }) => get(target, host, key),
      statuses: [400],
      reasons: [reason],
    };
    expect(await observe(line)).toMatchObject(expected(line));
  },
);

test('an escape that is no text is refused like any unclear target, and never with a 5xx', async () => {
  const before = (await gateway.calls()).length;
  for (const target of ['/models/%ff', '/models/%c3%28', '/-/problems/%ff', '/.well-known/%ff']) {
    const { answers } = await exchange(gateway.port, get(target, host, `Api-Key: ${token}`));
    expect(answers[0]?.status).toBe(400);
  }
  await gateway.ended(before + 4);
  const problems = (await gateway.calls()).slice(before).map((call) => call.problem);
  expect(problems).toEqual(Array.from({ length: 4 }, () => 'invalid-target'));
});

const ONE_CONNECTION: readonly WireCase[] = [
  {
    what: 'each has its answer, in order, and its own row',
    bytes: ({ host, key }) => get('/models', host, key) + get('/v9', host, key) + get('/models', host, key),
    statuses: [200, 404, 200],
    reasons: [null, 'unknown-path', null],
  },
  {
    what: 'the answers before the one that cannot be read are not lost',
    bytes: ({ host, key }) => `${get('/models', host, key)}NONSENSE\r\n\r\n`,
    statuses: [200, 400],
    reasons: [null, 'unparsable'],
    closed: true,
  },
  {
    what: 'what follows a head that cannot be trusted is not taken for a request',
    bytes: ({ host, key }) =>
      post([host, key, JSON_TYPE, 'Transfer-Encoding: gzip, chunked'], '0\r\n\r\n') +
      post([host, key, JSON_TYPE, `Content-Length: ${BODY.length}`], BODY),
    statuses: [400],
    reasons: ['transfer-encoding', 'after-doubtful-head'],
    closed: true,
  },
  {
    what: 'what follows a refused upgrade is not taken for a request',
    bytes: ({ host, key }) =>
      get('/models', host, key, 'Connection: Upgrade', 'Upgrade: websocket') + get('/models', host, key),
    statuses: [501],
    reasons: ['upgrade', 'after-doubtful-head'],
    closed: true,
  },
  {
    what: 'a half request behind a whole one has a row of its own',
    bytes: ({ host, key }) => get('/models', host, key),
    options: { next: 'GET /mod' },
    statuses: [200],
    reasons: [null, 'half-request'],
  },
];

describe('several requests on one connection (D.39)', () => {
  test.each(ONE_CONNECTION)('$what', async (line) => {
    expect(await observe(line)).toMatchObject(expected(line));
  });
});

describe('a head is read in one way or not at all (D.39)', () => {
  const token = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,12}$/);
  const value = fc.stringMatching(/^[\x20-\x7e]{0,20}$/);
  const fields = fc.array(fc.tuple(token, value), { maxLength: 8 }).map((pairs) => pairs.flat());

  test('whatever the fields are, no head without exactly one host is trusted', () => {
    fc.assert(
      fc.property(fields, fc.nat(3), (others, hosts) => {
        const raw = others.map((text) => (/^host$/i.test(text) ? 'x' : text));
        for (let i = 0; i < hosts; i++) raw.splice(0, 0, i % 2 === 0 ? 'Host' : 'hOST', 'ideogate.internal');
        const head = readRawHead(raw, '1.1', 'GET', 100);
        expect({ hosts, ...head }).toSatisfy((it) => it.hosts === 1 || 'problem' in it);
      }),
    );
  });

  test('a length is plain digits, or the head is not trusted', () => {
    fc.assert(
      fc.property(value, (length) => {
        const head = readRawHead(['Host', 'a', 'Content-Length', length], '1.1', 'POST', 100);
        if (/^(0|[1-9][0-9]{0,14})$/.test(length)) {
          expect(head).toMatchObject({ contentLength: length === '0' ? null : Number(length) });
        } else expect(head).toHaveProperty('reason', 'content-length');
      }),
    );
  });

  test('no coding but chunked is trusted, and never with a length', () => {
    fc.assert(
      fc.property(value, fc.boolean(), (coding, withLength) => {
        const raw = [
          'Host',
          'a',
          'Transfer-Encoding',
          coding,
          ...(withLength ? ['Content-Length', '1'] : []),
        ];
        const head = readRawHead(raw, '1.1', 'POST', 100);
        expect('problem' in head).toBe(withLength || coding.toLowerCase() !== 'chunked');
      }),
    );
  });

  test('the trace id of a well-formed traceparent is kept, and of no other', () => {
    const trace = 'ab'.repeat(16);
    const cases: readonly (readonly [string, string | null])[] = [
      [`00-${trace}-00f067aa0ba902b7-01`, trace],
      [`cc-${trace}-00f067aa0ba902b7-01-what-comes-later`, trace],
      [`ff-${trace}-00f067aa0ba902b7-01`, null],
      [`00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, null],
      [`00-${trace}-${'0'.repeat(16)}-01`, null],
      [`00-${trace.toUpperCase()}-00f067aa0ba902b7-01`, null],
      ['nonsense', null],
    ];
    for (const [traceparent, traceId] of cases) {
      expect(readRawHead(['Host', 'a', 'Traceparent', traceparent], '1.1', 'GET', 100)).toMatchObject({
        traceId,
      });
    }
  });
});

describe('a target is read in one way or not at all (D.33)', () => {
  test('whatever is taken stays what it is when a URL parser or a decoder reads it', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '/',
        '.',
        '..',
        '%2e',
        '%2F',
        '%25',
        '%',
        '\\',
        ';',
        '//',
        '?',
        '#',
        '%00',
        '%C3%A9',
        'a',
        '~',
      ),
      fc.string({ maxLength: 3 }),
    );
    const target = fc.array(piece, { maxLength: 10 }).map((pieces) => `/${pieces.join('')}`);
    fc.assert(
      fc.property(target, (raw) => {
        const read = parseTarget(raw);
        if ('fault' in read) return;
        expect(read.originForm).toBe(raw);
        const url = new URL(`http://upstream.invalid${raw}`);
        expect(url.host).toBe('upstream.invalid');
        expect(url.hash).toBe('');
        // A query keeps its apostrophes in the request line; the URL standard writes them as %27.
        expect(url.pathname + (raw.endsWith('?') ? '?' : '') + url.search.replaceAll('%27', "'")).toBe(
          raw.replaceAll('%27', "'"),
        );
        expect(url.pathname).toBe(read.path);
        const decoded = read.path.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
          String.fromCharCode(Number.parseInt(hex, 16)),
        );
        expect(decoded.split('/')).toHaveLength(read.path.split('/').length);
        expect(decoded.split('/')).not.toContain('..');
        expect(decoded).not.toMatch(/[\\;#?%\0]/);
      }),
      { numRuns: 3000 },
    );
  });

  test('every path of the reference is taken as it is', () => {
    for (const path of ['/v1/ideogram-v3/generate', '/models/abc_D-1.2', '/v1/generations/a%20b', '/a@b:c,d'])
      expect(parseTarget(path)).toEqual({ path, query: '', originForm: path });
    const paged = '/models?page=2&q=a%2Fb';
    expect(parseTarget(paged)).toEqual({ path: '/models', query: 'page=2&q=a%2Fb', originForm: paged });
  });
});
