import type { Call } from './call.ts';
import type { Gateway } from './context.ts';
import { faultOf } from '@ideogate/contract';
import type { Refusal } from './refusal.ts';
import type { Step } from './step.ts';
import { admitAddress, admitCaller, awaitTurn } from './steps/admit.ts';
import { authenticate } from './steps/authenticate.ts';
import { limitByAddress, limitBySubject } from './steps/limit-rate.ts';
import { checkQueryBounds, readBody } from './steps/check-bounds.ts';
import { decideByPolicy } from './steps/decide.ts';
import { findOperation } from './steps/find-operation.ts';
import { checkKillSwitch } from './steps/check-kill-switch.ts';
import { pickKey } from './steps/pick-key.ts';
import { readHead } from './steps/read-head.ts';
import { readTarget } from './steps/read-target.ts';
import { refuseBodyOnGet } from './steps/refuse-body-on-get.ts';
import { startUpload } from './steps/start-upload.ts';
import { writeDecision } from './steps/write-decision.ts';

/*
 * The life of a call.
 *
 * A call is named (`edge/listener.ts`) before anything else, so that every answer and every row carries its id.
 * Then these steps run in this order, and the first that refuses ends the call: `finish/finish-call.ts` records the refusal
 * and answers it.
 */

/** For everything that reaches the listener, the gateway's own pages included. */
export const ARRIVAL: readonly Step[] = [awaitTurn, limitByAddress, readHead, readTarget];

/** For everything that is not one of the gateway's own pages. */
export const DECISION: readonly Step[] = [
  admitAddress,
  authenticate,
  admitCaller,
  limitBySubject,
  findOperation,
  decideByPolicy,
  checkQueryBounds,
  refuseBodyOnGet,
  readBody,
  pickKey,
  checkKillSwitch,
  writeDecision,
  startUpload,
];

/*
 * Once the decision is committed, @fastify/http-proxy forwards the call through `upstream/dispatcher.ts`, which
 * puts the key in last, beneath every hook and log, and streams both ways. `finish/finish-call.ts` writes the outcome when
 * both sides are done: upstream answered or failed, caller served or gone.
 */

/** Walks the steps; stops at the first refusal. A step that fails is a fault of ours, and refuses (500). */
export async function walk(steps: readonly Step[], call: Call, gateway: Gateway): Promise<Refusal | null> {
  try {
    for (const step of steps) {
      const answer = step(call, gateway);
      const refusal = answer instanceof Promise ? await answer : answer;
      if (refusal !== null) return refusal;
    }
    return null;
  } catch (error) {
    gateway.log.error({ call_id: call.id, error: faultOf(error) }, 'a step failed');
    return { problem: 'internal-error', reason: 'step-failed' };
  }
}
