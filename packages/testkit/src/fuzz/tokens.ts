import { createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { grantedScopes, type Release } from '@ideogate/policy';

export const FUZZ_ISSUER = 'http://127.0.0.1:9/fuzz';

/** What a token text stands for. */
export interface Minted {
  readonly subject: string;
  readonly scopes: ReadonlySet<string>;
  /** A token as an issuer makes them. All others must never get a call through. */
  readonly honest: boolean;
}

export interface Mint {
  /** JWK Set (RFC 7517) with the public key, for the gateway. */
  readonly keySet: string;
  /** The token that a case names: subject, slip of `TOKEN_SLIPS` (none: honest), and a number to vary it. */
  token(subject: string, slip: string | undefined, vary: number): string;
  /** What the text stands for; undefined when it was never minted. */
  known(text: string): Minted | undefined;
}

interface Making {
  header: Record<string, unknown>;
  claims: Record<string, unknown>;
  now: number;
  mint: { readonly key: KeyObject; readonly other: KeyObject; readonly publicPem: string };
  vary: number;
}

const encode = (value: object | string) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

function signed(making: Making, header: object | string = making.header, claims?: object | string): string {
  const text = `${encode(header)}.${encode(claims ?? making.claims)}`;
  return `${text}.${signature(text, making.mint.key)}`;
}

function signature(text: string, key: KeyObject): string {
  return sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
}

function claimsWith(change: (making: Making) => Record<string, unknown>): (making: Making) => string {
  return (making) => signed(making, making.header, { ...making.claims, ...change(making) });
}

function headerWith(change: (making: Making) => Record<string, unknown>): (making: Making) => string {
  return (making) => signed(making, { ...making.header, ...change(making) });
}

const at = (text: string, vary: number) => vary % Math.max(1, text.length);
const B64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Every way to get a token wrong that the fuzzer knows, by name. */
const SLIPS: Readonly<Record<string, (making: Making) => string>> = {
  flip: (making) => {
    const text = signed(making);
    const where = at(text, making.vary);
    const other = B64[making.vary % 61] ?? 'A';
    return text.slice(0, where) + (other === text[where] ? '_' : other) + text.slice(where + 1);
  },
  cut: (making) => {
    const text = signed(making);
    return text.slice(0, at(text, making.vary));
  },
  padded: (making) => `${signed(making)}=`,
  'spare-bits': (making) => {
    // Only two bits of the last of 86 characters count: its siblings decode to the same bytes.
    const text = signed(making);
    const last = B64.indexOf(text.at(-1) ?? 'A');
    return text.slice(0, -1) + (B64[(last & 0x30) | (1 + (making.vary % 15))] ?? 'B');
  },
  'plain-base64': (making) => signed(making).replaceAll('-', '+').replaceAll('_', '/').concat('+/'),
  'four-parts': (making) => `${signed(making)}.${encode('x')}`,
  'two-parts': (making) => signed(making).split('.').slice(0, 2).join('.'),
  'no-signature': (making) => `${signed(making).split('.').slice(0, 2).join('.')}.`,
  'alg-none': (making) => `${encode({ ...making.header, alg: 'none' })}.${encode(making.claims)}.`,
  'alg-NonE': headerWith(() => ({ alg: 'NonE' })),
  'alg-hs256': (making) => {
    const text = `${encode({ ...making.header, alg: 'HS256' })}.${encode(making.claims)}`;
    return `${text}.${createHmac('sha256', making.mint.publicPem).update(text).digest('base64url')}`;
  },
  'alg-missing': headerWith(() => ({ alg: undefined })),
  'other-key': (making) => {
    const text = `${encode(making.header)}.${encode(making.claims)}`;
    return `${text}.${signature(text, making.mint.other)}`;
  },
  'unknown-kid': headerWith(({ vary }) => ({ kid: `nobody-${vary % 50}` })),
  'kid-path': headerWith(() => ({ kid: '../../../../etc/passwd' })),
  'kid-proto': headerWith(() => ({ kid: '__proto__' })),
  'kid-number': headerWith(() => ({ kid: 7 })),
  'typ-jwt': headerWith(() => ({ typ: 'JWT' })),
  'typ-dpop': headerWith(() => ({ typ: 'dpop+jwt' })),
  crit: headerWith(() => ({ crit: ['exp'] })),
  b64: headerWith(() => ({ b64: false, crit: ['b64'] })),
  jku: headerWith(() => ({ kid: 'from-there', jku: 'http://127.0.0.1:9/jwks' })),
  'header-twice': (making) => signed(making, '{"alg":"ES256","typ":"at+jwt","kid":"fuzz","alg":"ES256"}'),
  'header-array': (making) => signed(making, '[]'),
  expired: claimsWith(({ now }) => ({ iat: now - 600, exp: now - 300 })),
  'not-yet': claimsWith(({ now }) => ({ nbf: now + 300 })),
  'from-the-future': claimsWith(({ now }) => ({ iat: now + 300, exp: now + 600 })),
  'too-long-lived': claimsWith(({ now }) => ({ exp: now + 100_000 })),
  'exp-text': claimsWith(({ now }) => ({ exp: String(now + 300) })),
  'exp-missing': claimsWith(() => ({ exp: undefined })),
  'exp-infinite': (making) =>
    signed(making, making.header, JSON.stringify(making.claims).replace(/"exp":\d+/, '"exp":1e999')),
  'other-audience': claimsWith(() => ({ aud: 'http://127.0.0.1:9/production' })),
  'aud-prefix': claimsWith(({ claims }) => ({ aud: `${String(claims['aud'])}/` })),
  'aud-object': claimsWith(({ claims }) => ({ aud: { 0: claims['aud'] } })),
  'other-issuer': claimsWith(() => ({ iss: `${FUZZ_ISSUER}/` })),
  'sub-object': claimsWith(({ claims }) => ({ sub: [claims['sub']] })),
  'sub-missing': claimsWith(() => ({ sub: undefined })),
  'jti-empty': claimsWith(() => ({ jti: '' })),
  'scope-array': claimsWith(({ claims }) => ({ scope: String(claims['scope']).split(' ') })),
  'scope-wildcard': claimsWith(() => ({ scope: 'read:* write:limited write:*' })),
  'scope-tabs': claimsWith(({ claims }) => ({ scope: String(claims['scope']).replaceAll(' ', '\t') })),
  'scope-upper': claimsWith(({ claims }) => ({ scope: String(claims['scope']).toUpperCase() })),
  cnf: claimsWith(() => ({ cnf: { jkt: 'fake-thumbprint' } })),
  'claim-twice': (making) =>
    signed(making, making.header, `{"sub":"full",${JSON.stringify(making.claims).slice(1)}`),
  'claims-bom': (making) => signed(making, making.header, `\ufeff${JSON.stringify(making.claims)}`),
  'claims-null': (making) => signed(making, making.header, 'null'),
  'claims-proto': (making) =>
    signed(
      making,
      making.header,
      `{"__proto__":{"sub":"full"},${JSON.stringify({ ...making.claims, sub: undefined }).slice(1)}`,
    ),
  'sub-nul': claimsWith(() => ({ sub: 'full\0' })),
  'sub-long': claimsWith(() => ({ sub: 'f'.repeat(4000) })),
  'very-long': claimsWith(() => ({ filler: 'x'.repeat(7000) })),
};

export const TOKEN_SLIPS: readonly string[] = Object.keys(SLIPS);
/** Minted anew after so many milliseconds, well before they expire. */
const KEPT_MS = 60_000;

export function createFuzzMint(release: () => Release, audience: () => string): Mint {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const publicPem = publicKey.export({ type: 'spki', format: 'pem' });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'fuzz', alg: 'ES256', use: 'sig' };
  let made = new Map<string, string>();
  let registry = new Map<string, Minted>();
  let before = registry;
  let since = 0;

  function make(subject: string, slip: string | undefined, vary: number): string {
    const now = Math.floor(Date.now() / 1000);
    const scopes = grantedScopes(release(), 'staging', { issuer: FUZZ_ISSUER, subject });
    const making: Making = {
      header: { alg: 'ES256', typ: 'at+jwt', kid: 'fuzz' },
      claims: {
        iss: FUZZ_ISSUER,
        aud: audience(),
        sub: subject,
        client_id: subject,
        iat: now,
        exp: now + 300,
        jti: randomUUID(),
        scope: [...scopes].join(' '),
      },
      now,
      mint: { key: privateKey, other, publicPem },
      vary,
    };
    // A slip of the case's text can strike the name of the token's slip: what nobody knows is no slip.
    const slipped = slip !== undefined && Object.hasOwn(SLIPS, slip) ? SLIPS[slip] : undefined;
    const text = (slipped ?? signed)(making);
    if (slipped === undefined) registry.set(text, { subject, scopes: new Set(scopes), honest: true });
    // A flip may put back what was there: the text, not the slip, tells what a token is.
    else if (!registry.has(text)) registry.set(text, { subject, scopes: new Set(), honest: false });
    return text;
  }

  return {
    keySet: JSON.stringify({ keys: [jwk] }),
    token(subject, slip, vary) {
      if (performance.now() - since > KEPT_MS) {
        since = performance.now();
        made = new Map();
        before = registry;
        registry = new Map();
      }
      const name = `${subject} ${slip} ${slip === undefined ? vary % 5 : vary % 40}`;
      const text = made.get(name) ?? make(subject, slip, vary);
      made.set(name, text);
      return text;
    },
    known: (text) => registry.get(text) ?? before.get(text),
  };
}
