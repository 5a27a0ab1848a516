import { readCredential } from '@ideogate/access-token';
import type { Reason } from '@ideogate/contract';
import { addressKey } from '../admission/admit.ts';
import { type Authenticated, type Call, callerIsGone } from '../call.ts';
import type { Gateway } from '../context.ts';
import { isProbe } from '../edge/system-paths.ts';
import type { Refusal } from '../refusal.ts';
import type { Check } from './pipeline.ts';

/**
 * Step 2: a limit per address before anything is read. What it stops is counted, and has no row. Who asks whether the
 * gateway lives is not counted; and whoever proves to be a caller goes on, so that the others at its address, as
 * behind a proxy that isn't listed, can't shut it out.
 */
export const limitByAddress: Check<Call> = async (call, gateway) => {
  if (isProbe(call)) return null;
  const wait = await gateway.rateLimits.byAddress(call.address ?? 'unknown');
  if (wait === null || (await isProvenCaller(call, gateway))) return null;
  const { perAddress, windowMs } = gateway.config.rates;
  return tooMany('address-rate', 'This address', 'each address', perAddress, windowMs, wait);
};

/** After authentication: a limit per caller, so that one service cannot crowd out the others. */
export const limitBySubject: Check<Authenticated> = async (call, gateway) => {
  const wait = await gateway.rateLimits.bySubject(subjectOf(call.token));
  if (wait === null) return null;
  const { perSubject, windowMs } = gateway.config.rates;
  return tooMany('subject-rate', 'This caller', 'each caller', perSubject, windowMs, wait);
};

/**
 * A token that was verified before costs a look into memory. Others are verified in their turn, however many came before
 * them: a number of them would be used up by who sends junk, and their callers shut out. Each caller gets past so often
 * as its own limit is: what it then sends may be no call at all, and would never be counted for it.
 */
async function isProvenCaller(call: Call, { verifier, rateLimits, admission }: Gateway): Promise<boolean> {
  // The query isn't read yet; a credential in it is refused where all of them are read.
  const credential = readCredential(call.request?.rawHeaders ?? [], '');
  if (!credential.ok) return false;
  const { token } = credential;
  const remembered = verifier.remembered(token);
  if (remembered !== null) return (await rateLimits.byProvenCaller(subjectOf(remembered))) === null;
  const turn = admission.newTokens.next(addressKey(call), () => callerIsGone(call));
  if (turn !== null) await turn;
  if (callerIsGone(call)) return false;
  const verified = await verifier.verify(token);
  return verified.ok && (await rateLimits.byProvenCaller(subjectOf(verified))) === null;
}

function subjectOf(token: { readonly issuer: string; readonly subject: string }): string {
  return `${token.issuer} ${token.subject}`;
}

/** Which limit it was, whose, how many, and when there is room again. */
function tooMany(
  reason: Reason,
  who: string,
  whose: string,
  limit: number,
  windowMs: number,
  retryAfterSeconds: number,
): Refusal {
  const window = Math.round(windowMs / 1000);
  return {
    problem: 'too-many-requests',
    reason,
    detail: `${who} sent more than ${limit} requests in ${window} s, the limit of ${whose}. Try again in ${retryAfterSeconds} s.`,
    headers: { 'retry-after': String(retryAfterSeconds) },
    members: { limit_of: whose, limit, window_seconds: window, retry_after_seconds: retryAfterSeconds },
  };
}
