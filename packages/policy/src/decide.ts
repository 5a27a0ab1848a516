import {
  didYouMean,
  type EnvironmentName,
  isReadScope,
  type Operation,
  parseScope,
  type ScopeName,
} from '@ideogate/contract';
import { type CallerIdentity, callerOf, type Release, type Scopes } from './release.ts';
import { isCovered } from './scope-patterns.ts';

/** What is asked: may this caller, with these scopes in its token, run this operation here? */
export interface AuthorizationRequest {
  readonly environment: EnvironmentName;
  readonly caller: CallerIdentity;
  /** Plain scopes of the verified token. */
  readonly scopes: ReadonlySet<ScopeName>;
  /** The token's `scope` as it stands, words that are no scopes included: asked only for what may have been meant. */
  readonly scopeText?: string;
  readonly operation: Operation;
  /** The query is exactly `dry_run=true`. Means something only where the operation declares it. */
  readonly quote: boolean;
}

/** Why a call was refused, finer than the problem the caller sees. */
export type RefusalReason =
  | 'operation-closed'
  | 'operation-unknown'
  | 'unknown-environment'
  | 'unknown-caller'
  | 'no-grant'
  | 'ceiling-lacks-scope'
  | 'grant-lacks-scope'
  /** `write:limited` is there, and does not cover this operation. */
  | 'not-limited'
  | 'scope-not-in-token';

/** Whether a call may go on, how, and by which rule. */
export type Decision =
  | {
      readonly allow: true;
      readonly level: 'full' | 'limited';
      readonly scope: ScopeName;
      /** `file:line` of the rule that sets the level. */
      readonly rule: string;
    }
  | {
      readonly allow: false;
      readonly problem: 'operation-closed' | 'insufficient-scope';
      readonly reason: RefusalReason;
      /** The scope the call needs; null on a closed operation. */
      readonly scope: ScopeName | null;
      /** `file:line` of the ceiling or grant that refuses, or `token`, `catalogue`, `policy`. */
      readonly rule: string;
      /** A sentence for the caller. */
      readonly detail: string;
    };

type Refusal = Extract<Decision, { allow: false }>;

/**
 * Decides one call: the smallest of what token, ceiling and grant give. Nothing is allowed by default, and the
 * operation counts as this release has it, not as it was handed in. Policy is asked before the token, so that
 * the caller hears first what no token could mend.
 */
export function decide(release: Release, request: AuthorizationRequest): Decision {
  const operation = release.operationsById.get(request.operation.id);
  if (operation === undefined) {
    return refuse('operation-unknown', null, 'catalogue', 'This release knows no such operation.');
  }
  if (operation.closed !== null || operation.scope === null) {
    return refuse('operation-closed', null, 'catalogue', `No scope opens ${operation.id}.`);
  }
  const scope: ScopeName = request.quote && operation.dryRun ? 'read:quote' : operation.scope;
  const environment = release.environments.get(request.environment);
  if (environment === undefined) {
    return refuse(
      'unknown-environment',
      scope,
      'policy',
      `The policy does not declare ${request.environment}.`,
    );
  }
  const caller = callerOf(release, request.caller);
  if (caller === undefined) {
    const near = didYouMean(request.caller.subject, subjectsNear(release, request.caller));
    const hint = near === undefined ? '' : ` Did you mean ${near}?`;
    const detail = `The policy names no such caller; ${scope} is needed.${hint}`;
    return refuse('unknown-caller', scope, 'policy', detail);
  }
  const grant = caller.grants.get(request.environment);
  if (grant === undefined) {
    const detail = `The policy grants this caller nothing in ${request.environment} (${caller.rule}); ${scope} is needed.`;
    return refuse('no-grant', scope, caller.rule, detail);
  }
  const ceilingHas = levelIn(environment.ceiling, scope, operation);
  if (ceilingHas.level === 'none') {
    return lacking(
      'ceiling-lacks-scope',
      scope,
      operation,
      environment.ceiling,
      `the ceiling of ${request.environment}`,
    );
  }
  const grantHas = levelIn(grant, scope, operation);
  if (grantHas.level === 'none') {
    return lacking(
      'grant-lacks-scope',
      scope,
      operation,
      grant,
      `this caller's grant in ${request.environment}`,
    );
  }
  if (!request.scopes.has(scope)) {
    return refuse(
      'scope-not-in-token',
      scope,
      'token',
      `The token lacks the scope ${scope}, which the policy grants.${misspelt(scope, request)}`,
    );
  }
  if (grantHas.level === 'limited') return { allow: true, level: 'limited', scope, rule: grantHas.rule };
  if (ceilingHas.level === 'limited') return { allow: true, level: 'limited', scope, rule: ceilingHas.rule };
  return { allow: true, level: 'full', scope, rule: grantHas.rule };
}

/** Callers of the same issuer, or of any: whoever the policy may have meant. */
function subjectsNear(release: Release, { issuer }: CallerIdentity): readonly string[] {
  return release.callers
    .filter((entry) => entry.issuer === null || entry.issuer === issuer)
    .map(({ subject }) => subject);
}

/** A word in the token that is no scope, and nearly the one that is needed. It is the token's, so it isn't shown. */
function misspelt(scope: ScopeName, { scopeText = '' }: AuthorizationRequest): string {
  const others = scopeText.split(' ', MAX_TOKEN_WORDS).filter((word) => parseScope(word) === undefined);
  const near = others.some((word) => didYouMean(word, [scope]) !== undefined);
  return near ? ` It holds one that is spelled nearly so: did you mean ${scope}?` : '';
}

const MAX_TOKEN_WORDS = 200;

interface Held {
  readonly level: 'none' | 'limited' | 'full';
  readonly rule: string;
}

/** What one list gives for an operation under a scope. Two or three Map look-ups: this is on every call's path. */
function levelIn(scopes: Scopes, scope: ScopeName, operation: Operation): Held {
  const plain = scopes.rules.get(scope) ?? (isReadScope(scope) ? scopes.rules.get('read:*') : undefined);
  if (plain !== undefined) return { level: 'full', rule: plain };
  // A quote is under a read: scope, so `write:limited` says nothing about it.
  const limited = isReadScope(scope) || !isCovered(operation) ? undefined : scopes.rules.get('write:limited');
  return limited === undefined ? { level: 'none', rule: scopes.rule } : { level: 'limited', rule: limited };
}

function lacking(
  reason: 'ceiling-lacks-scope' | 'grant-lacks-scope',
  scope: ScopeName,
  operation: Operation,
  scopes: Scopes,
  where: string,
): Refusal {
  const limited = isReadScope(scope) ? undefined : scopes.rules.get('write:limited');
  if (limited !== undefined) {
    const detail = `write:limited does not cover ${operation.id}; ${scope} is needed in ${where} (${limited}).`;
    return refuse('not-limited', scope, limited, detail);
  }
  return refuse(reason, scope, scopes.rule, `${scope} is needed, and ${where} lacks it (${scopes.rule}).`);
}

function refuse(reason: RefusalReason, scope: ScopeName | null, rule: string, detail: string): Refusal {
  const closed = reason === 'operation-closed' || reason === 'operation-unknown';
  return {
    allow: false,
    problem: closed ? 'operation-closed' : 'insufficient-scope',
    reason,
    scope,
    rule,
    detail,
  };
}
