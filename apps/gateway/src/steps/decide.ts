import { decide } from '@ideogate/policy';
import type { Step } from '../step.ts';
import { challenge } from './authenticate.ts';

/** Step 6: policy's word, a pure function of release, environment, caller, token and operation. */
export const decideByPolicy: Step = (call, gateway) => {
  const { token, operation } = call;
  if (token === null || operation === null) return { problem: 'internal-error', reason: 'undecidable' };
  const decision = decide(gateway.release, {
    environment: gateway.config.environment,
    caller: { issuer: token.issuer, subject: token.subject },
    scopes: token.scopes,
    scopeText: token.scopeText,
    operation,
    quote: call.quote,
  });
  if (decision.allow) {
    call.allowed = { ...decision, release: gateway.release.id };
    return null;
  }
  const members = {
    scope: decision.scope,
    rule: decision.rule,
    release: gateway.release.id,
    operation: operation.id,
  };
  if (decision.problem === 'operation-closed') {
    return { problem: decision.problem, reason: decision.reason, detail: decision.detail, members };
  }
  const refusal = challenge(
    gateway,
    decision.problem,
    decision.reason,
    'insufficient_scope',
    decision.scope ?? undefined,
  );
  return { ...refusal, detail: decision.detail, members };
};
