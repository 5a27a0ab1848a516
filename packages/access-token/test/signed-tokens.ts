import { type CryptoKey, exportJWK, generateKeyPair, type JWK } from 'jose';

export const AUDIENCE = 'https://gateway.test';
/** Where the tests' clock starts: seconds since 1970. */
export const START = 1_800_000_000;

export interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

export async function makeKey(kid: string, alg = 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

export function goodClaims(issuer: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    iss: issuer,
    exp: START + 300,
    aud: AUDIENCE,
    sub: 'reader',
    client_id: 'reader',
    iat: START,
    jti: 'token-1',
    scope: 'read:models read:quote',
    ...changes,
  };
}

export function encode(part: unknown): string {
  if (Buffer.isBuffer(part)) return part.toString('base64url');
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
}

/** Signs header and claims as they are given, so that a test can get anything signed. Text goes in untouched. */
export async function sign(key: SigningKey, header: unknown, claims: unknown): Promise<string> {
  const input = `${encode(header)}.${encode(claims)}`;
  const algorithm = key.privateKey.algorithm.name;
  const signature = await crypto.subtle.sign(
    { name: algorithm, hash: key.alg === 'ES384' ? 'SHA-384' : 'SHA-256', saltLength: 32 },
    key.privateKey,
    Buffer.from(input),
  );
  return `${input}.${Buffer.from(signature).toString('base64url')}`;
}

export function header(key: SigningKey, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return { alg: key.alg, kid: key.kid, typ: 'at+jwt', ...changes };
}

/** A clock that only tests move. */
export function makeClock() {
  let milliseconds = START * 1000;
  return {
    now: () => milliseconds,
    forward: (seconds: number) => {
      milliseconds += seconds * 1000;
    },
  };
}
