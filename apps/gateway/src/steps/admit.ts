import { addressKey, admit, callerKey, releaseLeases, whileUploading } from '../admission/admit.ts';
import { Lease } from '../admission/shared-pool.ts';
import type { Authenticated, Call } from '../call.ts';
import type { Check } from './pipeline.ts';

/** Before anything else: many requests at once begin in turn, so that one from another address is not behind them all. */
export const awaitTurn: Check<Call> = async (call, { admission }) => {
  const turn = admission.arrivals.next(addressKey(call));
  if (turn !== null) await turn;
  return null;
};

/** Step 2: until its caller is known a call counts for its address, among calls that nobody is known of. */
export const admitAddress: Check<Call> = async (call, { admission }) => {
  const answer = await admit(call, admission.unauthenticated, addressKey(call), 1);
  return answer instanceof Lease ? null : answer;
};

/** From here on it counts for its caller. */
export const admitCaller: Check<Authenticated> = async (call, { admission, interrupt }) => {
  releaseLeases(call);
  const { calls } = admission;
  const answer = await admit(call, calls, callerKey(call), 1, whileUploading(call, calls, interrupt));
  return answer instanceof Lease ? null : answer;
};
