import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createTokenVerifier, DEFAULT_VERIFIER, type VerifierConfig } from '../src/index.ts';
import { AUDIENCE, goodClaims, header, sign, type SigningKey } from './signed-tokens.ts';

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
