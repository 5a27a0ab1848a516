import { readCredential } from '@ideogate/access-token';
import type { Gateway } from '../context.ts';
import type { Refusal } from '../refusal.ts';
import type { Step } from '../step.ts';

/** Step 4: exactly one credential, verified. The caller learns that it failed; the record learns why. */
export const authenticate: Step = async (call, gateway) => {
  if (call.request === null) return { problem: 'internal-error', reason: 'no-request' };
  const credential = readCredential(call.request.rawHeaders, call.query);
  if (!credential.ok) {
    switch (credential.kind) {
      case 'missing':
        return challenge(gateway, 'authentication-required', credential.reason);
      case 'malformed':
        return challenge(gateway, 'invalid-token', credential.reason, 'invalid_token');
      case 'ambiguous':
        return challenge(gateway, 'invalid-credential', credential.reason, 'invalid_request');
    }
  }
  const verdict = gateway.verifier.verify(credential.token);
  const verified = verdict instanceof Promise ? await verdict : verdict;
  if (verified.ok) {
    call.token = verified;
    return null;
  }
  if (verified.kind === 'unavailable') {
    const retryAfter = String(verified.retryAfterSeconds ?? 1);
    return { problem: 'keys-unavailable', reason: verified.reason, headers: { 'retry-after': retryAfter } };
  }
  return challenge(gateway, 'invalid-token', verified.reason, 'invalid_token');
};

/** A refusal with its challenge (RFC 6750 section 3, RFC 9728 section 5.1). */
export function challenge(
  gateway: Gateway,
  problem: NonNullable<Refusal['problem']>,
  reason: string,
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
