import { PROBLEMS } from '@ideogate/contract';
import { OPERATIONS } from '@ideogate/ideogram';
import { FAKE_KEYS, startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FakeIssuer, startIssuer } from '../../../packages/access-token/test/fake-issuer.ts';
import {
  goodClaims,
  header,
  makeKey,
  sign,
  type SigningKey,
} from '../../../packages/access-token/test/signed-tokens.ts';

const GENERATE = '/v1/ideogram-v3/generate';
const QUOTED = '/v2/image/generate/ideogram-4';
const EVIL = 'https://collector.invalid/take';

let gateway: TestGateway;
let production: TestGateway;
/** One whose issuer is the test's own. */
let told: TestGateway;
let ownIssuer: FakeIssuer;
let ownKey: SigningKey;
const tokens = { reader: '', writer: '', full: '' };
type Caller = keyof typeof tokens;

beforeAll(async () => {
  gateway = await startTestGateway();
  // Production trusts the very issuer that staging trusts, so that nothing but the audience tells them apart.
  const issuers = [
    {
      issuer: gateway.issuerUrl,
      algorithms: ['ES256', 'EdDSA'] as const,
      keys: { discovery: true } as const,
    },
  ];
  ownKey = await makeKey('own');
  ownIssuer = await startIssuer([ownKey]);
  told = await startTestGateway({
    verifier: {
      issuers: [{ issuer: ownIssuer.url, algorithms: ['ES256'], keys: { jwksUri: `${ownIssuer.url}/jwks` } }],
    },
  });
  production = await startTestGateway({ environment: 'production', verifier: { issuers } });
  for (const caller of ['reader', 'writer', 'full'] as const) tokens[caller] = await gateway.token(caller);
});
afterAll(async () => {
  await gateway?.close();
  await production?.close();
  await told?.close();
  await ownIssuer?.close();
});

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: object;
  /** JSON as it is, where an object could not say it. */
  readonly text?: string;
  readonly parts?: readonly (readonly [name: string, value: string | Blob])[];
}

function send(token: string | null, sent: Sent): Promise<Response> {
  const { path = GENERATE, json, parts, text = json && JSON.stringify(json) } = sent;
  const form = parts === undefined ? undefined : new FormData();
  for (const [name, value] of parts ?? []) form?.append(name, value);
  const body = text ?? form;
  return fetch(`${gateway.url}${path}`, {
    method: sent.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(token === null ? {} : { 'api-key': token }),
      ...(text === undefined ? {} : { 'content-type': 'application/json' }),
      ...sent.headers,
    },
    ...(body === undefined ? {} : { body }),
  });
}

/** What came out at the other side since, whole. */
async function wholeSince(before: number): Promise<number> {
  const received = (await gateway.received()).slice(before);
  return received.filter((request) => request.complete).length;
}

test('a reader quotes a price and lists models, with the read key', async () => {
  const quote = await send(tokens.reader, {
    path: `${QUOTED}?dry_run=true`,
    json: { prompt: 'a lighthouse' },
  });
  expect(quote.status).toBe(200);
  expect(await gateway.call(quote)).toMatchObject({
    result: 'success',
    scopeNeeded: 'read:quote',
    costUsdMicros: 0,
  });
  const models = await send(tokens.reader, { path: '/models' });
  expect(models.status).toBe(200);
  expect(await gateway.call(models)).toMatchObject({ result: 'success', operation: 'models.list' });
});

test('a reader who tries to generate is told the scope, the release and the rule (B.23, A.22)', async () => {
  const before = (await gateway.received()).length;
  const response = await send(tokens.reader, { json: { prompt: 'a lighthouse' } });
  expect(response.status).toBe(403);
  expect(await response.json()).toMatchObject({
    code: 'insufficient-scope',
    scope: 'write:generate',
    rule: expect.stringMatching(/^policy\.yaml:\d+$/),
    release: gateway.release.id,
    operation: 'v3.generate',
  });
  expect(response.headers.get('www-authenticate')).toMatch(
    /^Bearer .*error="insufficient_scope", scope="write:generate"/,
  );
  expect(await gateway.call(response)).toMatchObject({
    state: 'refused',
    problem: 'insufficient-scope',
    scopeNeeded: 'write:generate',
  });
  expect(await wholeSince(before)).toBe(0);
});

const picture = new Blob([new Uint8Array(3000).fill(7)], { type: 'image/png' });
const turbo = { prompt: 'a lighthouse', rendering_speed: 'TURBO' };

/** Where a body is checked as it streams, the refusal is an outcome: the decision came before. */
type Beyond = readonly [what: string, caller: Caller, sent: Sent, status: number, reason: string];

const BEYOND: readonly Beyond[] = [
  ["the writer's second image", 'writer', { json: { ...turbo, num_images: 2 } }, 403, 'over-bound'],
  ["the writer's QUALITY", 'writer', { json: { ...turbo, rendering_speed: 'QUALITY' } }, 403, 'over-bound'],
  ['a speed left out, which means DEFAULT', 'writer', { json: { prompt: 'a' } }, 403, 'must-be-sent'],
  [
    'a number of images sent after the file',
    'writer',
    {
      parts: [
        ['prompt', 'a lighthouse'],
        ['rendering_speed', 'TURBO'],
        ['style_reference_images', picture],
        ['num_images', '2'],
      ],
    },
    403,
    'over-bound',
  ],
  ['a field nobody knows', 'writer', { json: { ...turbo, num_pictures: 2 } }, 403, 'unknown-field'],
  [
    'a query nobody knows',
    'writer',
    { path: `${GENERATE}?num_images=2`, json: turbo },
    403,
    'unknown-parameter',
  ],
  [
    'a webhook in the query',
    'writer',
    { path: `${GENERATE}?webhook_url=${EVIL}`, json: turbo },
    403,
    'webhook-url',
  ],
  [
    'a webhook in the query of a caller without bounds',
    'full',
    { path: `${GENERATE}?webhook_url=${EVIL}`, json: turbo },
    403,
    'webhook-url',
  ],
  [
    'a webhook in the JSON of a caller without bounds',
    'full',
    { json: { ...turbo, webhook_url: EVIL } },
    403,
    'webhook-url',
  ],
  [
    'a webhook deep in the JSON of a caller without bounds',
    'full',
    { json: { ...turbo, extra: [{ deeper: { webhook_url: EVIL } }] } },
    403,
    'webhook-url',
  ],
  [
    'a webhook in a form of a caller without bounds',
    'full',
    {
      parts: [
        ['prompt', 'a lighthouse'],
        ['style_reference_images', picture],
        ['webhook_url', EVIL],
      ],
    },
    403,
    'webhook-url',
  ],
  [
    'a webhook in the JSON inside a form',
    'full',
    {
      path: '/remix',
      parts: [
        ['image_request', JSON.stringify({ prompt: 'a', webhook_url: EVIL })],
        ['image_file', picture],
      ],
    },
    403,
    'webhook-url',
  ],
];

test.each(BEYOND)(
  '%s (%s) is refused, is on record, and nothing complete goes out',
  async (_what, caller, sent, status, reason) => {
    const before = (await gateway.received()).length;
    const response = await send(tokens[caller], sent);
    expect(response.status).toBe(status);
    const problem = await response.text();
    expect(JSON.parse(problem)).toMatchObject({ code: 'bound-exceeded', status });
    expect(problem).not.toContain('collector.invalid');
    const call = await gateway.call(response);
    expect(call).toMatchObject({ subject: caller, result: 'failure', problem: 'bound-exceeded', reason });
    expect(call.costUsdMicros ?? 0).toBe(0);
    expect(await wholeSince(before)).toBe(0);
  },
);

test('a refused field is named, with what was sent and what may be', async () => {
  const response = await send(tokens.writer, { json: { ...turbo, num_images: 2 } });
  expect(await response.json()).toMatchObject({
    field: 'num_images',
    value: '2',
    bound: expect.stringMatching(/1/),
    rule: expect.stringMatching(/^policy\.yaml:\d+$/),
  });
});

test('a token for staging is refused in production, though production trusts its issuer (A.9)', async () => {
  const response = await fetch(`${production.url}/models`, { headers: { 'api-key': tokens.reader } });
  expect(response.status).toBe(401);
  expect(await production.call(response)).toMatchObject({
    state: 'refused',
    problem: 'invalid-token',
    reason: 'token-audience-mismatch',
    subject: 'reader',
  });
  expect(await production.received()).toHaveLength(0);
});

const MANAGE = OPERATIONS.filter((operation) => operation.path.startsWith('/manage/api/'));

test.each(['reader', 'writer', 'full'] as const)(
  'no operation below /manage/api opens to the %s (A.22)',
  async (caller) => {
    const before = (await gateway.received()).length;
    expect(MANAGE.length).toBeGreaterThan(25);
    const answers = await Promise.all(
      MANAGE.map(async (operation) => {
        const path = operation.path.replaceAll(/\{[^}]*\}/g, 'x1');
        const response = await send(tokens[caller], { method: operation.method, path });
        return { operation, response, problem: (await response.json()) as { code: string } }; // as: a problem document
      }),
    );
    for (const { response, problem } of answers) {
      expect(response.status).toBe(403);
      expect(problem.code).toBe('operation-closed');
    }
    const last = answers.at(-1);
    if (last === undefined) throw new Error('no operation was tried');
    expect(await gateway.call(last.response)).toMatchObject({
      operation: last.operation.id,
      problem: 'operation-closed',
      subject: caller,
    });
    expect(await gateway.received()).toHaveLength(before);
  },
);

/** The failure contract, as far as the caller's own call decides it. */
const CONTRACT: readonly {
  readonly what: string;
  readonly caller: Caller | null;
  readonly sent: Sent;
  readonly status: number;
  readonly code: keyof typeof PROBLEMS;
  readonly reason: string;
  readonly headers?: Readonly<Record<string, RegExp>>;
}[] = [
  {
    what: 'no token',
    caller: null,
    sent: { path: '/models' },
    status: 401,
    code: 'authentication-required',
    reason: 'credential-missing',
    headers: { 'www-authenticate': /^Bearer realm="ideogate", resource_metadata="[^"]+"$/ },
  },
  {
    what: 'a scheme nobody offered',
    caller: null,
    sent: { path: '/models', headers: { authorization: 'Basic ZmFrZTpmYWtl' } },
    status: 401,
    code: 'authentication-required',
    reason: 'credential-scheme-unknown',
    headers: { 'www-authenticate': /^Bearer realm="ideogate", resource_metadata="[^"]+"$/ },
  },
  {
    what: 'a token that is none',
    caller: null,
    sent: { path: '/models', headers: { authorization: 'Bearer fake-token' } },
    status: 401,
    code: 'invalid-token',
    reason: 'token-not-compact',
    headers: { 'www-authenticate': /error="invalid_token"/ },
  },
  {
    what: 'both credentials',
    caller: 'reader',
    sent: { path: '/models', headers: { authorization: 'Bearer fake-token' } },
    status: 400,
    code: 'invalid-credential',
    reason: 'credential-in-two-fields',
    headers: { 'www-authenticate': /error="invalid_request"/ },
  },
  {
    what: 'a credential in the query',
    caller: 'reader',
    sent: { path: '/models?access_token=fake-token' },
    status: 400,
    code: 'invalid-credential',
    reason: 'credential-in-query',
    headers: { 'www-authenticate': /error="invalid_request"/ },
  },
  {
    what: 'a path Ideogram does not have',
    caller: 'full',
    sent: { path: '/v9/dream' },
    status: 404,
    code: 'unknown-operation',
    reason: 'unknown-path',
  },
  {
    what: 'a path Ideogram does not have, without a token',
    caller: null,
    sent: { path: '/v9/dream' },
    status: 401,
    code: 'authentication-required',
    reason: 'credential-missing',
  },
  {
    what: 'another method than the operation takes',
    caller: 'full',
    sent: { method: 'DELETE', path: '/models' },
    status: 405,
    code: 'method-not-allowed',
    reason: 'unknown-method',
    headers: { allow: /^GET$/ },
  },
  {
    what: 'HEAD on an operation that takes GET',
    caller: 'full',
    sent: { method: 'HEAD', path: '/models' },
    status: 405,
    code: 'method-not-allowed',
    reason: 'unknown-method',
    headers: { allow: /^GET$/ },
  },
  {
    what: 'OPTIONS',
    caller: 'full',
    sent: { method: 'OPTIONS', path: GENERATE },
    status: 405,
    code: 'method-not-allowed',
    reason: 'unknown-method',
    headers: { allow: /^POST$/ },
  },
  {
    what: 'an operation that is internal to Ideogram',
    caller: 'full',
    sent: { method: 'POST', path: '/internal/batch' },
    status: 403,
    code: 'operation-closed',
    reason: 'operation-closed',
  },
  {
    what: 'JSON that has two readings',
    caller: 'full',
    sent: { text: '{"prompt":"a","prompt":"b"}' },
    status: 400,
    code: 'invalid-body',
    reason: 'json-malformed',
  },
  {
    what: 'a content type the operation does not take',
    caller: 'full',
    sent: { json: turbo, headers: { 'content-type': 'application/xml' } },
    status: 415,
    code: 'unsupported-content-type',
    reason: 'content-type-not-taken',
  },
  {
    what: 'a compressed body',
    caller: 'full',
    sent: { json: turbo, headers: { 'content-encoding': 'gzip' } },
    status: 415,
    code: 'unsupported-content-type',
    reason: 'content-encoding',
  },
  {
    what: 'a length beyond the limit',
    caller: 'full',
    sent: { json: { ...turbo, prompt: 'x'.repeat(1_048_600) } },
    status: 413,
    code: 'body-too-large',
    reason: 'json-size',
  },
];

test.each(CONTRACT)('$what: $status $code, and one row says why (B.23, B.25, E.48)', async (line) => {
  const before = (await gateway.received()).length;
  const token = line.caller === null ? null : tokens[line.caller];
  const response = await send(token, line.sent);
  expect(response.status).toBe(line.status);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(response.headers.get('cache-control')).toBe('no-store');
  for (const [name, value] of Object.entries(line.headers ?? {}))
    expect(response.headers.get(name)).toMatch(value);
  const text = await response.text();
  if (line.sent.method !== 'HEAD') {
    const id = response.headers.get('ideogate-call-id');
    const sentence = (JSON.parse(text) as { detail: string }).detail; // as: RFC 9457 section 3.1
    expect(JSON.parse(text)).toMatchObject({
      type: `${gateway.url}/-/problems/${line.code}`,
      title: PROBLEMS[line.code].title,
      status: line.status,
      code: line.code,
      instance: `urn:uuid:${id}`,
      call_id: id,
      message: sentence,
      error: sentence,
    });
  }
  const call = await gateway.call(response);
  expect(call).toMatchObject({
    state: 'refused',
    problem: line.code,
    reason: line.reason,
    subject: line.caller === null || line.code === 'invalid-credential' ? null : line.caller,
  });
  expect(await wholeSince(before)).toBe(0);
});

test('an answer about a token says nothing about the token, nor which check failed (B.24)', async () => {
  const [header = '', payload = '', signature = ''] = tokens.reader.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>; // as: RFC 7519 section 3
  const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'marked-subject' })).toString('base64url');
  const none = Buffer.from('{"alg":"none","typ":"at+jwt","kid":"marked-kid"}').toString('base64url');
  const bad = [
    `${header}.${forged}.${signature}`,
    `${header}.${payload}.${'A'.repeat(86)}`,
    `${none}.${payload}.`,
    `${none}.${payload}.${signature}`,
  ];
  const answers = await Promise.all(
    bad.map(async (token) => {
      const response = await send(token, { path: '/models' });
      const { reason } = await gateway.call(response);
      const body = (await response.text()).replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'id');
      return { status: response.status, challenge: response.headers.get('www-authenticate'), body, reason };
    }),
  );
  const told = new Set(
    answers.map(({ status, challenge, body }) => JSON.stringify([status, challenge, body])),
  );
  expect(told.size).toBe(1);
  expect([...told].join()).not.toMatch(/marked|signature|algorithm|audience|expired/i);
  expect(new Set(answers.map(({ reason }) => reason)).size).toBeGreaterThan(2);
});

interface Told {
  readonly what: string;
  /** A whole field line. */
  readonly field: () => Promise<readonly [name: string, value: string]>;
  readonly detail: RegExp;
  readonly code?: string;
  readonly reason: string;
  /** What the row says of whom the token was made for; default: nothing. */
  readonly proven?: Readonly<Record<string, unknown>>;
}

/** Signed by a key of the test's own issuer, so that a test can get any claims signed. */
const genuine = (changes: Record<string, unknown>) => async () =>
  ['api-key', await ownIssuer.mint(ownKey, { ...goodNow(), ...changes })] as const;
const now = () => Math.floor(Date.now() / 1000);
const goodNow = () => ({
  aud: told.url,
  iat: now() - 10,
  exp: now() + 100,
  sub: 'full',
  client_id: 'full',
  jti: 'jti-7',
});
const ITS_OWNER = { subject: 'full', clientId: 'full', tokenId: 'jti-7' };
const RAW_KEY = 'fAkE9raw8ideogram7key6MARKED5zzz4yyy3xxx2www1';

const TOLD: readonly Told[] = [
  {
    what: 'a token without an audience: no more than that it is refused',
    field: async () => genuine({ aud: undefined })(),
    detail: /^The token was not accepted\.$/,
    reason: 'token-aud-missing',
  },
  {
    what: 'an expired token: when it expired',
    field: async () => genuine({ iat: now() - 700, exp: now() - 600 })(),
    detail: /^The token expired at 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\.$/,
    reason: 'token-expired',
    proven: ITS_OWNER,
  },
  {
    what: 'a token of tomorrow: from when on it is valid',
    field: async () => genuine({ nbf: now() + 600, exp: now() + 700 })(),
    detail: /^The token is valid from 20\S+Z on, which has not come by this gateway's clock\.$/,
    reason: 'token-not-yet-valid',
    proven: ITS_OWNER,
  },
  {
    what: 'a token for another gateway: for which, and which this is',
    field: async () => genuine({ aud: 'https://ideogate.production.test' })(),
    detail:
      /^The token is for https:\/\/ideogate\.production\.test; this gateway is http:\/\/127\.0\.0\.1:\d+\.$/,
    reason: 'token-audience-mismatch',
    proven: ITS_OWNER,
  },
  {
    what: 'a token for something that is no address: not what it is',
    field: async () => genuine({ aud: ['<b>marked</b>', 'https://a.test'] })(),
    detail: /^The token is for somebody else; this gateway is http:\S+\.$/,
    reason: 'token-audience-mismatch',
    proven: ITS_OWNER,
  },
  {
    what: 'an Ideogram key: that it is one, and not which',
    field: async () => ['api-key', RAW_KEY],
    detail: /looks like an Ideogram API key.*revoke it at Ideogram/,
    reason: 'credential-api-key',
  },
  {
    what: 'an Ideogram key as Bearer: that it is one, and not which',
    field: async () => ['authorization', `Bearer ${RAW_KEY}`],
    detail: /looks like an Ideogram API key/,
    reason: 'credential-api-key',
  },
  {
    what: "the gateway's own key: the same, and the record knows that it was ours",
    field: async () => ['api-key', FAKE_KEYS.write],
    detail: /looks like an Ideogram API key/,
    reason: 'credential-known-key',
  },
  {
    what: 'a word: that it is no token',
    field: async () => ['authorization', 'Bearer undefined'],
    detail: /^What was sent is no access token/,
    reason: 'token-not-compact',
  },
  {
    what: 'a placeholder: that it is no token',
    field: async () => ['authorization', 'Bearer <token>'],
    detail: /^What was sent is no access token/,
    reason: 'credential-malformed',
  },
  {
    what: 'nothing',
    field: async () => ['accept', '*/*'],
    detail: /^No token was sent\.$/,
    code: 'authentication-required',
    reason: 'credential-missing',
  },
  {
    what: 'another scheme',
    field: async () => ['authorization', 'Basic ZmFrZTpmYWtl'],
    detail: /another scheme than Bearer/,
    code: 'authentication-required',
    reason: 'credential-scheme-unknown',
  },
];

describe('who could know it, or forges nothing, is told what was wrong (B.24)', () => {
  test.each(TOLD)('$what', async ({ field, detail, code = 'invalid-token', reason, proven }) => {
    const [name, value] = await field();
    const response = await fetch(`${told.url}/models`, { headers: { [name]: value } });
    expect(response.status).toBe(401);
    const text = await response.text();
    const body = JSON.parse(text) as { code: string; detail: string }; // as: our own document
    expect(body.code).toBe(code);
    expect(body.detail).toMatch(detail);
    expect(text + JSON.stringify([...response.headers])).not.toMatch(/marked|fAkE9raw/i);
    const call = await told.call(response);
    expect(call).toMatchObject({ reason, subject: null, clientId: null, tokenId: null, ...proven });
    expect(JSON.stringify(call) + told.log.join()).not.toContain(RAW_KEY);
  });

  test('a forged one is told nothing, however much it says', async () => {
    const [, signed] = await genuine({ exp: now() - 600, iat: now() - 700 })();
    const other = `${signed.slice(0, signed.lastIndexOf('.'))}.${'A'.repeat(86)}`;
    const response = await fetch(`${told.url}/models`, { headers: { 'api-key': other } });
    expect(await response.json()).toMatchObject({ detail: 'The token was not accepted.' });
    expect(await told.call(response)).toMatchObject({ reason: 'token-signature-invalid', subject: null });
  });

  test('a token without a key id is taken where the issuer has one key that fits', async () => {
    const { kid: _none, ...rest } = header(ownKey);
    const token = await sign(ownKey, rest, goodClaims(ownIssuer.url, goodNow()));
    const response = await fetch(`${told.url}/models`, { headers: { 'api-key': token } });
    // The policy knows subjects of the issuer that it was made for: this one is authenticated, and no more.
    expect(await told.call(response)).toMatchObject({ reason: expect.not.stringMatching(/^token/) });
  });
});

test('no answer of ours tells of stacks, SQL, ports of others or libraries (B.25)', async () => {
  const responses = await Promise.all([
    send(null, { path: '/models' }),
    send('fake', { path: '/models' }),
    send(tokens.full, { path: '/v9/dream' }),
    send(tokens.full, { json: { webhook_url: EVIL } }),
    send(tokens.reader, { json: turbo }),
  ]);
  for (const response of responses) {
    const all = JSON.stringify([...response.headers]) + (await response.text());
    expect(all.replaceAll(gateway.url, '')).not.toMatch(
      /at \/|\.ts:|node:|node_modules|fastify|undici|jose|postgres|select |insert |127\.0\.0\.1|localhost/i,
    );
  }
});

test('a key set that cannot be reached gives 503 with Retry-After, never 401 (A.17)', async () => {
  const deaf = await startTestGateway({
    verifier: {
      issuers: [
        {
          issuer: gateway.issuerUrl,
          algorithms: ['ES256', 'EdDSA'],
          keys: { jwksUri: 'http://127.0.0.1:1/jwks' },
        },
      ],
    },
  });
  try {
    const response = await fetch(`${deaf.url}/models`, { headers: { 'api-key': tokens.reader } });
    expect(response.status).toBe(503);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await deaf.call(response)).toMatchObject({ problem: 'keys-unavailable', state: 'refused' });
    expect((await fetch(`${deaf.url}/-/ready`)).status).toBe(503);
  } finally {
    await deaf.close();
  }
});
