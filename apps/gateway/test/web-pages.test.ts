import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readPageOrigins } from '../src/page-origins.ts';

/* What a browser is told when a page of another origin would call (the Fetch standard's CORS). */

const STUDIO = 'https://studio.example';
const OTHERS = [
  'https://evil.example',
  'https://studio.example.evil.example',
  'http://studio.example',
  'https://studio.example:8443',
  'HTTPS://studio.example',
  'https://studio.example, https://evil.example',
  'null',
];

let closed: TestGateway;
let open: TestGateway;

beforeAll(async () => {
  closed = await startTestGateway();
  open = await startTestGateway({ settings: { IDEOGATE_CORS_ORIGINS: `${STUDIO}, http://localhost:5173` } });
});
afterAll(async () => {
  await closed?.close();
  await open?.close();
});

function preflight(gateway: TestGateway, origin: string, path = '/v1/ideogram-v3/generate') {
  const headers = {
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'api-key,content-type',
  };
  return fetch(`${gateway.url}${path}`, { method: 'OPTIONS', headers });
}

const grants = (response: Response) =>
  [...response.headers].filter(([name]) => name.startsWith('access-control-'));

describe('a page that is not listed is refused in words, with a row', () => {
  test('where no page is', async () => {
    const response = await preflight(closed, STUDIO);
    expect(response.status).toBe(403);
    expect(grants(response)).toEqual([]);
    expect(await response.json()).toMatchObject({
      code: 'cross-origin-refused',
      detail: expect.stringMatching(
        /pages may not call this gateway.*A token in a page can be read by whoever opens/,
      ),
    });
    expect(await closed.call(response)).toMatchObject({
      state: 'refused',
      problem: 'cross-origin-refused',
      reason: 'cross-origin',
      subject: null,
      method: 'OPTIONS',
    });
  });

  test.each(OTHERS)('where others are: %s', async (origin) => {
    const response = await preflight(open, origin);
    expect(response.status).toBe(403);
    expect(grants(response)).toEqual([]);
    const text = await response.text();
    expect(text).toContain('this page is not among those that may call');
    expect(text).not.toContain('evil');
    expect(await open.call(response)).toMatchObject({ reason: 'cross-origin' });
  });

  test('and its answers cannot be read, whatever the call', async () => {
    const token = await open.token('reader');
    for (const path of ['/models', '/v9', '/-/health', '/-/whoami'])
      expect(
        grants(
          await fetch(`${open.url}${path}`, {
            headers: { 'api-key': token, origin: 'https://evil.example' },
          }),
        ),
      ).toEqual([]);
  });
});

describe('a page whose exact origin is listed may call', () => {
  test.each(['/v1/ideogram-v3/generate', '/-/whoami'])(
    'it is told so before it calls %s, without a row',
    async (path) => {
      const before = (await open.calls()).length;
      const response = await preflight(open, STUDIO, path);
      expect(response.status).toBe(204);
      expect(Object.fromEntries(grants(response))).toEqual({
        'access-control-allow-origin': STUDIO,
        'access-control-allow-methods': 'GET, POST, PATCH, DELETE',
        'access-control-allow-headers': 'api-key, authorization, content-type, traceparent',
        'access-control-expose-headers': 'Ideogate-Call-Id, Retry-After, WWW-Authenticate',
        'access-control-max-age': '600',
      });
      expect(response.headers.get('vary')).toBe('Origin');
      await open.call(await fetch(`${open.url}/models`));
      expect(await open.calls()).toHaveLength(before + 1);
    },
  );

  test('it reads answers of Ideogram and of the gateway, and nobody else may by them', async () => {
    const token = await open.token('reader');
    for (const [path, status] of [
      ['/models', 200],
      ['/v9', 404],
      ['/-/whoami', 200],
      ['/models?a=%', 400],
    ] as const) {
      const response = await fetch(`${open.url}${path}`, { headers: { 'api-key': token, origin: STUDIO } });
      expect(response.status).toBe(status);
      expect(response.headers.get('access-control-allow-origin')).toBe(STUDIO);
      expect(response.headers.get('access-control-allow-credentials')).toBeNull();
      expect(response.headers.get('vary')).toContain('Origin');
    }
  });

  test('its calls are on record like any other, and its origin goes no further', async () => {
    const token = await open.token('reader');
    const response = await fetch(`${open.url}/models`, { headers: { 'api-key': token, origin: STUDIO } });
    expect(await open.call(response)).toMatchObject({ result: 'success', subject: 'reader' });
    expect(JSON.stringify(await open.received())).not.toContain('studio.example');
  });
});

test('OPTIONS that is no preflight is what it was: a method that the operation does not take', async () => {
  const response = await fetch(`${open.url}/models`, {
    method: 'OPTIONS',
    headers: { origin: STUDIO, 'api-key': await open.token('reader') },
  });
  expect(response.status).toBe(405);
});

test.each([
  ['*', /"\*" is not an exact origin/],
  ['null', /"null" is not an exact origin/],
  ['https://studio.example/', /not an exact origin/],
  ['https://studio.example/a', /not an exact origin/],
  ['https://*.studio.example', /not an exact origin/],
  ['studio.example', /not an exact origin/],
  ['https://studio.example:443', /not an exact origin/],
  ['file:///a', /not an exact origin/],
  ['http://studio.example', /is plain http/],
])('the setting %s stops the start', (text, fault) => {
  const faults: string[] = [];
  readPageOrigins(`https://good.example ${text}`, faults);
  expect(faults).toEqual([expect.stringMatching(fault)]);
});

test('the setting takes exact origins, and plain http on loopback', () => {
  const faults: string[] = [];
  expect([
    ...readPageOrigins(' https://a.example,http://127.0.0.1:3000\nhttps://b.example:8443 ', faults),
  ]).toEqual(['https://a.example', 'http://127.0.0.1:3000', 'https://b.example:8443']);
  expect([...readPageOrigins(null, faults), ...faults]).toEqual([]);
});
