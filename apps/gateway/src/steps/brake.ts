import type { Refusal } from '../refusal.ts';
import type { Step } from '../step.ts';

/** Step 2: a limit per peer address before anything is read. What it stops is counted, and has no row. */
export const brakeStrangers: Step = async (call, gateway) => {
  const verdict = await gateway.brakes.byAddress(call.address ?? 'unknown');
  return verdict === null ? null : tooMany('address-rate', verdict);
};

/** After authentication: a limit per caller, so that one service cannot crowd out the others. */
export const brakeSubject: Step = async (call, gateway) => {
  const verdict = await gateway.brakes.bySubject(`${call.token?.issuer} ${call.token?.subject}`);
  return verdict === null ? null : tooMany('subject-rate', verdict);
};

function tooMany(reason: string, retryAfterSeconds: number): Refusal {
  return {
    problem: 'too-many-requests',
    reason,
    headers: { 'retry-after': String(retryAfterSeconds) },
  };
}
