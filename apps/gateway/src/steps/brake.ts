import type { Refusal } from '../refusal.ts';
import type { Step } from '../step.ts';

/** Step 2: a limit per peer address before anything is read. What it stops is counted, and has no row. */
export const brakeStrangers: Step = async (call, gateway) => {
  const verdict = await gateway.brakes.byAddress(call.address ?? 'unknown');
  if (verdict === null) return null;
  const { perAddress, windowMs } = gateway.config.rates;
  return tooMany('address-rate', 'This address', 'each address', perAddress, windowMs, verdict);
};

/** After authentication: a limit per caller, so that one service cannot crowd out the others. */
export const brakeSubject: Step = async (call, gateway) => {
  const verdict = await gateway.brakes.bySubject(`${call.token?.issuer} ${call.token?.subject}`);
  if (verdict === null) return null;
  const { perSubject, windowMs } = gateway.config.rates;
  return tooMany('subject-rate', 'This caller', 'each caller', perSubject, windowMs, verdict);
};

/** Which limit it was, whose, how many, and when there is room again. */
function tooMany(
  reason: string,
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
