import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TokenVerifier } from '../src/index.ts';
import { type FakeIssuer, startIssuer, verifierFor } from './fake-issuer.ts';
import { goodClaims, header, makeClock, makeKey, sign, type SigningKey, START } from './signed-tokens.ts';

let key: SigningKey;
let issuer: FakeIssuer;
let clock: ReturnType<typeof makeClock>;
let verifier: TokenVerifier;

beforeAll(async () => {
  key = await makeKey('k1');
  issuer = await startIssuer([key]);
});
afterAll(() => issuer.close());

beforeEach(() => {
  clock = makeClock();
  verifier = verifierFor(issuer.url, clock, { cacheSize: 3 });
  return () => verifier.close();
});

/** Whether the verifier answers at once, which it only does from the cache. */
const remembers = (token: string) => !(verifier.verify(token) instanceof Promise);

describe('the cache of verified tokens', () => {
  it('answers a token it has verified at once, and with the same words', async () => {
    const token = await issuer.mint(key);
    const first = await verifier.verify(token);
    expect(verifier.verify(token)).toBe(first);
  });

  it('refuses a remembered token from the moment it expires (A.12)', async () => {
    const token = await issuer.mint(key, { exp: START + 100 });
    await verifier.verify(token);
    clock.forward(129.9);
    expect(verifier.verify(token)).toMatchObject({ ok: true });
    clock.forward(0.1);
    expect(verifier.verify(token)).toMatchObject({ ok: false, reason: 'token-expired' });
    expect(remembers(token)).toBe(false);
  });

  it('refuses a remembered token when the clock goes back before its time (A.12)', async () => {
    const token = await issuer.mint(key, { nbf: START });
    await verifier.verify(token);
    clock.forward(-31);
    expect(verifier.verify(token)).toMatchObject({ ok: false, reason: 'token-not-yet-valid' });
  });

  it('holds no more than its size, and drops what was not used for longest', async () => {
    const tokens = await Promise.all(['a', 'b', 'c', 'd'].map((jti) => issuer.mint(key, { jti })));
    const [a = '', b = '', c = '', d = ''] = tokens;
    for (const token of [a, b, c]) await verifier.verify(token);
    expect(remembers(a)).toBe(true); // used again: b is now the oldest
    await verifier.verify(d);
    expect([a, c, d].map(remembers)).toEqual([true, true, true]);
    expect(remembers(b)).toBe(false);
  });

  it('cannot be flushed with junk', async () => {
    const token = await issuer.mint(key);
    await verifier.verify(token);
    for (let n = 0; n < 20; n++) {
      const forged = `${token.slice(0, -86)}${Buffer.alloc(64, n).toString('base64url')}`;
      expect(await verifier.verify(forged)).toMatchObject({ reason: 'token-signature-invalid' });
      const expired = await issuer.mint(key, { jti: `${n}`, iat: START - 400, exp: START - 100 });
      expect(await verifier.verify(expired)).toMatchObject({ reason: 'token-expired' });
    }
    expect(remembers(token)).toBe(true);
  });

  it('is not asked about a token that is too long to be hashed for free (A.20)', async () => {
    const long = await sign(key, header(key), goodClaims(issuer.url, { note: 'x'.repeat(9000) }));
    expect(verifier.verify(long)).toMatchObject({ ok: false, reason: 'token-too-long' });
  });

  it('cannot be changed by who got an answer from it', async () => {
    const verified = await verifier.verify(await issuer.mint(key));
    expect(Object.isFrozen(verified)).toBe(true);
  });
});
