import { decisionEvent } from '../finish/audit-events.ts';
import { type Authorized, callerIsGone, type Decided, learn } from '../call.ts';
import { CLIENT_DISCONNECTED } from '../refusal.ts';
import type { Step } from './pipeline.ts';

/** Step 8: nothing goes out before its decision is committed. */
export const writeDecision: Step<Authorized, Decided> = async (call, gateway) => {
  if (callerIsGone(call)) return CLIENT_DISCONNECTED;
  const verdict = await gateway.record.decide(decisionEvent(call, gateway));
  switch (verdict) {
    case 'committed':
      return learn(call, { decidedAt: performance.now() });
    case 'unavailable':
    case 'overloaded':
      return { problem: 'record-unavailable', reason: `record-${verdict}`, headers: { 'retry-after': '1' } };
  }
};
