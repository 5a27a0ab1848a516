import { recordDecision } from '../record-of-call.ts';
import { callerIsGone } from '../call.ts';
import { CALLER_LEFT } from '../refusal.ts';
import { inviteBody } from '../edge/continue.ts';
import type { Step } from '../step.ts';
import { WatchedBody } from '../upstream/watched-body.ts';

/** Step 8: nothing goes out before its decision is committed. */
export const writeDecision: Step = async (call, gateway) => {
  if (callerIsGone(call)) return CALLER_LEFT;
  const verdict = await gateway.record.decide(recordDecision(call, gateway));
  switch (verdict) {
    case 'committed':
      call.decidedAt = performance.now();
      return null;
    case 'unavailable':
    case 'overloaded':
      return { problem: 'record-unavailable', reason: `record-${verdict}`, headers: { 'retry-after': '1' } };
  }
};

/** The upload begins only now: `100 Continue` comes after the decision (RFC 9110 section 10.1.1). */
export const letBodyIn: Step = (call) => {
  const { request, response, body } = call;
  if (request === null || response === null || !(body instanceof WatchedBody)) return null;
  inviteBody(call);
  request.pipe(body);
  // `pipe` does not carry an abort on: without this the upstream would wait for the rest for ever.
  request.once('close', () => {
    if (!request.complete) body.destroy(new Error('the caller left during the upload'));
  });
  body.once('close', () => {
    request.unpipe(body);
    request.resume();
  });
  return null;
};
