import { sendContinue } from '../edge/send-continue.ts';
import { readWhole } from '../edge/read-whole.ts';
import type { Refusal } from '../refusal.ts';
import type { Received } from '../call.ts';
import type { Check } from './pipeline.ts';

/**
 * A GET may say `Transfer-Encoding: chunked` and then send nothing, as clients do that are given an empty stream for a
 * body: its content is empty, and so it has none (RFC 9110 section 9.3.1). A byte or more has no meaning there, and is
 * refused.
 */
export const refuseBodyOnGet: Check<Received> = async (call) => {
  const { request, method } = call;
  if (!call.hasBody || (method !== 'GET' && method !== 'HEAD')) return null;
  sendContinue(call);
  const body = await readWhole(request, 0, BODY_ON_GET);
  if (!Buffer.isBuffer(body)) return body;
  call.hasBody = false;
  return null;
};

const BODY_ON_GET: Refusal = {
  problem: 'invalid-request',
  reason: 'body-on-get',
  detail: 'GET and HEAD carry no body.',
};
