import { parseTarget } from '../edge/target.ts';
import type { Step } from '../step.ts';

/** Step 3, second half: one meaning for the target, or refusal. What was matched is what is forwarded. */
export const readTarget: Step = (call, gateway) => {
  const { maxTargetBytes } = gateway.config.limits;
  if (call.target.length > maxTargetBytes) {
    return {
      problem: 'target-too-long',
      reason: 'target-length',
      detail: `The limit is ${maxTargetBytes} bytes.`,
    };
  }
  const target = parseTarget(call.target);
  if ('fault' in target) {
    return {
      problem: 'invalid-target',
      reason: target.fault,
      detail: 'Send the path exactly as the API reference spells it.',
    };
  }
  call.path = target.path;
  call.query = target.query;
  return null;
};
