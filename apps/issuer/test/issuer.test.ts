import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTokenVerifier, DEFAULT_VERIFIER, type TokenVerifier } from '@ideogate/access-token';
import { SCOPE_NAMES, type ScopeName, type ScopePattern } from '@ideogate/contract';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type CallerGrant,
  createIssuer,
  type Issuer,
  type IssuerConfig,
  IssuerConfigError,
  type IssuerKeys,
  loadOrCreateIssuerKeys,
} from '../src/index.ts';

const AUDIENCE = 'http://127.0.0.1:8787';
const READS = SCOPE_NAMES.filter((scope) => scope.startsWith('read:'));
const LIMITED: readonly ScopeName[] = ['write:edit', 'write:generate', 'write:remix'];
const secretOf = (id: string) => `fake-secret-of-${id}`.padEnd(43, '0');

const grants: Record<string, CallerGrant> = {
  reader: { scopes: new Set(READS), patterns: ['read:*'] },
  writer: { scopes: new Set([...READS, ...LIMITED]), patterns: ['read:*', 'write:limited'] },
  // Full write:generate, and read:* under a ceiling that leaves two of them.
  renderer: {
    scopes: new Set(['write:generate', 'read:models', 'read:quote']),
    patterns: ['write:generate', 'read:*'],
  },
  listed: { scopes: new Set(['read:models', 'write:generate']), patterns: ['read:models', 'write:generate'] },
  nobody: { scopes: new Set(), patterns: [] },
};

const expand = (pattern: ScopePattern): readonly ScopeName[] => {
  if (pattern === 'read:*') return READS;
  return pattern === 'write:limited' ? LIMITED : [pattern];
};

let folder: string;
let keys: IssuerKeys;
let url: string;
let issuer: Issuer;
let verifier: TokenVerifier;
const errors: Error[] = [];
const spoken: unknown[][] = [];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // as: it listens on TCP
  server.close();
  await once(server, 'close');
  return port;
}

async function configOn(port: number): Promise<IssuerConfig> {
  const clients = Object.keys(grants).map((id) => ({ client_id: id, client_secret: secretOf(id) }));
  return { issuer: `http://127.0.0.1:${port}`, host: '127.0.0.1', port, keys, clients, audience: AUDIENCE };
}

const deps = {
  grantOf: (clientId: string) => {
    const grant = grants[clientId];
    if (grant === undefined) throw new Error('the policy is broken');
    return grant;
  },
  expand,
  onError: (error: Error) => {
    errors.push(error);
  },
};

beforeAll(async () => {
  for (const method of ['log', 'info', 'warn', 'error'] as const) {
    vi.spyOn(console, method).mockImplementation((...words: unknown[]) => {
      spoken.push(words);
    });
  }
  folder = await mkdtemp(join(tmpdir(), 'issuer-'));
  keys = await loadOrCreateIssuerKeys(join(folder, 'keys.json'));
  const config = await configOn(await freePort());
  url = config.issuer;
  issuer = await createIssuer(config, deps);
  await issuer.listen();
  verifier = createTokenVerifier(
    {
      ...DEFAULT_VERIFIER,
      audience: AUDIENCE,
      issuers: [{ issuer: url, algorithms: ['ES256'], keys: { discovery: true } }],
    },
    { now: () => Date.now() },
  );
});

afterAll(async () => {
  verifier.close();
  await issuer.close();
  await rm(folder, { recursive: true });
  vi.restoreAllMocks();
});

interface Answer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

async function ask(
  parameters: Record<string, string> | string[][],
  id = 'writer',
  secret = secretOf(id),
  from = url,
): Promise<Answer> {
  const answer = await fetch(`${from}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
    body: new URLSearchParams(parameters),
  });
  const body = (await answer.json()) as Record<string, unknown>; // as: the test looks at what it holds
  return { status: answer.status, headers: answer.headers, body };
}

const GRANT = { grant_type: 'client_credentials' };
const tokenOf = (answer: Answer) => String(answer.body['access_token']);

describe('a token', () => {
  it('is accepted by a gateway that finds the keys through discovery, and says who it is for', async () => {
    const answer = await ask({ ...GRANT, scope: 'read:models write:generate' });
    expect(answer).toMatchObject({
      status: 200,
      body: { token_type: 'Bearer', expires_in: 300, scope: 'read:models write:generate' },
    });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const verified = await verifier.verify(tokenOf(answer));
    expect(verified).toMatchObject({
      ok: true,
      issuer: url,
      subject: 'writer',
      clientId: 'writer',
      scopes: new Set(['read:models', 'write:generate']),
      claims: { audience: [AUDIENCE], algorithm: 'ES256', keyId: keys.jwks[0].kid },
    });
  });

  it('lives five minutes', async () => {
    const verified = await verifier.verify(tokenOf(await ask(GRANT)));
    expect(verified.ok && verified.expiresAt - verified.claims.issuedAt).toBe(300);
    expect(verified.ok && Math.abs(verified.claims.issuedAt - Date.now() / 1000)).toBeLessThan(5);
  });

  it('has an id of its own each time', async () => {
    const [first, second] = await Promise.all([ask(GRANT), ask(GRANT)]);
    const ids = await Promise.all([first, second].map(async (answer) => verifier.verify(tokenOf(answer))));
    expect(new Set(ids.map((verified) => verified.ok && verified.tokenId)).size).toBe(2);
  });

  it('can also be signed with EdDSA, where the key is of that kind', async () => {
    const { generateKeyPairSync } = await import('node:crypto');
    const {
      kty = '',
      crv = '',
      x = '',
      d = '',
    } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
    const config = await configOn(await freePort());
    const other = await createIssuer(
      { ...config, keys: { jwks: [{ kty, crv, x, d, kid: 'ed', alg: 'EdDSA', use: 'sig' }] } },
      deps,
    );
    await other.listen();
    const issuers = [
      { issuer: config.issuer, algorithms: ['EdDSA'] as const, keys: { discovery: true as const } },
    ];
    const check = createTokenVerifier(
      { ...DEFAULT_VERIFIER, audience: AUDIENCE, issuers },
      { now: () => Date.now() },
    );
    const token = tokenOf(await ask(GRANT, 'reader', secretOf('reader'), config.issuer));
    expect(await check.verify(token)).toMatchObject({ ok: true, claims: { algorithm: 'EdDSA' } });
    check.close();
    await other.close();
  });
});

describe('scopes', () => {
  const given: [name: string, client: string, scope: string | undefined, scopes: readonly string[]][] = [
    ['trap 30: none asked is the whole grant', 'writer', undefined, [...READS, ...LIMITED]],
    ['plain scopes within the grant', 'reader', 'read:quote read:models', ['read:models', 'read:quote']],
    ['a scope asked twice counts once', 'reader', 'read:models read:models', ['read:models']],
    ['read:* is every read scope', 'writer', 'read:*', READS],
    ['write:limited is the writes with limited operations', 'writer', 'write:limited', LIMITED],
    [
      'both wildcards and a scope inside them',
      'writer',
      'read:* write:limited write:edit',
      [...READS, ...LIMITED],
    ],
    [
      'a granted wildcard gives what the ceiling leaves of it',
      'renderer',
      'read:*',
      ['read:models', 'read:quote'],
    ],
  ];
  it.each(given)('%s', async (_, client, scope, scopes) => {
    const answer = await ask(scope === undefined ? GRANT : { ...GRANT, scope }, client);
    expect(answer.status).toBe(200);
    expect(answer.body['scope']).toBe([...scopes].sort().join(' '));
    const verified = await verifier.verify(tokenOf(answer));
    expect(verified).toMatchObject({ ok: true, scopes: new Set(scopes), scopeText: answer.body['scope'] });
  });

  const refused: [name: string, client: string, scope: string, named: string][] = [
    ['trap 30: a scope outside the grant', 'reader', 'write:generate', 'write:generate'],
    [
      'some inside, some outside: the outside ones are named',
      'reader',
      'read:models write:generate write:train',
      'write:generate write:train',
    ],
    ['a wildcard that reaches past the grant', 'reader', 'write:limited', 'write:limited'],
    ['a wildcard that the grant only partly covers', 'listed', 'read:*', 'read:*'],
    ['write:limited, where one scope of it is granted in full', 'renderer', 'write:limited', 'write:limited'],
    ['an unknown scope', 'writer', 'read:everything', 'read:everything'],
    ['another wildcard', 'writer', 'write:*', 'write:*'],
    ['other letter case', 'writer', 'READ:MODELS', 'READ:MODELS'],
    ['openid', 'writer', 'openid', 'openid'],
    ['a name of object members', 'writer', '__proto__', '__proto__'],
  ];
  it.each(refused)('%s is invalid_scope', async (_, client, scope, named) => {
    const answer = await ask({ ...GRANT, scope }, client);
    expect(answer).toMatchObject({
      status: 400,
      body: {
        error: 'invalid_scope',
        scope: named,
        error_description: expect.stringContaining(`: ${named}`),
      },
    });
    expect(answer.body).not.toHaveProperty('access_token');
  });

  it.each(['read:models  read:quote', ' read:models', 'read:models\tread:quote', 'read:"models"'])(
    'the malformed list %j is invalid_scope',
    async (scope) => {
      expect(await ask({ ...GRANT, scope })).toMatchObject({ status: 400, body: { error: 'invalid_scope' } });
    },
  );

  it('a client with no grant gets no token', async () => {
    expect(await ask(GRANT, 'nobody')).toMatchObject({ status: 400, body: { error: 'invalid_scope' } });
  });

  it('a scope sent empty is as good as none, and never more than the grant', async () => {
    const answer = await ask({ ...GRANT, scope: '' }, 'listed');
    expect(answer.body['scope']).toBe('read:models write:generate');
  });
});

describe('resource', () => {
  it('this gateway may be named', async () => {
    expect(await ask({ ...GRANT, resource: AUDIENCE })).toMatchObject({ status: 200 });
  });

  it.each(['https://staging.test', `${AUDIENCE}/`, 'http://127.0.0.1:8788', 'gateway', `${AUDIENCE}#x`])(
    'trap 30: %s is invalid_target',
    async (resource) => {
      expect(await ask({ ...GRANT, resource })).toMatchObject({
        status: 400,
        body: { error: 'invalid_target' },
      });
      const both = [...Object.entries(GRANT), ['resource', AUDIENCE], ['resource', resource]];
      expect(await ask(both)).toMatchObject({ status: 400, body: { error: 'invalid_target' } });
    },
  );

  it('sent empty, it is this gateway', async () => {
    const answer = await ask({ ...GRANT, resource: '' });
    expect(await verifier.verify(tokenOf(answer))).toMatchObject({ ok: true });
  });
});

describe('client authentication', () => {
  it.each([
    ['a bad secret', 'writer', secretOf('reader')],
    ['an unknown client', 'stranger', secretOf('stranger')],
    ['a name of object members', '__proto__', secretOf('x')],
  ])('%s is invalid_client, and nothing tells which', async (_, id, secret) => {
    const answer = await ask(GRANT, id, secret);
    expect(answer).toMatchObject({
      status: 401,
      body: { error: 'invalid_client', error_description: 'client authentication failed' },
    });
    expect(answer.headers.get('www-authenticate')).toMatch(/^Basic /);
    expect(JSON.stringify(answer.body)).not.toContain(secret);
  });

  it('a secret in the body is not taken', async () => {
    const body = new URLSearchParams({ ...GRANT, client_id: 'writer', client_secret: secretOf('writer') });
    const answer = await fetch(`${url}/token`, { method: 'POST', body });
    expect([400, 401]).toContain(answer.status);
    expect(await answer.json()).not.toHaveProperty('access_token');
  });

  it('no credentials get no token', async () => {
    const answer = await fetch(`${url}/token`, {
      method: 'POST',
      body: new URLSearchParams({ ...GRANT, client_id: 'writer' }),
    });
    expect([400, 401]).toContain(answer.status);
    expect(await answer.json()).not.toHaveProperty('access_token');
  });

  it('trap 18: two Authorization fields are refused, whichever is right', async () => {
    const right = `Basic ${Buffer.from(`writer:${secretOf('writer')}`).toString('base64')}`;
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const headers = [
      'Content-Type',
      'application/x-www-form-urlencoded',
      'Authorization',
      right,
      'Authorization',
      'Basic eDp5',
      'Host',
      '127.0.0.1',
    ];
    const call = httpRequest(`${url}/token`, { method: 'POST', headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    call.end('grant_type=client_credentials');
    expect(await promise).toBe(400);
  });
});

describe('what is reachable', () => {
  it.each([
    'authorization_code',
    'implicit',
    'password',
    'refresh_token',
    'urn:ietf:params:oauth:grant-type:device_code',
  ])('grant type %s is refused', async (grant_type) => {
    expect(await ask({ grant_type })).toMatchObject({
      status: 400,
      body: { error: 'unsupported_grant_type' },
    });
  });

  it.each([
    '/auth',
    '/me',
    '/reg',
    '/token/introspection',
    '/token/revocation',
    '/session/end',
    '/session/end/confirm',
    '/device',
    '/request',
    '/interaction/x',
    '/',
    '/token/',
    '//token',
  ])('%s is not there', async (path) => {
    for (const method of ['GET', 'POST']) {
      expect((await fetch(`${url}${path}`, { method })).status).toBe(404);
    }
  });

  it('other methods get 405 and the ones allowed', async () => {
    const answer = await fetch(`${url}/token`);
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
    const jwks = await fetch(`${url}/jwks`, { method: 'DELETE' });
    expect([jwks.status, jwks.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('the health page answers', async () => {
    const answer = await fetch(`${url}/-/health`);
    expect([answer.status, await answer.json()]).toEqual([200, { status: 'ok' }]);
  });

  it('both discovery documents name the issuer’s own address, whatever Host says', async () => {
    for (const name of ['oauth-authorization-server', 'openid-configuration']) {
      const { promise, resolve } = Promise.withResolvers<string>();
      httpRequest(
        `${url}/.well-known/${name}`,
        { headers: { host: 'evil.test' }, agent: false },
        (response) => {
          void response.toArray().then((chunks) => resolve(Buffer.concat(chunks).toString()));
        },
      ).end();
      expect(JSON.parse(await promise)).toMatchObject({
        issuer: url,
        jwks_uri: `${url}/jwks`,
        token_endpoint: `${url}/token`,
        grant_types_supported: ['client_credentials'],
        token_endpoint_auth_methods_supported: ['client_secret_basic'],
      });
    }
  });

  it('the key set holds nothing private', async () => {
    const text = await (await fetch(`${url}/jwks`)).text();
    expect(Object.keys(JSON.parse(text).keys[0])).toEqual(['kty', 'crv', 'x', 'y', 'kid', 'alg', 'use']);
    expect(text).not.toContain(keys.jwks[0].d);
  });

  it.each([
    ['a body that is no form', 'application/json', '{"grant_type":"client_credentials"}'],
    [
      'a parameter sent twice',
      'application/x-www-form-urlencoded',
      'grant_type=client_credentials&grant_type=client_credentials',
    ],
    [
      'scope sent twice',
      'application/x-www-form-urlencoded',
      'grant_type=client_credentials&scope=read:models&scope=read:quote',
    ],
    [
      'a body that is too large',
      'application/x-www-form-urlencoded',
      `grant_type=client_credentials&x=${'x'.repeat(60_000)}`,
    ],
    ['no body', 'application/x-www-form-urlencoded', ''],
  ])('%s is invalid_request', async (_, type, body) => {
    const authorization = `Basic ${Buffer.from(`writer:${secretOf('writer')}`).toString('base64')}`;
    const answer = await fetch(`${url}/token`, {
      method: 'POST',
      headers: { authorization, 'content-type': type },
      body,
    });
    expect([answer.status, await answer.json()]).toEqual([
      400,
      expect.objectContaining({ error: 'invalid_request' }),
    ]);
  });

  it('errors are JSON also for a browser', async () => {
    const answer = await fetch(`${url}/token`, { method: 'POST', headers: { accept: 'text/html' } });
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
  });
});

describe('its own faults', () => {
  afterEach(() => {
    errors.length = 0;
  });

  it('a policy that fails is a 500 that tells nothing, and is reported', async () => {
    const config = await configOn(await freePort());
    const broken = await createIssuer(config, { ...deps, grantOf: () => deps.grantOf('not there') });
    await broken.listen();
    const answer = await ask(GRANT, 'reader', secretOf('reader'), config.issuer);
    expect([answer.status, answer.body['error']]).toEqual([500, 'server_error']);
    expect(JSON.stringify(answer.body)).not.toContain('policy');
    expect(errors.map(({ message }) => message)).toEqual(['the policy is broken']);
    await broken.close();
  });

  it('a port in use is an error, not a crash', async () => {
    const second = await createIssuer(await configOn(Number(new URL(url).port)), deps);
    await expect(second.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await second.close();
  });

  it('all faults of a configuration are told at once', async () => {
    const config = await configOn(1);
    const clients = [{ client_id: 'a:b', client_secret: 'short' }, ...config.clients, ...config.clients];
    const made = createIssuer({ ...config, issuer: `${config.issuer}/`, audience: 'gateway', clients }, deps);
    const fault = await made.catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(IssuerConfigError);
    for (const word of [
      'is not an origin',
      'audience: gateway',
      '"a:b"',
      'secret must be',
      'client reader: is listed twice',
    ]) {
      expect(String(fault)).toContain(word);
    }
    expect(String(fault)).not.toContain('short');
  });
});

it('close ends within a second, with connections kept open and a request half sent', async () => {
  const config = await configOn(await freePort());
  const closing = await createIssuer(config, deps);
  await closing.listen();
  const agent = new Agent({ keepAlive: true });
  const idle = httpRequest(`${config.issuer}/-/health`, { agent });
  idle.end();
  const [response] = (await once(idle, 'response')) as [NodeJS.ReadableStream]; // as: the event's one argument
  response.resume();
  await once(response, 'end');
  const half = httpRequest(`${config.issuer}/token`, {
    method: 'POST',
    agent: false,
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': 50,
      expect: '100-continue',
    },
  });
  half.on('error', () => undefined);
  half.flushHeaders();
  await once(half, 'continue'); // the issuer has it, and waits for the rest
  const began = performance.now();
  await closing.close();
  expect(performance.now() - began).toBeLessThan(1000);
  agent.destroy();
  half.destroy();
});

it('nothing is printed', () => {
  expect(spoken).toEqual([]);
});
