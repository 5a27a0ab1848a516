import { addressKey, admit, callerKey, releaseLeases, whileUploading } from '../admission/admit.ts';
import { Lease } from '../admission/shared-pool.ts';
import type { Step } from '../step.ts';

/** Step 2: until its caller is known a call counts for its address, among calls that nobody is known of. */
export const admitAddress: Step = async (call, { admission }) => {
  const answer = await admit(call, admission.unauthenticated, addressKey(call), 1);
  return answer instanceof Lease ? null : answer;
};

/** From here on it counts for its caller. */
export const admitCaller: Step = async (call, { admission, interrupt }) => {
  releaseLeases(call);
  const { calls } = admission;
  const answer = await admit(call, calls, callerKey(call), 1, whileUploading(call, calls, interrupt));
  return answer instanceof Lease ? null : answer;
};
