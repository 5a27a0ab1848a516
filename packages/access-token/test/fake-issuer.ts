import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK } from 'jose';
import { createTokenVerifier, DEFAULT_VERIFIER, type VerifierConfig } from '../src/index.ts';

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

export interface FakeIssuer {
  readonly url: string;
  /** Served at `/jwks`; text is served as it is. */
  jwks: unknown;
  /** Paths asked for, in order. */
  readonly asked: string[];
  /** Answers a path in another way than usual. */
  answer: ((path: string, response: ServerResponse) => boolean) | undefined;
  metadata: Record<string, unknown>;
  fetches(): number;
  mint(key: SigningKey, changes?: Record<string, unknown>): Promise<string>;
  close(): Promise<void>;
}

/** A real HTTP server with a discovery document and a key set. */
export async function startIssuer(keys: readonly SigningKey[]): Promise<FakeIssuer> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    if (issuer.answer?.(path, response)) return;
    if (path === '/jwks') return send(response, issuer.jwks);
    if (path === '/.well-known/openid-configuration') return send(response, issuer.metadata);
    response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // as: it listens on TCP
  const url = `http://127.0.0.1:${port}`;
  const issuer: FakeIssuer = {
    url,
    jwks: { keys: keys.map(({ publicJwk }) => publicJwk) },
    asked,
    answer: undefined,
    metadata: { issuer: url, jwks_uri: `${url}/jwks` },
    fetches: () => asked.filter((path) => path === '/jwks').length,
    mint: (key, changes) => sign(key, header(key), goodClaims(url, changes)),
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return issuer;
}

function send(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
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

/** Default settings with one issuer, found by its key set's address. */
export function configFor(
  url: string,
  changes: Partial<VerifierConfig> = {},
  algorithms: VerifierConfig['issuers'][number]['algorithms'] = ['ES256'],
): VerifierConfig {
  const issuers = [{ issuer: url, algorithms, keys: { jwksUri: `${url}/jwks` } }];
  return { ...DEFAULT_VERIFIER, audience: AUDIENCE, issuers, ...changes };
}

export function verifierFor(
  url: string,
  clock: { now(): number },
  changes?: Partial<VerifierConfig>,
  algorithms?: VerifierConfig['issuers'][number]['algorithms'],
) {
  return createTokenVerifier(configFor(url, changes, algorithms), clock);
}
