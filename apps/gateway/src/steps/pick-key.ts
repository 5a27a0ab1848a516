import type { Matched } from '../call.ts';
import type { Check } from './pipeline.ts';

/**
 * Before step 8, so that the decision names the key: the call keeps it to its end, whatever is rotated meanwhile. A slot
 * never stands in for the other.
 */
export const pickKey: Check<Matched> = (call, gateway) => {
  const { capability } = call;
  if (capability === 'none') return null;
  const key = gateway.keys.pick(capability);
  if (key === 'missing') return { problem: 'no-key', reason: `no-${capability}-key` };
  if (key === 'too-old') return { problem: 'no-key', reason: `${capability}-key-too-old` };
  call.key = key;
  return null;
};
