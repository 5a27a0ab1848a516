import { decide } from '@ideogate/policy';
import type { Step } from './pipeline.ts';
import { type Authorized, learn, type Matched } from '../call.ts';
import { challenge } from './authenticate.ts';

/** Step 6: policy's word, a pure function of release, environment, caller, token and operation. */
export const decideByPolicy: Step<Matched, Authorized> = (call, gateway) => {
  const { token, operation } = call;
  const decision = decide(gateway.release, {
    environment: gateway.config.environment,
    caller: { issuer: token.issuer, subject: token.subject },
    scopes: token.scopes,
    scopeText: token.scopeText,
    operation,
    quote: call.quote,
  });
  if (decision.allow) return learn(call, { allowed: { ...decision, release: gateway.release.id } });
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
