import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, createTokenVerifier, type TokenVerifier, type VerifierConfig } from '../src/index.ts';
import { configFor, type FakeIssuer, startIssuer, verifierFor } from './fake-issuer.ts';
import { goodClaims, header, makeClock, makeKey, sign, type SigningKey, START } from './signed-tokens.ts';

let key: SigningKey;
let next: SigningKey;
let issuer: FakeIssuer;
let clock: ReturnType<typeof makeClock>;
const open: TokenVerifier[] = [];

beforeAll(async () => {
  [key, next] = await Promise.all([makeKey('k1'), makeKey('k2')]);
});

beforeEach(async () => {
  clock = makeClock();
  issuer = await startIssuer([key]);
});

afterEach(async () => {
  for (const verifier of open.splice(0)) verifier.close();
  await issuer.close();
});

function start(
  changes?: Partial<VerifierConfig>,
  algorithms?: VerifierConfig['issuers'][number]['algorithms'],
) {
  const verifier = verifierFor(issuer.url, clock, changes, algorithms);
  open.push(verifier);
  return verifier;
}

/** A token that is good whenever the clock says `now`. */
const tokenNow = (signer: SigningKey, changes: Record<string, unknown> = {}) => {
  const now = clock.now() / 1000;
  return issuer.mint(signer, { iat: now, exp: now + 900, ...changes });
};

const down = () => {
  issuer.answer = (_, response) => {
    response.writeHead(503).end();
    return true;
  };
};
const up = () => {
  issuer.answer = undefined;
};
const serve = (...keys: SigningKey[]) => {
  issuer.jwks = { keys: keys.map(({ publicJwk }) => publicJwk) };
};

describe('fetching', () => {
  it('trap 17: with the endpoint down, twenty junk tokens make one fetch a cool-down (A.16)', async () => {
    down();
    const verifier = start();
    const junk = await Promise.all(
      [...Array(20).keys()].map((n) => sign(next, header(next, { kid: `junk${n}` }), goodClaims(issuer.url))),
    );
    for (const token of junk) {
      expect(await verifier.verify(token)).toMatchObject({
        kind: 'unavailable',
        reason: 'key-set-unavailable',
      });
    }
    expect(issuer.fetches()).toBe(1);
    clock.forward(10);
    await Promise.all(junk.map(async (token) => verifier.verify(token)));
    expect(issuer.fetches()).toBe(2);
  });

  it('an unknown key id is invalid only when a fetch begun after the call lacks it (A.16)', async () => {
    const verifier = start();
    await verifier.warm();
    const unknown = await tokenNow(next);
    // The fetch of `warm` began before this call: nobody can say yet that the key doesn't exist.
    expect(await verifier.verify(unknown)).toEqual({
      ok: false,
      kind: 'unavailable',
      reason: 'key-set-unavailable',
      retryAfterSeconds: 10,
    });
    clock.forward(10);
    expect(await verifier.verify(unknown)).toEqual({
      ok: false,
      kind: 'invalid',
      reason: 'token-key-unknown',
    });
    clock.forward(4);
    expect(await verifier.verify(unknown)).toMatchObject({ kind: 'unavailable', retryAfterSeconds: 6 });
    expect(issuer.fetches()).toBe(2);
  });

  it('a new key works as soon as the cool-down lets it be fetched, without a restart (A.17)', async () => {
    const verifier = start();
    await verifier.warm();
    serve(key, next);
    clock.forward(10);
    expect(await verifier.verify(await tokenNow(next))).toMatchObject({ ok: true });
    expect(await verifier.verify(await tokenNow(key))).toMatchObject({ ok: true });
  });

  it('concurrent first calls share one fetch (A.16)', async () => {
    const verifier = start();
    const tokens = await Promise.all([...Array(30).keys()].map((n) => tokenNow(key, { jti: `t${n}` })));
    const verdicts = await Promise.all(tokens.map(async (token) => verifier.verify(token)));
    expect(verdicts.filter(({ ok }) => !ok)).toEqual([]);
    expect(issuer.fetches()).toBe(1);
  });

  it('a call that comes while a fetch runs is not told "invalid" by that fetch', async () => {
    const held = Promise.withResolvers<void>();
    issuer.answer = (_, response) => {
      void held.promise.then(() => response.end(JSON.stringify({ keys: [key.publicJwk] })));
      return true;
    };
    const verifier = start();
    const warming = verifier.warm();
    const late = verifier.verify(await tokenNow(next));
    held.resolve();
    await warming;
    expect(await late).toMatchObject({ kind: 'unavailable' });
  });

  it('trap 17: with the endpoint down known keys go on working for the stated time, then 503 (A.17)', async () => {
    const verifier = start();
    await verifier.warm();
    const cached = await tokenNow(key, { jti: 'cached' });
    await verifier.verify(cached);
    down();
    for (const seconds of [400, 3000]) {
      clock.forward(seconds);
      await verifier.ready();
      expect(await verifier.verify(await tokenNow(key))).toMatchObject({ ok: true });
    }
    const last = await tokenNow(key);
    expect(await verifier.verify(last)).toMatchObject({ ok: true });
    clock.forward(200);
    // A token from the cache is no better than another: its key may be long withdrawn.
    expect(await verifier.verify(last)).toMatchObject({ kind: 'unavailable', reason: 'key-set-unavailable' });
    expect(await verifier.ready()).toEqual([
      { issuer: issuer.url, ok: false, detail: 'the key set was answered with 503' },
    ]);
    up();
    clock.forward(10);
    expect(await verifier.verify(last)).toMatchObject({ ok: true });
  });

  it('a withdrawn key is refused within the fresh time, also for a token in the cache (A.17)', async () => {
    const verifier = start();
    await verifier.warm();
    const token = await tokenNow(key);
    expect(await verifier.verify(token)).toMatchObject({ ok: true });
    serve(next);
    clock.forward(300);
    expect(await verifier.verify(token)).toMatchObject({ ok: false, reason: 'token-key-unknown' });
  });

  it('a key replaced under its old id is refused too (A.17)', async () => {
    const verifier = start();
    await verifier.warm();
    const token = await tokenNow(key);
    expect(await verifier.verify(token)).toMatchObject({ ok: true });
    serve(await makeKey('k1'));
    clock.forward(300);
    expect(await verifier.verify(token)).toMatchObject({ ok: false, reason: 'token-signature-invalid' });
  });

  it('renewing keeps nobody waiting who brings a known key', async () => {
    const verifier = start();
    await verifier.warm();
    const token = await tokenNow(key);
    await verifier.verify(token);
    issuer.answer = () => true; // never answers
    clock.forward(150);
    expect(verifier.verify(token)).toMatchObject({ ok: true }); // no promise: at once
    await expect.poll(() => issuer.fetches()).toBe(2);
    expect(verifier.verify(token)).toMatchObject({ ok: true });
  });

  it('a quiet gateway renews its keys by itself', async () => {
    const verifier = start({ keySetFreshSeconds: 1, keySetCooldownSeconds: 1 });
    await verifier.warm();
    clock.forward(1);
    await expect.poll(() => issuer.fetches(), { timeout: 3000 }).toBe(2);
  });

  it('a clock that goes back neither stops nor blinds the verifier', async () => {
    const verifier = start();
    await verifier.warm();
    clock.forward(-100_000);
    expect(await verifier.verify(await tokenNow(key))).toMatchObject({ ok: true });
    await expect.poll(() => issuer.fetches()).toBe(2);
  });

  it('after close nothing is fetched, and known keys still verify calls in flight', async () => {
    const verifier = start();
    await verifier.warm();
    verifier.close();
    clock.forward(200);
    expect(await verifier.verify(await tokenNow(key))).toMatchObject({ ok: true });
    expect(await verifier.verify(await tokenNow(next))).toMatchObject({ kind: 'unavailable' });
    expect(issuer.fetches()).toBe(1);
  });

  const answers: [name: string, answer: NonNullable<FakeIssuer['answer']>, detail: RegExp][] = [
    [
      'a redirect',
      (_, r) => Boolean(r.writeHead(302, { location: '/elsewhere' }).end()),
      /^the key set was answered with 302$/,
    ],
    ['more bytes than allowed', (_, r) => Boolean(r.end('x'.repeat(70_000))), /^more than 65536 bytes/],
    [
      'an answer that never ends',
      (_, r) => r.writeHead(200).write('{') || true,
      /^the answer took too long$/,
    ],
    ['no answer', () => true, /^the answer took too long$/],
    [
      'a cut answer',
      (_, r) => r.writeHead(200, { 'content-length': 99 }).write('{', () => r.destroy()) || true,
      /^it could not be reached|^the answer was cut short/,
    ],
    ['garbage', (_, r) => Boolean(r.end('<html>')), /^it is not JSON with one meaning$/],
    [
      'repeated members',
      (_, r) => Boolean(r.end('{"keys":[],"keys":[]}')),
      /^it is not JSON with one meaning$/,
    ],
    ['no list', (_, r) => Boolean(r.end('{"keys":{}}')), /^it is not a JWK Set/],
  ];
  it.each(answers)('%s is a failed fetch: the old keys stay (A.18)', async (_, answer, detail) => {
    const verifier = start({ fetchTimeoutMs: 150, maxKeySetBytes: 65_536 });
    await verifier.warm();
    issuer.answer = answer;
    clock.forward(301);
    expect(await verifier.verify(await tokenNow(key))).toMatchObject({ ok: true });
    expect(await verifier.ready()).toEqual([
      { issuer: issuer.url, ok: true, detail: expect.stringMatching(detail) },
    ]);
    expect(issuer.asked).not.toContain('/elsewhere');
  });
});

describe('what a key set may hold', () => {
  const ec = () => key.publicJwk;
  const b64 = (hex: string) => Buffer.from(hex, 'hex').toString('base64url');
  const rsa = (changes: JWK = {}): JWK => ({
    kty: 'RSA',
    kid: 'r1',
    alg: 'RS256',
    n: b64(`c${'5'.repeat(511)}`),
    e: 'AQAB',
    ...changes,
  });

  const refused: [name: string, keys: () => unknown[], fault: RegExp][] = [
    [
      'a shared secret beside a public key (A.2)',
      () => [ec(), { kty: 'oct', kid: 's', k: 'ZmFrZQ', alg: 'HS256' }],
      /"s" is a shared secret/,
    ],
    ['a shared secret alone (A.2)', () => [{ kty: 'oct', kid: 's', k: 'ZmFrZQ' }], /"s" is a shared secret/],
    ['private parts', () => [{ ...ec(), d: 'ZmFrZQ' }], /"k1" has private parts/],
    [
      'private parts in a key for encryption',
      () => [ec(), { kty: 'EC', kid: 'e', use: 'enc', d: 'ZmFrZQ' }],
      /"e" has private parts/,
    ],
    ['one id twice (A.18)', () => [ec(), { ...next.publicJwk, kid: 'k1' }], /"k1" is there twice/],
    [
      'one id twice, once for encryption (A.18)',
      () => [ec(), { ...next.publicJwk, kid: 'k1', use: 'enc' }],
      /"k1" is there twice/,
    ],
    ['a key without id', () => [{ ...ec(), kid: undefined }], /key 1 has no key id/],
    ['a key whose id is no text', () => [{ ...ec(), kid: 7 }], /key 1 has no key id/],
    [
      'trap 16: an RSA key of 1024 bits (A.15)',
      () => [rsa({ n: b64(`c${'5'.repeat(255)}`) })],
      /"r1" is an RSA key of 1024 bits; at least 2048/,
    ],
    [
      'an RSA key padded with zeros to 2048 bits (A.15)',
      () => [rsa({ n: b64(`${'0'.repeat(256)}c${'5'.repeat(255)}`) })],
      /of 1024 bits/,
    ],
    [
      'an RSA key of 16384 bits',
      () => [rsa({ n: b64(`c${'5'.repeat(4095)}`) })],
      /of 16384 bits; at most 8192/,
    ],
    ['trap 16: RSA exponent 1 (A.15)', () => [rsa({ e: 'AQ' })], /"r1" is an RSA key with an exponent/],
    ['an even RSA exponent', () => [rsa({ e: 'Ag' })], /"r1" is an RSA key with an exponent/],
    [
      'an RSA key that fits two algorithms and states none (A.2)',
      () => [rsa({ alg: undefined as never })],
      /does not state its algorithm/,
    ],
    [
      'one key under two algorithms (A.2)',
      () => [rsa(), rsa({ kid: 'r2', alg: 'PS256' })],
      /"r2" is the same key as another one/,
    ],
    [
      'an algorithm that is not the curve’s',
      () => [{ ...ec(), alg: 'RS256' }],
      /"k1" says RS256, but its curve is another/,
    ],
    [
      'an EC key that says it is for RSA',
      () => [rsa({ alg: 'ES256' })],
      /"r1" says ES256, but is an RSA key/,
    ],
    ['a point that is not on the curve', () => [{ ...ec(), y: ec().x }], /"k1" can't be used/],
    ['a number in padded base64', () => [{ ...ec(), x: `${ec().x}=` }], /"k1" lacks one of its numbers/],
    ['no key at all', () => [], /no key in it verifies/],
    ['only a key for encryption (A.18)', () => [{ ...ec(), use: 'enc' }], /no key in it verifies/],
    [
      'only a key for signing (A.18)',
      () => [{ ...ec(), use: undefined, key_ops: ['sign'] }],
      /no key in it verifies/,
    ],
    ['more than a hundred keys', () => Array.from({ length: 101 }, () => ec()), /more than 100 keys/],
  ];
  it.each(refused)('%s is refused with a clear start-up error, and old keys stay', async (_, keys, fault) => {
    issuer.jwks = { keys: keys() };
    const fresh = start({}, ['ES256', 'RS256', 'PS256']);
    await expect(fresh.warm()).rejects.toThrow(fault);
    await expect(fresh.warm()).rejects.toThrow(ConfigError);
    expect(await fresh.verify(await tokenNow(key))).toMatchObject({ kind: 'unavailable' });

    serve(key);
    const running = start({}, ['ES256', 'RS256', 'PS256']);
    await running.warm();
    issuer.jwks = { keys: keys() };
    clock.forward(301);
    expect(await running.verify(await tokenNow(key))).toMatchObject({ ok: true });
  });

  it('keys for other purposes beside a good one are passed over, and verify nothing (A.18)', async () => {
    issuer.jwks = {
      keys: [
        key.publicJwk,
        { ...next.publicJwk, use: 'enc' },
        { ...(await makeKey('k3')).publicJwk, use: undefined, key_ops: ['sign'] },
        { kty: 'AKP', kid: 'k4', alg: 'ML-DSA-44', pub: 'AAAA' },
        { kty: 'EC', kid: 'k5', crv: 'secp256k1', x: 'AAAA', y: 'AAAA' },
        { ...(await makeKey('k6', 'ES384')).publicJwk },
      ],
    };
    const verifier = start();
    await verifier.warm();
    expect(await verifier.verify(await tokenNow(key))).toMatchObject({ ok: true });
    clock.forward(10);
    expect(await verifier.verify(await tokenNow(next))).toMatchObject({ reason: 'token-key-unknown' });
    expect(await verifier.ready()).toEqual([{ issuer: issuer.url, ok: true, detail: '1 keys' }]);
  });

  it.each(['ES256', 'ES384', 'EdDSA', 'PS256', 'RS256'] as const)(
    'a token signed with %s by a listed key is accepted',
    async (alg) => {
      const signer = await makeKey('any', alg);
      serve(signer);
      expect(await start({}, [alg]).verify(await tokenNow(signer))).toMatchObject({
        ok: true,
        claims: { algorithm: alg },
      });
    },
  );

  it('an RSA key without alg serves the one RSA algorithm its issuer is trusted with, and no other (A.2)', async () => {
    const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
    const signer: SigningKey = {
      kid: 'r',
      alg: 'RS256',
      privateKey,
      publicJwk: { ...(await exportJWK(publicKey)), kid: 'r' },
    };
    serve(signer);
    expect(await start({}, ['RS256', 'ES256']).verify(await tokenNow(signer))).toMatchObject({ ok: true });
    const other = await sign(signer, header(signer, { alg: 'ES256' }), goodClaims(issuer.url));
    expect(await start({}, ['RS256', 'ES256']).verify(other)).toMatchObject({
      reason: 'token-key-algorithm-mismatch',
    });
  });
});

describe('several issuers (A.8)', () => {
  it('an issuer’s key verifies that issuer’s tokens only, although both have one key id', async () => {
    const otherKey = await makeKey('k1');
    const other = await startIssuer([otherKey]);
    const config = configFor(issuer.url);
    const verifier = createTokenVerifier(
      { ...config, issuers: [...config.issuers, ...configFor(other.url).issuers] },
      clock,
    );
    open.push(verifier);
    expect(await verifier.verify(await other.mint(otherKey))).toMatchObject({ ok: true, issuer: other.url });
    expect(await verifier.verify(await issuer.mint(otherKey))).toMatchObject({
      reason: 'token-signature-invalid',
    });
    await other.close();
    expect(await verifier.verify(await issuer.mint(key))).toMatchObject({ ok: true, issuer: issuer.url });
  });
});

describe('discovery', () => {
  const discovering = () => {
    const config = configFor(issuer.url, { fetchTimeoutMs: 500 });
    const verifier = createTokenVerifier(
      { ...config, issuers: [{ issuer: issuer.url, algorithms: ['ES256'], keys: { discovery: true } }] },
      clock,
    );
    open.push(verifier);
    return verifier;
  };

  it('keys are found through openid-configuration', async () => {
    expect(await discovering().verify(await issuer.mint(key))).toMatchObject({ ok: true });
    expect(issuer.asked).toEqual(['/.well-known/openid-configuration', '/jwks']);
  });

  it('where that is missing, through RFC 8414 metadata', async () => {
    const fallback = '/.well-known/oauth-authorization-server';
    issuer.answer = (path, response) => {
      if (path === fallback) return Boolean(response.end(JSON.stringify(issuer.metadata)));
      return path !== '/jwks' && Boolean(response.writeHead(404).end());
    };
    expect(await discovering().verify(await issuer.mint(key))).toMatchObject({ ok: true });
    expect(issuer.asked).toContain(fallback);
  });

  it.each([
    ['another issuer', () => ({ issuer: `${issuer.url}/` }), 'the discovery document is of another issuer'],
    ['no issuer', () => ({ issuer: undefined }), 'the discovery document is of another issuer'],
    [
      'keys on plain http elsewhere',
      () => ({ jwks_uri: 'http://keys.test/jwks' }),
      'the discovery document names no key set that may be fetched',
    ],
    [
      'keys in a file',
      () => ({ jwks_uri: 'file:///etc/passwd' }),
      'the discovery document names no key set that may be fetched',
    ],
    [
      'no keys',
      () => ({ jwks_uri: undefined }),
      'the discovery document names no key set that may be fetched',
    ],
  ])('a document with %s is refused, and leads nowhere (A.3)', async (_, changes, detail) => {
    Object.assign(issuer.metadata, changes());
    const verifier = discovering();
    expect(await verifier.verify(await issuer.mint(key))).toMatchObject({ kind: 'unavailable' });
    expect(await verifier.ready()).toEqual([{ issuer: issuer.url, ok: false, detail }]);
    expect(issuer.fetches()).toBe(0);
  });

  it('a redirect of the document is not followed (A.18)', async () => {
    issuer.answer = (_, response) => Boolean(response.writeHead(301, { location: '/elsewhere' }).end());
    expect(await discovering().verify(await issuer.mint(key))).toMatchObject({ kind: 'unavailable' });
    expect(issuer.asked).toEqual(['/.well-known/openid-configuration']);
  });
});

describe('a key set in a file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'key-set-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const fromFile = (file: string) => {
    const url = 'https://issuer.test';
    const issuers = [{ issuer: url, algorithms: ['ES256'] as const, keys: { file } }];
    const verifier = createTokenVerifier({ ...configFor(url), issuers }, clock);
    open.push(verifier);
    const mint = (signer: SigningKey) =>
      sign(signer, header(signer), goodClaims(url, { iat: START, exp: START + 900 }));
    return { verifier, mint };
  };

  it('is read, and read again when it was replaced', async () => {
    const file = join(folder, 'keys.json');
    await writeFile(file, JSON.stringify({ keys: [key.publicJwk] }));
    const { verifier, mint } = fromFile(file);
    expect(await verifier.verify(await mint(key))).toMatchObject({ ok: true });
    await writeFile(`${file}.new`, JSON.stringify({ keys: [next.publicJwk] }));
    await rename(`${file}.new`, file);
    clock.forward(10);
    expect(await verifier.verify(await mint(next))).toMatchObject({ ok: true });
    expect(await verifier.verify(await mint(key))).toMatchObject({ ok: false });
  });

  it('that is missing or too large leaves the gateway not ready, and says why', async () => {
    const missing = fromFile(join(folder, 'none.json')).verifier;
    await missing.warm();
    expect(await missing.ready()).toMatchObject([
      { ok: false, detail: 'the key set file could not be read (ENOENT)' },
    ]);
    const large = join(folder, 'large.json');
    await writeFile(large, 'x'.repeat(300_000));
    expect(await fromFile(large).verifier.ready()).toMatchObject([
      { ok: false, detail: 'the key set file has more than 262144 bytes' },
    ]);
  });
});

describe('configuration', () => {
  it('all faults are told at once', () => {
    const config: VerifierConfig = {
      ...configFor('http://issuer.test'),
      audience: '',
      maxLifetimeSeconds: 901,
      skewSeconds: 61,
      cacheSize: 1.5,
    };
    const faults = faultsOf({ ...config, issuers: [...config.issuers, ...config.issuers] });
    for (const word of [
      'audience',
      'maxLifetimeSeconds: 901',
      'skewSeconds: 61',
      'cacheSize: 1.5',
      'plain http',
      'listed twice',
    ]) {
      expect(faults.join('\n')).toContain(word);
    }
  });

  it.each([
    ['http://issuer.test', /plain http to a host that is not loopback/],
    ['http://127.0.0.1.evil.test', /plain http/],
    ['http://localhost.evil.test', /plain http/],
    ['ftp://127.0.0.1', /not https:/],
    ['https://user:fake@issuer.test', /user name or password/],
    ['https://issuer.test?a=1', /query or a fragment/],
    ['issuer', /not an absolute URL/],
  ])('%s is no issuer whose keys may be fetched (A.18)', (url, fault) => {
    expect(faultsOf(configFor(url)).join('\n')).toMatch(fault);
  });

  it.each([
    'https://issuer.test',
    'https://issuer.test/tenant/',
    'http://127.0.0.1:8788',
    'http://localhost:8788',
    'http://[::1]:8788',
  ])('%s may be', (url) => {
    expect(faultsOf(configFor(url))).toEqual([]);
  });

  it('a shared-secret algorithm cannot be configured (A.2)', () => {
    const algorithms = ['HS256' as 'ES256']; // as: what a configuration file could say
    expect(faultsOf(configFor('https://issuer.test', {}, algorithms)).join()).toContain(
      'HS256 is not one of',
    );
  });

  function faultsOf(config: VerifierConfig): readonly string[] {
    try {
      createTokenVerifier(config, clock).close();
      return [];
    } catch (error) {
      if (error instanceof ConfigError) return error.faults;
      throw error;
    }
  }
});

describe('a token without a key id (RFC 7515 section 4.1.4)', () => {
  const unnamed = (signer: SigningKey) => {
    const { kid: _none, ...rest } = header(signer);
    return sign(signer, rest, goodClaims(issuer.url));
  };

  it('is taken where the issuer has exactly one key for its algorithm', async () => {
    const other = await makeKey('ps', 'PS256');
    serve(key, other);
    const verifier = start(undefined, ['ES256', 'PS256']);
    const verified = await verifier.verify(await unnamed(key));
    expect(verified).toMatchObject({ ok: true, subject: 'reader', claims: { keyId: 'k1' } });
    expect(await verifier.verify(await unnamed(other))).toMatchObject({ ok: true, claims: { keyId: 'ps' } });
  });

  it('is refused where two keys fit, and no key is tried', async () => {
    serve(key, next);
    expect(await start().verify(await unnamed(key))).toMatchObject({
      ok: false,
      reason: 'token-key-id-missing',
    });
  });

  it('is refused where no key fits, or the one that fits has not signed it', async () => {
    const verifier = start(undefined, ['ES256', 'EdDSA']);
    expect(await verifier.verify(await unnamed(await makeKey('ed', 'EdDSA')))).toMatchObject({
      ok: false,
      reason: 'token-key-unknown',
    });
    expect(await verifier.verify(await unnamed(next))).toMatchObject({ reason: 'token-signature-invalid' });
  });
});
