import type { Reason } from '@ideogate/contract';
import { parseTarget } from '../edge/target.ts';
import { type Arrived, learn, type Received } from '../call.ts';
import type { Step } from './pipeline.ts';

/** Step 3, second half: one meaning for the target, or refusal. What was matched is what is forwarded. */
export const readTarget: Step<Received, Arrived> = (call, gateway) => {
  const { maxTargetBytes } = gateway.config.limits;
  if (call.target.length > maxTargetBytes) {
    return {
      problem: 'target-too-long',
      reason: 'target-length',
      detail: `The limit is ${maxTargetBytes} bytes.`,
    };
  }
  const target = parseTarget(call.target, gateway.isOwnHost);
  if ('fault' in target) {
    return {
      problem: 'invalid-target',
      reason: target.fault,
      detail: DETAILS[target.fault] ?? 'Send the path exactly as the API reference spells it.',
    };
  }
  // What routes the call must read what was decided on, and not a host before it.
  call.request.url = target.originForm;
  return learn(call, { target: target.originForm, path: target.path, query: target.query });
};

const DETAILS: Readonly<Partial<Record<Reason, string>>> = {
  'not-origin-form': 'The target must be a path that begins with a slash.',
  'other-host': 'The target names another host: this gateway is no proxy to others.',
  'double-slash': 'The path holds two slashes in a row: leave out the empty segment.',
  'path-parameter': 'The path holds a semicolon, which some readers end a segment at.',
  backslash: 'The path holds a backslash, which some readers take for a slash.',
  fragment: 'The target holds a #: what stands behind it belongs to the client alone.',
  'reserved-escape': 'The path holds an escape of a byte that means something when it stands for itself.',
  'needless-escape': 'The path escapes a byte that needs no escape: send it as it is.',
  'path-byte': 'The path holds a byte that must be escaped, or a percent sign that is no escape.',
  'path-escape': 'The path holds escapes that are no UTF-8 text.',
  'dot-segment': 'The path holds a segment that begins or ends with two dots, or is a single one.',
  'query-byte': 'The query holds a byte that must be escaped, or a percent sign that is no escape.',
};
