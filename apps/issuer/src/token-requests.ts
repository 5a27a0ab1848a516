import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Connections } from '@ideogate/fair-share';
import { clientAuthenticator } from './client-authentication.ts';
import type { ClientSecret } from './clients.ts';
import type { IssuerCounters, RefusalReason } from './counts.ts';
import { type AuthenticationFailure, FailureRows } from './failures.ts';
import type { PacedAnswers } from './paced-answers.ts';
import { BackOff, type Pace, RateLimit } from './rates.ts';
import { isBodySmall, readBody, withBody } from './request-body.ts';
import { send } from './send.ts';
import type { IssuerLimits } from './settings.ts';
import type { TokenEndpoint } from './token-endpoint.ts';
import { Turns } from './turns.ts';

interface TokenRequestsOptions {
  readonly issuer: string;
  readonly clients: readonly ClientSecret[];
  readonly limits: IssuerLimits;
  readonly endpoint: TokenEndpoint;
  readonly connections: Connections;
  readonly paced: PacedAnswers;
  /** Of refusals, by address or by client. */
  readonly refusals: Pace;
  readonly counters: IssuerCounters;
  addressOf(request: IncomingMessage): string | null;
  onAuthenticationFailure(failure: AuthenticationFailure): void;
}

/** Requests for tokens, on their way to oidc-provider. */
export interface TokenRequests {
  answer(request: IncomingMessage, response: ServerResponse): Promise<void>;
  readonly failures: FailureRows;
  inFlight(): number;
}

/** How a refusal is answered. */
interface Refusal {
  readonly reason: RefusalReason;
  readonly status: number;
  readonly error: string;
  readonly description: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whose refusals are paced. */
  readonly pacedBy: string;
}

/**
 * The life of a request for a token. Who asks is known first, in microseconds; from then on each pays from its own: who
 * proves to be a client, by that client's rate and turns; whoever does not, by its address. So neither a flood of wrong
 * secrets nor a client that asks without end keeps another client from its token, whatever address they share.
 *
 * A right secret is never made to wait for wrong ones: secrets have 192 bits and more, so that guessing them is no danger
 * (RFC 6749 section 10.10), and a back-off for all would let anybody shut out a client of the same machine.
 */
export function createTokenRequests(options: TokenRequestsOptions): TokenRequests {
  const { limits, counters, connections, paced } = options;
  const now = () => performance.now();
  const authenticate = clientAuthenticator(options.clients);
  const addressRate = new RateLimit(limits.perAddress, now);
  const clientRate = new RateLimit(limits.perClient, now);
  const backOff = new BackOff(now);
  const turns = new Turns();
  const failures = new FailureRows(limits.failureRows, Date.now);

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const client = authenticateClient(request);
    if (!client.ok) return refuse(client.refusal, request, response);
    const { clientId } = client;
    const wait = clientRate.take(clientId);
    if (wait !== null) return refuse(tooManyOf(clientId, wait), request, response);
    const body = await readBody(request);
    if (!body.ok) return refuse(bodyRefusal(body.reason, clientId), request, response);
    const release = connections.hold(request.socket);
    try {
      const turn = await turns.take(clientId);
      if (!turn.ok) return await refuse(busy(turn.reason, clientId), request, response);
      try {
        await options.endpoint(withBody(request, body.bytes), response);
        count(response.statusCode);
      } finally {
        turn.done();
      }
    } finally {
      release();
    }
  }

  function authenticateClient(
    request: IncomingMessage,
  ): { readonly ok: true; readonly clientId: string } | { readonly ok: false; readonly refusal: Refusal } {
    const address = options.addressOf(request);
    const peer = address ?? 'unknown';
    // Node keeps the first of two Authorization fields in silence.
    const fields = request.headersDistinct['authorization'] ?? [];
    const found =
      fields.length > 1
        ? ({ ok: false, reason: 'malformed-credentials', clientId: null } as const)
        : authenticate(fields[0]);
    if (found.ok) return found;
    const { reason, clientId } = found;
    counters.authenticationFailures[reason]++;
    const row = failures.add({ reason, clientId, address });
    if (row !== null) options.onAuthenticationFailure(row);
    const pacedBy = pacedByAddress(peer);
    const rate = addressRate.take(peer);
    if (rate !== null) return { ok: false, refusal: tooMany('address-rate', rate, pacedBy) };
    const away = backOff.failed(`${peer} ${clientId ?? ''}`);
    if (away !== null) return { ok: false, refusal: tooMany('back-off', away, pacedBy) };
    if (fields.length > 1) {
      const description = 'client authentication must only be provided once';
      return {
        ok: false,
        refusal: { reason, status: 400, error: 'invalid_request', description, pacedBy },
      };
    }
    return {
      ok: false,
      refusal: {
        reason,
        status: 401,
        error: 'invalid_client',
        description:
          reason === 'no-credentials'
            ? 'a client authenticates with its id and secret by HTTP Basic'
            : 'client authentication failed',
        headers: { 'www-authenticate': `Basic realm="${options.issuer}"` },
        pacedBy,
      },
    };
  }

  function count(status: number): void {
    if (status === 200) counters.tokens++;
    else counters.refusals[status >= 500 ? 'server-error' : 'invalid-request']++;
  }

  async function refuse(refusal: Refusal, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { reason, status, error, description, headers = {}, pacedBy } = refusal;
    counters.refusals[reason]++;
    if (reason === 'body-cut-short') return;
    const isLast = reason === 'body-too-slow' || !isBodySmall(request);
    const fields = await paced.turn(options.refusals, pacedBy, request.socket, isLast);
    if (fields !== null)
      send(response, status, { error, error_description: description }, { ...headers, ...fields });
  }

  return { answer, failures, inFlight: () => turns.inFlight };
}

/** Whose pace a refusal goes by that nobody proved to be asked for by. */
export function pacedByAddress(address: string): string {
  return `address ${address}`;
}

function tooManyOf(clientId: string, waitMs: number): Refusal {
  return tooMany('client-rate', waitMs, `client ${clientId}`);
}

/**
 * 429 (RFC 6585) with `temporarily_unavailable`, the registered code whose meaning fits. `slow_down` belongs to the device
 * grant (RFC 8628 section 3.5), where it says that an authorization is still pending.
 */
function tooMany(
  reason: 'address-rate' | 'back-off' | 'client-rate',
  waitMs: number,
  pacedBy: string,
): Refusal {
  return {
    reason,
    status: 429,
    error: 'temporarily_unavailable',
    description: TOO_MANY[reason],
    headers: retryAfter(waitMs),
    pacedBy,
  };
}

const TOO_MANY = {
  'address-rate': 'too many requests from this address without the secret of a client',
  'back-off': 'client authentication failed too often from this address',
  'client-rate': 'this client asks for too many tokens: a token is good for many calls until it expires',
} as const;

function busy(reason: 'client-waiting' | 'overloaded', clientId: string): Refusal {
  const own = reason === 'client-waiting';
  return {
    reason,
    status: own ? 429 : 503,
    error: 'temporarily_unavailable',
    description: own ? 'too many requests of this client wait already' : 'the issuer is busy',
    headers: retryAfter(1000),
    pacedBy: `client ${clientId}`,
  };
}

function bodyRefusal(
  reason: 'body-too-large' | 'body-too-slow' | 'body-cut-short',
  clientId: string,
): Refusal {
  return {
    reason,
    // RFC 6749 section 5.2 has 400 for whatever is malformed.
    status: reason === 'body-too-slow' ? 408 : 400,
    error: 'invalid_request',
    description: reason === 'body-too-slow' ? 'the body did not come in time' : 'the body is too large',
    pacedBy: `client ${clientId}`,
  };
}

function retryAfter(waitMs: number): Record<string, string> {
  return { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) };
}
