import { METHODS } from 'node:http';
import { OPERATIONS } from '@ideogate/ideogram';
import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exchange } from './wire.ts';

/*
 * Whatever the bytes say, what a caller got wrong is never a fault of ours: no 500, and none on record; and what was
 * allowed goes out (B.26).
 */

let gateway: TestGateway;
let host = '';
let token = '';

beforeAll(async () => {
  gateway = await startTestGateway({
    settings: { IDEOGATE_HEADERS_TIMEOUT_MS: '400', IDEOGATE_REQUEST_TIMEOUT_MS: '1500' },
  });
  host = `127.0.0.1:${gateway.port}`;
  token = await gateway.token('full');
});
afterAll(() => gateway?.close());

const paths = [...new Set(OPERATIONS.map(({ path }) => path))];
const piece = fc.oneof(
  fc.constantFrom('.', '..', '...', '..x', 'x..', '%20', '%C3%A9', '%ff', '%2e', '%', '*', ':', '~', '@', ''),
  fc.stringMatching(/^[!-~]{0,4}$/),
);
const path = fc.oneof(
  fc.constantFrom(
    ...paths,
    '/-/health',
    '/-/whoami',
    '/-/problems/x',
    '/-/webhooks/x',
    '/.well-known/x',
    '*',
  ),
  // An id of any kind where an operation has one.
  fc.tuple(fc.constantFrom(...paths), piece).map(([template, id]) => template.replaceAll(/\{[a-z_]+\}/g, id)),
  fc.tuple(fc.constantFrom(...paths), piece, piece).map(([template, a, b]) => `${template}/${a}${b}`),
  fc.array(piece, { maxLength: 5 }).map((pieces) => `/${pieces.join('/')}`),
);
const target = fc
  .record({
    origin: fc.constantFrom(
      '',
      '',
      '',
      'http://HOST',
      'https://HOST',
      'http://other.invalid',
      'rtsp://HOST',
      'http:',
    ),
    path,
    query: fc.constantFrom(
      '',
      '',
      '?',
      '??',
      '?dry_run=true',
      '?a=b',
      '?__proto__=a',
      '?a[b]=c',
      '?%',
      '?a=%ff',
    ),
  })
  .map(({ origin, path, query }) => `${origin}${path}${query}`);
const method = fc.oneof(
  fc.constantFrom('GET', 'POST', 'PATCH', 'DELETE'),
  fc.constantFrom(...METHODS.filter((name) => name !== 'CONNECT'), 'DESCRIBE', 'PLAY', 'FLUSH', 'get', 'X-Y'),
);
const protocol = fc.constantFrom(
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.0',
  'RTSP/1.1',
  'RTSP/1.0',
  'ICE/1.1',
  'HTTP/2.0',
  'HTTP/0.9',
  'HTTP/1.2',
  'http/1.1',
  'HTTP',
  '',
);
const field = fc.constantFrom(
  'Content-Type: application/json',
  'Content-Type: multipart/form-data; boundary=b',
  'Content-Type: multipart/form-data; boundary="b"; charset=utf-8',
  'Content-Type: multipart/form-data;; boundary=b',
  'Content-Type: multipart/form-data; boundary=b; ',
  'Content-Type: application/json;',
  'Content-Type: application/json; charset="utf-8"',
  'Content-Type: text',
  'Content-Type:',
  'Content-Type: \xe9/\xe9',
  'Accept: \xff\xfe',
  'Accept:',
  'User-Agent: \x80',
  'Accept-Language: \t a',
  'Content-Encoding: identity',
  'Connection: upgrade',
  'Connection: keep-alive, close',
  'Upgrade: h2c',
  'Expect: 100-continue',
  'TE: chunked',
  'Trailer: a',
  'Range: bytes=0-1',
  'If-None-Match: *',
  'Origin: https://a.example',
  'Access-Control-Request-Method: POST',
  'Accept-Version: 1.0.0',
  'Sec-Fetch-Mode: cors',
  '__proto__: a',
  'constructor: a',
);
const body = fc.constantFrom(
  '',
  '',
  'Content-Length: 0\r\n',
  '{"prompt":"a"}',
  '{"prompt":"a","__proto__":1}',
  '--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na\r\n--b--\r\n',
  'chunked',
  'chunked {}',
);

/** Methods of other protocols pass Node's parser only with those. */
const foreign = fc.constantFrom(
  ...['DESCRIBE', 'PLAY', 'FLUSH', 'ANNOUNCE', 'GET', 'POST'].map((name) => [name, 'RTSP/1.1'] as const),
  ['SOURCE', 'ICE/1.1'] as const,
);

/** A whole call that would be allowed, but for one segment of its path. */
const oddId = fc
  .tuple(
    fc.constantFrom('/models/ID', '/datasets/ID', '/v1/generations/ID', '/v2/generations/ID'),
    piece,
    piece,
  )
  .map(([template, a, b]) => `GET ${template.replace('ID', `${a}${b}`)} HTTP/1.1`);

const ordinary = fc
  .record({ method, target, protocol, fields: fc.array(field, { maxLength: 4 }), body })
  .map(({ method, target, protocol, fields, body }) => {
    const [framing, content] = framed(body);
    const line = [method, target, protocol].filter((part) => part !== '').join(' ');
    const head = [line, 'Host: HOST', 'Api-Key: TOKEN', ...fields].join('\r\n');
    return `${head}\r\n${framing}\r\n${content}`;
  });

const whole = (line: string) => `${line}\r\nHost: HOST\r\nApi-Key: TOKEN\r\n\r\n`;
const bytes = fc.oneof(
  { weight: 3, arbitrary: ordinary },
  {
    weight: 1,
    arbitrary: fc.tuple(foreign, target).map(([[name, version], to]) => whole(`${name} ${to} ${version}`)),
  },
  { weight: 1, arbitrary: oddId.map(whole) },
);

/** What once was a fault of ours. */
const KNOWN = [
  'DESCRIBE /x RTSP/1.1',
  'SOURCE /x ICE/1.1',
  'GET /models/..x HTTP/1.1',
  'GET /models/%ff HTTP/1.1',
];

function framed(body: string): readonly [framing: string, content: string] {
  if (body === '' || body.startsWith('Content-Length')) return [body, ''];
  if (body === 'chunked') return ['Transfer-Encoding: chunked\r\n', '0\r\n\r\n'];
  if (body === 'chunked {}') return ['Transfer-Encoding: chunked\r\n', '2\r\n{}\r\n0\r\n\r\n'];
  return [`Content-Length: ${body.length}\r\n`, body];
}

describe('what a caller got wrong is never a fault of ours (B.26)', () => {
  test('whatever method, target, protocol, fields and body are put together', async () => {
    await fc.assert(
      fc.asyncProperty(bytes, async (text) => {
        const sent = text.replaceAll('HOST', host).replaceAll('TOKEN', token);
        const head = sent.startsWith('HEAD');
        const { answers } = await exchange(gateway.port, Buffer.from(sent, 'latin1'), { head });
        const statuses = answers.map(({ status }) => status);
        expect(statuses.length, 'answered').toBeGreaterThan(0);
        expect(statuses).not.toContain(500);
        expect(statuses.filter((status) => status === 502)).toEqual([]);
      }),
      { numRuns: 200, examples: KNOWN.map((line) => [whole(line)]) },
    );
    const calls = await gateway.calls();
    expect(calls.filter(({ problem }) => problem === 'internal-error')).toEqual([]);
    expect(gateway.log.filter((line) => /a step failed|could not be ended/.test(line))).toEqual([]);
  }, 120_000);
});
