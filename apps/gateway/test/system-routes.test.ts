import { createHash } from 'node:crypto';
import { PROBLEMS } from '@ideogate/contract';
import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exchange, request } from './wire.ts';

let gateway: TestGateway;
let reader = '';

beforeAll(async () => {
  gateway = await startTestGateway();
  reader = await gateway.token('reader');
});
afterAll(() => gateway?.close());

const METADATA = '/.well-known/oauth-protected-resource';
const PAGES = ['/-/health', '/-/ready', '/-/problems', '/-/problems/insufficient-scope', METADATA];

async function page(path: string, init?: RequestInit): Promise<Response> {
  return fetch(`${gateway.url}${path}`, init);
}

test.each(PAGES)('%s answers anybody, with a call id, for no cache, and leaves no row', async (path) => {
  const before = (await gateway.calls()).length;
  const response = await page(path);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^application\/json/);
  expect(response.headers.get('ideogate-call-id')).toMatch(/^[0-9a-f-]{36}$/);
  expect(response.headers.get('cache-control')).toBe('no-store');
  // One call with a row, so that a row of the page would be seen before it.
  await gateway.call(await page('/models'));
  expect(await gateway.calls()).toHaveLength(before + 1);
});

test('the metadata names exactly the identifier that tokens are for, and every 401 points to it (B.27)', async () => {
  const refused = await page('/models');
  const pointer = /resource_metadata="([^"]+)"/.exec(refused.headers.get('www-authenticate') ?? '')?.[1];
  expect(pointer).toBe(`${gateway.url}${METADATA}`);
  const metadata = await (await fetch(pointer ?? '')).json();
  expect(metadata).toMatchObject({
    resource: gateway.url,
    authorization_servers: [gateway.issuerUrl],
    bearer_methods_supported: ['header'],
  });
  expect((metadata as { scopes_supported: string[] }).scopes_supported).toContain('write:generate'); // as: RFC 9728 section 2
});

test('every problem has its page, and the list has every problem', async () => {
  const list = (await (await page('/-/problems')).json()) as { code: string }[]; // as: our own list
  expect(list.map(({ code }) => code).sort()).toEqual(Object.keys(PROBLEMS).sort());
  for (const [code, { status, title, remedy }] of Object.entries(PROBLEMS)) {
    expect(await (await page(`/-/problems/${code}`)).json()).toEqual({ code, status, title, remedy });
  }
});

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8';

test('a person who opens a problem gets a page that loads, runs and sends nothing (B.25)', async () => {
  for (const path of ['/-/problems', ...Object.keys(PROBLEMS).map((code) => `/-/problems/${code}`)]) {
    const response = await page(`${path}?q=<i>marked</i>`.replaceAll(/[<>]/g, encodeURIComponent), {
      headers: { accept: BROWSER, 'user-agent': '<i>marked</i>', referer: 'https://marked.test/' },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('vary')).toMatch(/Accept/);
    const html = await response.text();
    const policy = response.headers.get('content-security-policy') ?? '';
    const [, style = ''] = /<style>([^<]*)<\/style>/.exec(html) ?? [];
    const hash = createHash('sha256').update(style).digest('base64');
    expect(policy).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
    expect(html).not.toMatch(/<script|<img|<link|<iframe|<form|style=|\son\w+=|https?:|marked/i);
  }
  const one = await (await page('/-/problems/bound-exceeded', { headers: { accept: BROWSER } })).text();
  expect(one).toContain(PROBLEMS['bound-exceeded'].title);
  expect(one).toContain('Keep the named field within its bound');
});

test.each([
  [undefined, 'json'],
  ['*/*', 'json'],
  ['application/json', 'json'],
  ['application/problem+json', 'json'],
  ['application/json, text/html;q=0.9', 'json'],
  ['text/html;q=0', 'json'],
  ['text/plain', 'json'],
  ['text/html', 'html'],
  ['TEXT/HTML', 'html'],
  ['text/*', 'html'],
  [BROWSER, 'html'],
  ['application/json;q=0.5, text/html', 'html'],
] as const)('a problem for who accepts %s is %s', async (accept, kind) => {
  const { answers } = await exchange(
    gateway.port,
    request('GET /-/problems/overloaded HTTP/1.1', [
      `Host: 127.0.0.1:${gateway.port}`,
      ...(accept === undefined ? [] : [`Accept: ${accept}`]),
    ]),
  );
  expect(answers[0]?.headers.get('content-type')).toContain(kind);
});

test('a problem mistyped names the one that is near', async () => {
  const response = await page('/-/problems/bound-exceded');
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({
    detail: expect.stringContaining('/-/problems/bound-exceeded?'),
  });
});

const NO_PAGES = [
  '/-/nothing',
  '/-/problems/no-such-problem',
  '/-/problems/constructor',
  '/.well-known/jwks.json',
  '/-/',
];

test.each(NO_PAGES)('%s is no page: 404, and no row', async (path) => {
  const before = (await gateway.calls()).length;
  const response = await page(path);
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ code: 'unknown-operation' });
  await gateway.call(await page('/models'));
  expect(await gateway.calls()).toHaveLength(before + 1);
});

const WRITES: readonly (readonly [method: string, fields: readonly string[], body: string])[] = [
  ['POST', ['Content-Type: application/json', 'Content-Length: 1'], '{'],
  ['POST', ['Content-Type: application/xml', 'Content-Length: 3'], '<a>'],
  ['POST', ['Content-Type: none', 'Content-Length: 1'], 'a'],
  ['POST', ['Content-Length: 2'], '{}'],
  ['POST', ['Transfer-Encoding: chunked'], '0\r\n\r\n'],
  ['PUT', [], ''],
  ['PATCH', [], ''],
  ['DELETE', [], ''],
  ['QUERY', [], ''],
  ['PROPFIND', [], ''],
];

test.each(WRITES)(
  '%s on a page with %j is 405 with Allow, whatever the body',
  async (method, fields, body) => {
    for (const path of [...PAGES, '/-/whoami']) {
      const { answers } = await exchange(
        gateway.port,
        request(`${method} ${path} HTTP/1.1`, [`Host: 127.0.0.1:${gateway.port}`, ...fields], body),
      );
      expect(answers.map(({ status }) => status)).toEqual([405]);
      expect(answers[0]?.headers.get('allow')).toBe('GET, HEAD, OPTIONS');
    }
  },
);

test.each(PAGES)('HEAD and OPTIONS on %s are answered as checkers want them, without rows', async (path) => {
  const before = (await gateway.calls()).length;
  const got = await page(path);
  const head = await page(path, { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
  expect(head.headers.get('content-type')).toBe(got.headers.get('content-type'));
  expect(head.headers.get('content-length')).toBe(String((await got.arrayBuffer()).byteLength));
  const options = await page(path, { method: 'OPTIONS' });
  expect([options.status, options.headers.get('allow'), await options.text()]).toEqual([
    204,
    'GET, HEAD, OPTIONS',
    '',
  ]);
  expect(options.headers.get('ideogate-call-id')).toMatch(/^[0-9a-f-]{36}$/);
  await gateway.call(await page('/models'));
  expect(await gateway.calls()).toHaveLength(before + 1);
});

test('HEAD on what is no page is 404 without a body', async () => {
  const response = await page('/-/nothing', { method: 'HEAD' });
  expect([response.status, await response.text()]).toEqual([404, '']);
});

test('whoami tells a caller what its token may do here, operation by operation', async () => {
  const response = await page('/-/whoami', { headers: { 'api-key': reader } });
  expect(response.status).toBe(200);
  const answer = (await response.json()) as { operations: { operation: string; allowed: string }[] }; // as: our own page
  expect(answer).toMatchObject({ environment: 'staging', subject: 'reader', release: gateway.release.id });
  const allowed = (id: string) => answer.operations.find(({ operation }) => operation === id)?.allowed;
  expect(allowed('models.list')).toBe('full');
  expect(allowed('v3.generate')).toBe('none');
  expect(allowed('manage.api-keys.create')).toBe('none');
  expect(answer.operations).toHaveLength(gateway.release.operations.length);
  const writer = await page('/-/whoami', { headers: { 'api-key': await gateway.token('writer') } });
  expect(JSON.stringify(await writer.json())).toContain(
    '"operation":"v3.generate","method":"POST","path":"/v1/ideogram-v3/generate","allowed":"limited"',
  );
  expect(JSON.stringify(answer)).not.toContain(reader);
});

test.each([
  ['no token', {}, 401, 'authentication-required'],
  ['a bad token', { 'api-key': 'fake-token' }, 401, 'invalid-token'],
  [
    'two credentials',
    { 'api-key': 'fake-token', authorization: 'Bearer fake-token' },
    400,
    'invalid-credential',
  ],
] as const)(
  '%s at whoami is refused; a refused token has its row',
  async (_what, headers, status, problem) => {
    const before = (await gateway.calls()).length;
    const response = await page('/-/whoami', { headers });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code: problem });
    const recorded = problem !== 'authentication-required';
    if (recorded) expect(await gateway.call(response)).toMatchObject({ problem, resource: '/-/whoami' });
    await gateway.call(await page('/models'));
    expect(await gateway.calls()).toHaveLength(before + (recorded ? 2 : 1));
  },
);
