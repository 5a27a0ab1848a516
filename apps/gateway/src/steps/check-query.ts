import { checkQuery } from '@ideogate/request-body';
import type { Authorized } from '../call.ts';
import { refusalOf } from '../refusal.ts';
import type { Check } from './pipeline.ts';

/** Step 7, first half: what the query may hold. */
export const checkQueryBounds: Check<Authorized> = (call, gateway) => {
  const fault = checkQuery(call.operation, call.allowed.level, call.query, gateway.webhookUrls);
  return fault === null ? null : refusalOf(fault, call.allowed);
};
