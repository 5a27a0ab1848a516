import { sendContinue } from '../edge/send-continue.ts';
import type { Decided } from '../call.ts';
import type { Check } from './pipeline.ts';
import { InspectedBody } from '../upstream/inspected-body.ts';

/** The upload begins only now: `100 Continue` comes after the decision (RFC 9110 section 10.1.1). */
export const startUpload: Check<Decided> = (call) => {
  const { request, body } = call;
  if (!(body instanceof InspectedBody)) return null;
  sendContinue(call);
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
