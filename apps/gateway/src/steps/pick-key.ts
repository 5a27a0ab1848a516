import { capabilityOf } from '../record-of-call.ts';
import type { Step } from '../step.ts';

/**
 * Before step 8, so that the decision names the key: the call keeps it to its end, whatever is rotated meanwhile. A slot
 * never stands in for the other.
 */
export const pickKey: Step = (call, gateway) => {
  const capability = capabilityOf(call);
  if (capability === 'none') return null;
  call.key = gateway.keys.pick(capability);
  return call.key === null ? { problem: 'no-key', reason: `no-${capability}-key` } : null;
};
