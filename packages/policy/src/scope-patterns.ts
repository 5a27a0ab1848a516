import {
  isReadScope,
  type Operation,
  SCOPE_NAMES,
  type ScopeName,
  type ScopePattern,
} from '@ideogate/contract';
import type { EnvironmentName } from '@ideogate/contract';
import { type CallerIdentity, callerOf, type Release } from './release.ts';

/** The plain scopes that a pattern stands for under this release, in alphabetical order. */
export function expandPattern(release: Release, pattern: ScopePattern): readonly ScopeName[] {
  return expand(release.operations, pattern);
}

/** As `expandPattern`, over a list of operations. */
export function expand(operations: readonly Operation[], pattern: ScopePattern): readonly ScopeName[] {
  if (pattern === 'read:*') return SCOPE_NAMES.filter(isReadScope);
  if (pattern !== 'write:limited') return [pattern];
  const covered = new Set(operations.filter(isCovered).map((operation) => operation.scope));
  return SCOPE_NAMES.filter((scope) => covered.has(scope));
}

/** Whether `write:limited` covers the operation: a write that can be kept inside its *limited* bounds. */
export function isCovered(operation: Operation): boolean {
  return (
    operation.closed === null &&
    operation.limited !== null &&
    operation.scope !== null &&
    !isReadScope(operation.scope)
  );
}

/**
 * The plain scopes that an issuer may give this caller in this environment: those that both ceiling and grant
 * stand for. Empty for an unknown caller or environment.
 */
export function grantedScopes(
  release: Release,
  environment: EnvironmentName,
  caller: CallerIdentity,
): ReadonlySet<ScopeName> {
  const ceiling = release.environments.get(environment)?.ceiling.patterns ?? [];
  const grant = callerOf(release, caller)?.grants.get(environment)?.patterns ?? [];
  return new Set(overlap(release.operations, ceiling, grant));
}

/** Plain scopes that both lists of patterns stand for. */
export function overlap(
  operations: readonly Operation[],
  first: readonly ScopePattern[],
  second: readonly ScopePattern[],
): readonly ScopeName[] {
  const inFirst = new Set(first.flatMap((pattern) => expand(operations, pattern)));
  const inSecond = new Set(second.flatMap((pattern) => expand(operations, pattern)));
  return SCOPE_NAMES.filter((scope) => inFirst.has(scope) && inSecond.has(scope));
}

/** A caller's grant as the policy words it, with the `file:line` of the list. */
export interface Grant {
  readonly patterns: readonly ScopePattern[];
  readonly rule: string;
}

/** What the policy grants this caller in this environment, in its own words; null when nothing. */
export function grantOf(
  release: Release,
  environment: EnvironmentName,
  caller: CallerIdentity,
): Grant | null {
  const grant = callerOf(release, caller)?.grants.get(environment);
  return grant === undefined ? null : { patterns: grant.patterns, rule: grant.rule };
}
