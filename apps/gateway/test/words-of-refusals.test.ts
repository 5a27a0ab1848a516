import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exchange, request } from './wire.ts';

/*
 * What a developer reads when a call is refused: what was wrong, by which rule of which release, and what was probably
 * meant. Nothing of what was sent comes back.
 */

let gateway: TestGateway;
const tokens = { reader: '', writer: '', full: '' };

beforeAll(async () => {
  gateway = await startTestGateway();
  for (const caller of ['reader', 'writer', 'full'] as const) tokens[caller] = await gateway.token(caller);
});
afterAll(() => gateway?.close());

interface Case {
  readonly what: string;
  readonly caller?: keyof typeof tokens;
  readonly line: string;
  readonly json?: object;
  readonly status: number;
  readonly detail: RegExp;
}

const CASES: readonly Case[] = [
  {
    what: 'a path without its version',
    line: 'POST /ideogram-v3/generate',
    status: 404,
    detail: /^Ideogram has no such operation\. Did you mean \/v1\/ideogram-v3\/generate\?$/,
  },
  {
    what: 'a path with a slash at its end',
    line: 'POST /v1/ideogram-v3/generate/',
    status: 404,
    detail: /Did you mean \/v1\/ideogram-v3\/generate\?$/,
  },
  {
    what: 'a path with an id in it',
    line: 'GET /v1/generation/aBcDeFgHiJkLmNoPqRsTuVwXyZ',
    status: 404,
    detail: /Did you mean \/v1\/generations\/\{generation_id\}\?$/,
  },
  {
    what: 'a path that is near to none',
    line: 'GET /completely/other/things/that/nobody/has',
    status: 404,
    detail: /^Ideogram has no such operation\.$/,
  },
  {
    what: 'a path that is near to a closed one alone',
    line: 'GET /manage/api/api_key',
    status: 404,
    detail: /^(?!.*manage)/,
  },
  {
    what: 'a method that the path does not take',
    line: 'POST /models',
    status: 405,
    detail: /^\/models takes GET\. Did you mean GET\?$/,
  },
  { what: 'a method in small letters', line: 'get /models', status: 501, detail: /Did you mean GET\?$/ },
  { what: 'a method mistyped', line: 'PSOT /generate', status: 501, detail: /Did you mean POST\?$/ },
  {
    what: 'a field mistyped, under bounds',
    caller: 'writer',
    line: 'POST /v1/ideogram-v3/generate',
    json: { prompt: 'a', rendering_speed: 'TURBO', num_image: 1 },
    status: 403,
    detail: /Did you mean num_images\?$/,
  },
  {
    what: 'a value of v1 in v2, where it is in small letters',
    caller: 'writer',
    line: 'POST /v2/image/generate/ideogram-3',
    json: { prompt: 'a', rendering_speed: 'TURBO', num_images: 1 },
    status: 403,
    detail: /^rendering_speed must be one of turbo under write:limited\. Did you mean turbo\?$/,
  },
  {
    what: 'a value of v2 in v1, where it is in capitals',
    caller: 'writer',
    line: 'POST /v1/ideogram-v3/generate',
    json: { prompt: 'a', rendering_speed: 'turbo', num_images: 1 },
    status: 403,
    detail: /Did you mean TURBO\?$/,
  },
  {
    what: 'a query parameter mistyped, under bounds',
    caller: 'writer',
    line: 'POST /v1/ideogram-v4/async/generate?dryrun=true',
    json: { text_prompt: 'a', rendering_speed: 'TURBO' },
    status: 403,
    detail: /is not a parameter of this operation, so write:limited refuses it\./,
  },
];

describe('a refusal says what was probably meant', () => {
  test.each(CASES)('$what', async ({ caller = 'full', line, json, status, detail }) => {
    const body = json === undefined ? '' : JSON.stringify(json);
    const fields = [`Host: 127.0.0.1:${gateway.port}`, `Api-Key: ${tokens[caller]}`];
    if (json !== undefined) fields.push('Content-Type: application/json', `Content-Length: ${body.length}`);
    const { answers } = await exchange(gateway.port, request(`${line} HTTP/1.1`, fields, body));
    expect(answers[0]?.status).toBe(status);
    const told = JSON.parse(answers[0]?.body ?? '') as { detail: string }; // as: our own document
    expect(told.detail).toMatch(detail);
  });
});

test.each([
  ['JSON', { 'content-type': 'application/json' }, JSON.stringify({ prompt: 'a', num_images: 2 })],
  [
    'a form that streams',
    { 'content-type': 'multipart/form-data; boundary=bbbbbbbb' },
    '--bbbbbbbb\r\nContent-Disposition: form-data; name="num_images"\r\n\r\n2\r\n--bbbbbbbb--\r\n',
  ],
])('a broken bound, in %s, names the rule and its release', async (_what, headers, body) => {
  const response = await fetch(`${gateway.url}/v1/ideogram-v3/generate`, {
    method: 'POST',
    headers: { ...headers, 'api-key': tokens.writer },
    body,
  });
  expect(await response.json()).toMatchObject({
    code: 'bound-exceeded',
    field: 'num_images',
    bound: 'at most 1',
    rule: expect.stringMatching(/^policy\.yaml:\d+$/),
    release: gateway.release.id,
  });
});

test('a scope mistyped is told at the issuer, which is where it is asked for', async () => {
  await expect(gateway.token('writer', 'write:genrate read:model')).rejects.toThrow(
    /did you mean write:generate read:models\?/,
  );
  await expect(gateway.token('reader', 'write:generate')).rejects.not.toThrow(/did you mean/);
});
