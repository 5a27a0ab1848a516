import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { ConfigError, DEFAULT_SETTINGS } from '@ideogate/config';
import type { ScopeName, ScopePattern } from '@ideogate/contract';
import { SCOPE_NAMES } from '@ideogate/contract';
import { boundConnections } from '@ideogate/fair-share';
import type { ClientSecret } from './clients.ts';
import { type IssuerCounts, newCounters } from './counts.ts';
import type { AuthenticationFailure, FailureSum } from './failures.ts';
import { type IssuerKeys, publicKeySet } from './issuer-keys.ts';
import type { CallerGrant } from './scopes-to-give.ts';
import { PacedAnswers } from './paced-answers.ts';
import { Pace } from './rates.ts';
import { isBodySmall } from './request-body.ts';
import { send } from './send.ts';
import type { IssuerLimits } from './settings.ts';
import { createTokenEndpoint } from './token-endpoint.ts';
import { createTokenRequests, pacedByAddress } from './token-requests.ts';

/** Where an issuer listens, what its tokens say, and its bounds. */
export interface IssuerConfig {
  /** This issuer's own URL, an origin without a path: the tokens' `iss`. */
  readonly issuer: string;
  /** Address to listen on. */
  readonly host: string;
  readonly port: number;
  readonly keys: IssuerKeys;
  readonly clients: readonly ClientSecret[];
  /** The environment's gateway: the tokens' `aud`, and the only `resource` there is (RFC 8707). */
  readonly audience: string;
  /** Default: those of the table of settings. */
  readonly limits?: Partial<IssuerLimits>;
}

/** What an issuer asks of whoever composes it. */
export interface IssuerDeps {
  /** What a client may be given now; asked for every token, so that a changed policy counts at once. */
  grantOf(clientId: string): CallerGrant;
  /** The plain scopes that a wildcard stands for. */
  expand(pattern: ScopePattern): readonly ScopeName[];
  /** Told about faults of the issuer itself. Callers only see that there was one. */
  onError(error: Error): void;
  /** Told about failed client authentications that are to have rows of their own. */
  onAuthenticationFailure?(failure: AuthenticationFailure): void;
  /** Whose limits a request without a client's secret is under, and what the record says; default: the peer's address. */
  addressOf?(request: IncomingMessage): string | null;
}

/** An issuer of access tokens, which answers once it listens. */
export interface Issuer {
  /** Rejects with node's error (`EADDRINUSE`…) when it can't. */
  listen(): Promise<void>;
  /** What it has done so far. */
  counts(): IssuerCounts;
  /** Failed client authentications without rows of their own since it was last asked. */
  takeFailureSums(): readonly FailureSum[];
  /** Ends within a second: answers in flight get half of it. */
  close(): Promise<void>;
}

/** The configuration can't be used. `faults` has every fault found, one sentence each. */
export class IssuerConfigError extends ConfigError {
  override readonly name = 'IssuerConfigError';
}

/** Refusals that one address, or one client, is answered: more would only be faster noise. */
const REFUSALS_PER_SECOND = 50;

/** Answers to one address that are no tokens: a gateway asks for a key set now and then. */
const PAGES_PER_SECOND = 500;

/** Milliseconds that answers in flight get when the issuer stops. */
const GRACE_MS = 500;

/**
 * Mints short-lived access tokens: `/token`, `/jwks`, discovery (RFC 8414 and OpenID Connect's address for it)
 * and `/-/health`. Nothing else is reachable, whatever oidc-provider could do.
 * @throws IssuerConfigError with every fault of the configuration.
 */
export async function createIssuer(config: IssuerConfig, deps: IssuerDeps): Promise<Issuer> {
  const faults = configFaults(config);
  if (faults.length > 0) throw new IssuerConfigError(faults);
  const endpoint = await createTokenEndpoint({
    ...config,
    grantOf: (clientId) => deps.grantOf(clientId),
    expand: (pattern) => deps.expand(pattern),
    onError: (error) => deps.onError(error),
  });
  const limits = { ...DEFAULT_SETTINGS.issuer, ...config.limits };
  const counters = newCounters();
  const server = createServer({
    requestTimeout: 10_000,
    headersTimeout: 5000,
    keepAliveTimeout: 5000,
    // Node looks at the first two of these every half minute, where nothing else is said.
    connectionsCheckingInterval: 1000,
  });
  const connections = boundConnections(server, limits.maxSockets, () => counters.connectionsEnded++);
  const now = () => performance.now();
  const paced = new PacedAnswers();
  const refusals = new Pace(REFUSALS_PER_SECOND, now);
  const addressOf = (request: IncomingMessage) =>
    deps.addressOf === undefined ? (request.socket.remoteAddress ?? null) : deps.addressOf(request);
  const requests = createTokenRequests({
    issuer: config.issuer,
    clients: config.clients,
    limits,
    endpoint,
    connections,
    counters,
    paced,
    refusals,
    addressOf,
    onAuthenticationFailure: (failure) => deps.onAuthenticationFailure?.(failure),
  });
  const ownPages = pages(config);
  const pagesPace = new Pace(PAGES_PER_SECOND, now);
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const [path = ''] = (request.url ?? '').split('?', 1);
    if (path === '/token' && request.method === 'POST') return requests.answer(request, response);
    const page = ownPages.get(path);
    // Each page by itself: who asks for one again and again delays nobody's look at another.
    const key = `${addressOf(request) ?? 'unknown'} ${page === undefined ? '' : path}`;
    const fields = await paced.turn(pagesPace, key, request.socket, !isBodySmall(request));
    if (fields !== null) answerPage(page, path, request, response, fields);
  };
  server.on('request', (request, response) => {
    if (paced.isClosing(request.socket)) return;
    answer(request, response).catch((error: unknown) => {
      deps.onError(error instanceof Error ? error : new Error('unknown'));
      request.socket.destroy();
    });
  });

  const answerUnreadable = async (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (paced.isClosing(socket)) return;
    // It is gone, and asked for nothing.
    if (error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    counters.refusals.unreadable++;
    const peer = 'remoteAddress' in socket ? String(socket.remoteAddress) : 'unknown';
    const fields = await paced.turn(refusals, pacedByAddress(peer), socket, true);
    if (fields === null || !socket.writable) socket.destroy();
    else socket.end(`HTTP/1.1 ${statusOf(error)}\r\nconnection: close\r\n\r\n`, () => socket.destroy());
  };
  // Node would answer what its parser can't read as fast as it comes.
  server.on('clientError', (error, socket) => void answerUnreadable(error, socket));

  return {
    async listen() {
      server.listen(config.port, config.host);
      await once(server, 'listening'); // rejects on 'error'
    },
    counts: () => ({
      ...counters,
      refusals: { ...counters.refusals },
      authenticationFailures: { ...counters.authenticationFailures },
      connections: connections.count(),
      inFlight: requests.inFlight(),
    }),
    takeFailureSums: () => requests.failures.sums.take(),
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), GRACE_MS);
      await closed;
      clearTimeout(cut);
    },
  };
}

/** The issuer's unchanging pages, by path. */
function pages({ issuer, keys }: IssuerConfig): ReadonlyMap<string, string> {
  // Ours, not oidc-provider's, which would list endpoints for people to sign in at, and take its own address from
  // the Host field.
  const metadata = JSON.stringify({
    issuer,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    grant_types_supported: ['client_credentials'],
    response_types_supported: [],
    token_endpoint_auth_methods_supported: ['client_secret_basic'],
    scopes_supported: SCOPE_NAMES,
  });
  return new Map([
    ['/.well-known/oauth-authorization-server', metadata],
    ['/.well-known/openid-configuration', metadata],
    ['/jwks', JSON.stringify(publicKeySet(keys))],
    ['/-/health', JSON.stringify({ status: 'ok' })],
  ]);
}

function statusOf({ code }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return '408 Request Timeout';
    case 'HPE_HEADER_OVERFLOW':
      return '431 Request Header Fields Too Large';
    default:
      return '400 Bad Request';
  }
}

/** Everything but a request for a token. */
function answerPage(
  page: string | undefined,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  fields: Readonly<Record<string, string>>,
): void {
  if (page === undefined) {
    if (path === '/token')
      return send(response, 405, { error: 'invalid_request' }, { allow: 'POST', ...fields });
    return send(response, 404, { error: 'not_found' }, fields);
  }
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return send(response, 405, { error: 'invalid_request' }, { allow: 'GET, HEAD', ...fields });
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache', ...fields });
  response.end(page);
}

// Visible ASCII without `:`, `%` and `+`: curl and most clients put an id into Basic as it is, although RFC 6749
// section 2.3.1 wants it form-encoded; in these letters both are the same.
const CLIENT_ID = /^[\x21-\x24\x26-\x2a\x2c-\x39\x3b-\x7e]{1,256}$/;

function configFaults({ issuer, audience, clients }: IssuerConfig): string[] {
  const faults: string[] = [];
  if (URL.parse(issuer)?.origin !== issuer) {
    faults.push(`issuer: ${issuer} is not an origin (scheme, host and port, no path, no slash at the end)`);
  }
  if (URL.parse(audience) === null || audience.includes('#')) {
    faults.push(`audience: ${audience} is not an absolute URL without fragment (RFC 8707 section 2)`);
  }
  const seen = new Set<string>();
  for (const { client_id: id, client_secret: secret } of clients) {
    if (!CLIENT_ID.test(id)) {
      faults.push(
        `client ${JSON.stringify(id)}: an id is 1 to 256 visible ASCII characters other than : % +`,
      );
    }
    if (seen.has(id)) faults.push(`client ${id}: is listed twice`);
    seen.add(id);
    if (!/^[A-Za-z0-9_-]{32,512}$/.test(secret)) {
      faults.push(`client ${id}: its secret must be 32 to 512 base64url characters`);
    }
  }
  return faults;
}
