import type { Reason } from '@ideogate/contract';
import { type Genuine, looksLikeApiKey, readCredential, type Rejected } from '@ideogate/access-token';
import { type Arrived, type Authenticated, learn } from '../call.ts';
import type { Gateway } from '../context.ts';
import type { Refusal } from '../refusal.ts';
import type { Step } from './pipeline.ts';

/**
 * Step 4: exactly one credential, verified. The record learns why one failed. The caller learns it where that helps no
 * forger: what was no token at all, and what the holder of a genuine token could know (REQUIREMENTS B.24).
 */
export const authenticate: Step<Arrived, Authenticated> = async (call, gateway) => {
  const credential = readCredential(call.request.rawHeaders, call.query);
  if (!credential.ok) {
    const detail = WITHOUT_TOKEN[credential.reason];
    switch (credential.kind) {
      case 'missing':
        return { ...challenge(gateway, 'authentication-required', credential.reason), detail };
      case 'malformed':
        return { ...challenge(gateway, 'invalid-token', credential.reason, 'invalid_token'), detail };
      case 'ambiguous':
        return { ...challenge(gateway, 'invalid-credential', credential.reason, 'invalid_request'), detail };
    }
  }
  const { token } = credential;
  const verdict = gateway.verifier.verify(token);
  const verified = verdict instanceof Promise ? await verdict : verdict;
  if (verified.ok) return learn(call, { token: verified });
  if (verified.kind === 'unavailable') {
    const retryAfter = String(verified.retryAfterSeconds ?? 1);
    return { problem: 'keys-unavailable', reason: verified.reason, headers: { 'retry-after': retryAfter } };
  }
  if (verified.reason === 'token-not-compact') {
    if (gateway.keys.inHeaders([token])) return apiKey(gateway, 'credential-known-key');
    if (looksLikeApiKey(token)) return apiKey(gateway, 'credential-api-key');
  }
  call.refusedToken = verified.genuine ?? null;
  const refusal = challenge(gateway, 'invalid-token', verified.reason, 'invalid_token');
  const detail = isNoToken(verified, token) ? NO_TOKEN : detailOf(verified, gateway.config.identifier);
  return detail === null ? refusal : { ...refusal, detail };
};

const NO_TOKEN =
  'What was sent is no access token: three words of letters, digits, - and _, with a full stop between them.';

const WITHOUT_TOKEN: Readonly<
  Record<Extract<ReturnType<typeof readCredential>, { ok: false }>['reason'], string>
> = {
  'credential-missing': 'No token was sent.',
  'credential-scheme-unknown': 'Authorization holds another scheme than Bearer: no token was sent.',
  'credential-in-query':
    'A credential stands in the query, where logs keep it: get a new one, and send it in a header.',
  'credential-repeated': 'A field for the token was sent twice.',
  'credential-in-two-fields': 'Authorization and Api-Key were both sent: leave out one of them.',
  'credential-malformed': NO_TOKEN,
  'credential-dpop-not-offered': 'DPoP is not offered here: send the token as Bearer, if it may be used so.',
};

/** Never with the key itself, in the answer or on record: it is a secret of somebody's. */
function apiKey(gateway: Gateway, reason: Reason): Refusal {
  return {
    ...challenge(gateway, 'invalid-token', reason, 'invalid_token'),
    detail:
      'What was sent looks like an Ideogram API key. Here a token from the issuer takes its place; if it is a real key, ' +
      'revoke it at Ideogram, for it has been where it does not belong.',
  };
}

/** Nobody tried to make one: what begins like one may be a forger's. */
function isNoToken({ reason }: Rejected, sent: string): boolean {
  return reason === 'token-not-compact' && !/^ey[^.]*\./.test(sent);
}

/** One sentence, or null: then the answer is the one that all have in common. */
function detailOf({ reason, genuine }: Rejected, identifier: string): string | null {
  if (genuine === undefined) return null;
  switch (reason) {
    case 'token-expired':
      return `The token expired at ${timeOf(genuine.expiresAt)}.`;
    case 'token-not-yet-valid':
      return `The token is valid from ${timeOf(genuine.claims.notBefore ?? genuine.claims.issuedAt)} on, which has not come by this gateway's clock.`;
    case 'token-issued-in-future':
      return `The token was issued at ${timeOf(genuine.claims.issuedAt)}, which has not come by this gateway's clock.`;
    case 'token-audience-mismatch':
      return `The token is ${audienceOf(genuine)}; this gateway is ${identifier}.`;
    default:
      return null;
  }
}

/** The issuer's word for another gateway, if it is an address and nothing else. */
function audienceOf({ claims }: Genuine): string {
  const addresses = claims.audience.filter(isPlainAddress).slice(0, 3);
  return addresses.length === claims.audience.length ? `for ${addresses.join(' and ')}` : 'for somebody else';
}

function isPlainAddress(text: string): boolean {
  return /^https?:\/\/[A-Za-z0-9.:[\]-]{1,200}(?:\/[A-Za-z0-9._~/-]{0,200})?$/.test(text);
}

function timeOf(seconds: number): string {
  return new Date(Math.floor(seconds) * 1000).toISOString().replace('.000Z', 'Z');
}

/** A refusal with its challenge (RFC 6750 section 3, RFC 9728 section 5.1). */
export function challenge(
  gateway: Gateway,
  problem: NonNullable<Refusal['problem']>,
  reason: Reason,
  error?: 'invalid_token' | 'invalid_request' | 'insufficient_scope',
  scope?: string,
): Refusal {
  const parameters = [
    'realm="ideogate"',
    ...(error === undefined ? [] : [`error="${error}"`]),
    ...(scope === undefined ? [] : [`scope="${scope}"`]),
    `resource_metadata="${gateway.metadataUrl}"`,
  ];
  return { problem, reason, headers: { 'www-authenticate': `Bearer ${parameters.join(', ')}` } };
}
