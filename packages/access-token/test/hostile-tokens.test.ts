import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { exportJWK, exportSPKI, importJWK } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Verified } from '../src/index.ts';
import { type FakeIssuer, startIssuer, verifierFor } from './fake-issuer.ts';
import {
  AUDIENCE,
  encode,
  goodClaims,
  header,
  makeClock,
  makeKey,
  sign,
  type SigningKey,
  START,
} from './signed-tokens.ts';

const clock = makeClock();
let key: SigningKey;
let attacker: SigningKey;
let issuer: FakeIssuer;
let verifier: ReturnType<typeof verifierFor>;

beforeAll(async () => {
  [key, attacker] = await Promise.all([makeKey('k1'), makeKey('k1')]);
  issuer = await startIssuer([key]);
  verifier = verifierFor(issuer.url, clock);
  await verifier.warm();
});

afterAll(async () => {
  verifier.close();
  await issuer.close();
});

const signed = (claims: Record<string, unknown>) => issuer.mint(key, claims);
const headed = (changes: Record<string, unknown>) => sign(key, header(key, changes), goodClaims(issuer.url));
/** Claims as text, for what JSON.stringify can't write. */
const raw = (from: string, to: string) => {
  const text = JSON.stringify(goodClaims(issuer.url));
  expect(text).toContain(from);
  return sign(key, header(key), text.replace(from, to));
};

it('a token as it should be is accepted, and says who may do what', async () => {
  const verified = await verifier.verify(await signed({ aud: ['https://other.test', AUDIENCE] }));
  expect(verified).toEqual({
    ok: true,
    issuer: issuer.url,
    subject: 'reader',
    clientId: 'reader',
    tokenId: 'token-1',
    scopes: new Set(['read:models', 'read:quote']),
    scopeText: 'read:models read:quote',
    expiresAt: START + 300,
    claims: {
      audience: ['https://other.test', AUDIENCE],
      issuedAt: START,
      notBefore: null,
      actor: null,
      keyId: 'k1',
      algorithm: 'ES256',
    },
  });
});

async function macWith(secret: string | Uint8Array, alg = 'HS256'): Promise<string> {
  const input = `${encode(header(key, { alg }))}.${encode(goodClaims(issuer.url))}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

async function publicPem(): Promise<string> {
  const imported = await importJWK(key.publicJwk, 'ES256', { extractable: true });
  if (imported instanceof Uint8Array) throw new TypeError('expected a public key');
  return exportSPKI(imported);
}

const withSignature = async (change: (signature: string) => string) => {
  const token = await signed({});
  const at = token.lastIndexOf('.') + 1;
  return token.slice(0, at) + change(token.slice(at));
};

const unsigned = (alg: unknown, signature = '') =>
  `${encode(header(key, { alg }))}.${encode(goodClaims(issuer.url))}.${signature}`;

const cases: readonly (readonly [name: string, token: () => string | Promise<string>, reason: string])[] = [
  ['alg none is refused (A.1)', () => unsigned('none', 'AAAA'), 'token-algorithm-not-allowed'],
  [
    'alg none in any letter case is refused (A.1)',
    () => unsigned('NoNe', 'AAAA'),
    'token-algorithm-not-allowed',
  ],
  ['an empty signature is refused (A.1)', () => unsigned('none'), 'token-not-compact'],
  [
    'an algorithm that is not listed is refused (A.1)',
    () => headed({ alg: 'ES384' }),
    'token-algorithm-not-allowed',
  ],
  [
    'an algorithm that is no text is refused (A.1)',
    () => headed({ alg: ['ES256'] }),
    'token-algorithm-not-allowed',
  ],
  ['somebody else’s signature is refused (A.1)', () => issuer.mint(attacker), 'token-signature-invalid'],
  [
    'the signature is looked at before the claims: expired and forged is forged (A.1)',
    () => issuer.mint(attacker, { exp: START - 1000, iat: START - 1300 }),
    'token-signature-invalid',
  ],
  [
    'a token MACed with the public key’s PEM is refused (A.2)',
    async () => macWith(await publicPem()),
    'token-algorithm-not-allowed',
  ],
  [
    'a token MACed with the public key’s DER is refused (A.2)',
    async () => macWith(Buffer.from((await publicPem()).replaceAll(/-.*-|\s/g, ''), 'base64')),
    'token-algorithm-not-allowed',
  ],
  [
    'a token MACed with the public key’s JWK text is refused (A.2)',
    async () => macWith(JSON.stringify(await exportJWK(await importJWK(key.publicJwk, 'ES256')))),
    'token-algorithm-not-allowed',
  ],
  [
    'a MAC that calls itself ES256 is refused (A.2)',
    async () => macWith(await publicPem(), 'ES256'),
    'token-signature-invalid',
  ],
  [
    'a key in the token never verifies it (A.3)',
    () => sign(attacker, header(attacker, { jwk: attacker.publicJwk }), goodClaims(issuer.url)),
    'token-header-carries-key',
  ],
  ...['jku', 'x5u'].map(
    (member) =>
      [
        `${member} in a token is refused (A.3)`,
        () => headed({ [member]: `${issuer.url}/from-token` }),
        'token-header-carries-key',
      ] as const,
  ),
  ['x5c in a token is refused (A.3)', () => headed({ x5c: ['MIIB'] }), 'token-header-carries-key'],
  ...['K1', 'k1 ', '../k1', '__proto__', 'constructor', 'k', "k1' or '1'='1", '/etc/passwd'].map(
    (kid) => [`kid ${kid} is compared exactly and refused (A.4)`, () => headed({ kid }), 'key'] as const,
  ),
  ['an empty kid is refused (A.4)', () => headed({ kid: '' }), 'token-key-id-malformed'],
  ['a kid that is a list is refused (A.4)', () => headed({ kid: ['k1'] }), 'token-key-id-malformed'],
  ['an empty crit is refused (A.5)', () => headed({ crit: [] }), 'token-header-critical'],
  [
    'crit naming what is not implemented is refused (A.5)',
    () => headed({ crit: ['exp'], exp: 1 }),
    'token-header-critical',
  ],
  ['b64 false is refused (A.5)', () => headed({ b64: false }), 'token-header-unencoded-payload'],
  [
    'b64 false under crit is refused (A.5)',
    () => headed({ b64: false, crit: ['b64'] }),
    'token-header-critical',
  ],
  ['b64 of another type is refused (A.5)', () => headed({ b64: 'true' }), 'token-header-unencoded-payload'],
  ['padding is refused (A.6)', async () => `${await signed({})}=`, 'token-not-canonical'],
  [
    'trap 15: trailing white space is refused (A.6)',
    async () => `${await signed({})}\n`,
    'token-not-canonical',
  ],
  ['a leading space is refused (A.6)', async () => ` ${await signed({})}`, 'token-not-canonical'],
  [
    'the standard base64 alphabet is refused (A.6)',
    () => withSignature((s) => `+/${s.slice(2)}`),
    'token-not-canonical',
  ],
  ['four parts are refused (A.6)', async () => `${await signed({})}.AAAA`, 'token-not-compact'],
  [
    'two parts are refused (A.6)',
    () => `${encode(header(key))}.${encode(goodClaims(issuer.url))}`,
    'token-not-compact',
  ],
  ['an encrypted token is refused (A.6)', () => 'eyJhbGciOiJkaXIifQ..AAAA.AAAA.AAAA', 'token-not-compact'],
  [
    'JSON serialisation is refused (A.6)',
    () =>
      JSON.stringify({
        protected: encode(header(key)),
        payload: encode(goodClaims(issuer.url)),
        signature: 'AA',
      }),
    'token-not-compact',
  ],
  ['the empty token is refused (A.6)', () => '', 'token-not-compact'],
  ['a token signed as plain JWT is refused (A.7)', () => headed({ typ: 'JWT' }), 'token-type-wrong'],
  ['a token without typ is refused (A.7)', () => headed({ typ: undefined }), 'token-type-wrong'],
  ['a DPoP proof by the same key is refused (A.7)', () => headed({ typ: 'dpop+jwt' }), 'token-type-wrong'],
  [
    'a logout token by the same key is refused (A.7)',
    () => headed({ typ: 'logout+jwt' }),
    'token-type-wrong',
  ],
  ['a typ that only looks alike is refused (A.7)', () => headed({ typ: 'at+jwt ' }), 'token-type-wrong'],
  ['an unknown issuer is refused (A.8)', () => signed({ iss: 'https://evil.test' }), 'token-issuer-unknown'],
  [
    'an issuer with one slash more is refused (A.8)',
    () => signed({ iss: `${issuer.url}/` }),
    'token-issuer-unknown',
  ],
  ['an issuer that is a list is refused (A.8)', () => signed({ iss: [issuer.url] }), 'token-issuer-unknown'],
  [
    'a token for staging is refused here (A.9)',
    () => signed({ aud: 'https://staging.test' }),
    'token-audience-mismatch',
  ],
  [
    'an audience that begins like ours is refused (A.9)',
    () => signed({ aud: `${AUDIENCE}/` }),
    'token-audience-mismatch',
  ],
  [
    'an audience list with something other than text is refused (A.9)',
    () => signed({ aud: [AUDIENCE, 1] }),
    'token-aud-malformed',
  ],
  ['an empty audience list is refused (A.9)', () => signed({ aud: [] }), 'token-aud-malformed'],
  ...['exp', 'aud', 'sub', 'client_id', 'iat', 'jti'].flatMap((claim) => {
    const word = claim.replace('_', '-');
    return [
      [
        `a token without ${claim} is refused (A.10)`,
        () => signed({ [claim]: undefined }),
        `token-${word}-missing`,
      ],
      [`a null ${claim} is refused (A.10)`, () => signed({ [claim]: null }), `token-${word}-malformed`],
      [`an empty ${claim} is refused (A.10)`, () => signed({ [claim]: '' }), `token-${word}-malformed`],
      [
        `trap 14: an object as ${claim} is refused (A.10)`,
        () => signed({ [claim]: { a: 1 } }),
        `token-${word}-malformed`,
      ],
    ] as const;
  }),
  ['a token without iss is refused (A.10)', () => signed({ iss: undefined }), 'token-issuer-unknown'],
  [
    'a subject of 300 characters is refused (A.10)',
    () => signed({ sub: 'a'.repeat(300) }),
    'token-sub-malformed',
  ],
  [
    'a line break in client_id is refused (A.10)',
    () => signed({ client_id: 'a\nb' }),
    'token-client-id-malformed',
  ],
  ...['exp', 'iat', 'nbf'].flatMap((claim) =>
    ['soon', `${START}`, -1, 0, true, [START], START * 1000, 99_999_999_999].map(
      (value) =>
        [
          `${claim} ${JSON.stringify(value)} is refused (A.11)`,
          () => signed({ [claim]: value }),
          `token-${claim}-malformed`,
        ] as const,
    ),
  ),
  [
    'trap 14: exp 1e999 is refused (A.11)',
    () => raw(`"exp":${START + 300}`, '"exp":1e999'),
    'token-claims-malformed',
  ],
  [
    'an expired token is refused (A.12)',
    () => signed({ exp: START - 30, iat: START - 300 }),
    'token-expired',
  ],
  [
    'a token that is not valid yet is refused (A.12)',
    () => signed({ nbf: START + 31 }),
    'token-not-yet-valid',
  ],
  [
    'a token issued in the future is refused (A.12)',
    () => signed({ iat: START + 31 }),
    'token-issued-in-future',
  ],
  [
    'a token that lives longer than 15 minutes is refused (A.13)',
    () => signed({ exp: START + 901 }),
    'token-lifetime-too-long',
  ],
  [
    'a token that ends before it begins is refused (A.13)',
    () => signed({ iat: START + 20, exp: START + 20 }),
    'token-exp-malformed',
  ],
  [
    'trap 14: a repeated claim is refused (A.14)',
    () => raw('"sub":"reader"', '"sub":"reader","sub":"writer"'),
    'token-claims-malformed',
  ],
  [
    'a claim repeated in another spelling is refused (A.14)',
    () => raw('"sub":"reader"', '"sub":"reader","s\\u0075b":"writer"'),
    'token-claims-malformed',
  ],
  [
    'trap 14: a repeated header member is refused (A.14)',
    () => sign(key, JSON.stringify(header(key)).replace('{', '{"alg":"none",'), goodClaims(issuer.url)),
    'token-header-malformed',
  ],
  [
    'trap 14: a byte-order mark is refused (A.14)',
    () => sign(key, header(key), `\uFEFF${JSON.stringify(goodClaims(issuer.url))}`),
    'token-claims-malformed',
  ],
  [
    'claims that are a list are refused (A.14)',
    () => sign(key, header(key), [goodClaims(issuer.url)]),
    'token-claims-malformed',
  ],
  [
    'claims that are not JSON are refused (A.14)',
    () => sign(key, header(key), 'reader'),
    'token-claims-malformed',
  ],
  [
    'a token longer than the limit is refused before it is read (A.20)',
    () => signed({ note: 'x'.repeat(8192) }),
    'token-too-long',
  ],
  ['a scope list is refused (A.21)', () => signed({ scope: ['write:generate'] }), 'token-scope-malformed'],
  [
    'a scope object is refused (A.21)',
    () => signed({ scope: { 'write:generate': true } }),
    'token-scope-malformed',
  ],
  ['a null scope is refused (A.21)', () => signed({ scope: null }), 'token-scope-malformed'],
  [
    'a token bound to a key is never a plain bearer token (C.28)',
    () => signed({ cnf: { jkt: 'abc' } }),
    'token-bound-without-proof',
  ],
  ['an empty cnf is a binding too (C.28)', () => signed({ cnf: null }), 'token-bound-without-proof'],
  ['an actor that names nobody is refused', () => signed({ act: { iss: 'x' } }), 'token-act-malformed'],
];

describe('hostile tokens', () => {
  it.each(cases)('%s', async (_, make, reason) => {
    const verdict = await verifier.verify(await make());
    expect(verdict).toMatchObject({ ok: false });
    // An unknown kid is `invalid` or `unavailable` by the state of the cool-down; both refuse.
    const expected =
      reason === 'key' ? /^token-key-unknown$|^key-set-unavailable$/ : new RegExp(`^${reason}$`);
    expect(verdict.ok || verdict.reason).toMatch(expected);
  });

  it('no token made the verifier ask for anything but the configured key set (A.3)', () => {
    expect(new Set(issuer.asked)).toEqual(new Set(['/jwks']));
  });
});

describe('what is not refused', () => {
  it.each([
    ['typ in other letter case (A.7)', () => headed({ typ: 'AT+JWT' })],
    ['typ with its media type in full (A.7)', () => headed({ typ: 'application/at+jwt' })],
    ['a token of exactly 15 minutes (A.13)', () => signed({ exp: START + 900 })],
    ['one expired within the skew (A.12)', () => signed({ exp: START - 29, iat: START - 300 })],
    ['one issued within the skew ahead (A.12)', () => signed({ iat: START + 30, nbf: START + 30 })],
    ['one whose times have fractions (A.11)', () => signed({ exp: START + 299.5 })],
    [
      'members named __proto__ and constructor (A.14)',
      () => raw('{', '{"__proto__":{"scope":"write:train"},"constructor":1,'),
    ],
    ['b64 true (A.5)', () => headed({ b64: true })],
  ])('%s', async (_, make) => {
    const verdict = await verifier.verify(await make());
    expect(verdict).toMatchObject({ ok: true, subject: 'reader', scopeText: 'read:models read:quote' });
  });

  it('the actor of an exchanged token is kept for the record', async () => {
    const act = { sub: 'batch-runner', act: { sub: 'older' } };
    expect(await verifier.verify(await signed({ act }))).toMatchObject({ claims: { actor: 'batch-runner' } });
  });
});

describe('scopes (A.21)', () => {
  const granted = async (scope: unknown) => {
    const verdict = await verifier.verify(await signed({ scope }));
    return verdict.ok ? [...verdict.scopes] : verdict.reason;
  };

  it.each([
    ['no scope at all', undefined],
    ['the empty text', ''],
    ['a wildcard', 'read:*'],
    ['write:limited', 'write:limited'],
    ['other letter case', 'Write:generate READ:MODELS'],
    ['a prefix', 'write'],
    ['more than the name', 'write:generate2 write:generate:all xwrite:generate'],
    ['a tab between', 'read:models\twrite:generate'],
    ['two spaces between', 'read:models  write:generate'],
    ['a space before', ' write:generate'],
    ['a line break', 'write:generate\n'],
    ['a comma between', 'write:generate,read:models'],
    ['a look-alike letter', 'write:genеrate'],
    ['names of object members', '__proto__ constructor toString'],
  ])('%s grants nothing', async (_, scope) => {
    expect(await granted(scope)).toEqual([]);
  });

  it('known words among unknown ones count, each once', async () => {
    expect(await granted('openid read:models write:limited read:models')).toEqual(['read:models']);
  });
});

describe('text mutations', () => {
  let token: string;
  beforeAll(async () => {
    token = await signed({ jti: 'mutate-me' });
  });

  // Not among these: the mirrored signature (r, n-s) that ECDSA has by nature, and that random edits never find.
  const edits = fc.array(
    fc.record({
      at: fc.nat(2000),
      remove: fc.nat(3),
      insert: fc.oneof(fc.base64String({ maxLength: 3 }), fc.string({ unit: 'binary', maxLength: 2 })),
    }),
    { minLength: 1, maxLength: 3 },
  );

  it('no mutation of a good token is accepted (A.6)', async () => {
    await fc.assert(
      fc.asyncProperty(edits, async (list) => {
        let text = token;
        for (const { at, remove, insert } of list) {
          const start = at % (text.length + 1);
          text = text.slice(0, start) + insert + text.slice(start + remove);
        }
        fc.pre(text !== token);
        expect(await verifier.verify(text)).toMatchObject({ ok: false });
      }),
      { numRuns: 600 },
    );
  });

  it('trap 15: a signature has one last character, not sixteen', async () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const verdicts = await Promise.all(
      alphabet.split('').map(async (last) => verifier.verify(token.slice(0, -1) + last)),
    );
    expect(verdicts.filter((verdict): verdict is Verified => verdict.ok)).toHaveLength(1);
  });
});
