import { didYouMean, type EnvironmentName, isWildcard, parseScopePattern } from '@ideogate/contract';
import type { ScopePattern } from '@ideogate/contract';
import type { DraftScopes } from './policy-draft.ts';
import { type FaultList, type Position, quote, ruleAt } from './policy-fault.ts';
import { SCOPE_PATTERNS, type ScopesEntry } from './policy-schema.ts';

/** A list of scopes. In production a wildcard is a fault: what it stands for changes with the catalogue. */
export function readScopes(environment: EnvironmentName, entry: ScopesEntry, faults: FaultList): DraftScopes {
  const positions = new Map<ScopePattern, Position>();
  for (const { at, value: written } of entry.value ?? []) {
    if (written === null) continue;
    const pattern = parseScopePattern(written);
    if (pattern === undefined) {
      faults.add(at, `unknown scope ${quote(written)}`, suggestScope(written));
    } else if (positions.has(pattern)) {
      faults.add(at, `${pattern} is listed twice`);
    } else {
      positions.set(pattern, at);
      if (environment === 'production' && isWildcard(pattern)) {
        faults.add(at, `${pattern} is not allowed in production: list the scopes one by one`);
      }
    }
  }
  return {
    patterns: [...positions.keys()],
    rule: ruleAt(entry.keyAt),
    rules: new Map([...positions].map(([pattern, at]) => [pattern, ruleAt(at)])),
    at: entry.keyAt,
    positions,
  };
}

function suggestScope(written: string): string | undefined {
  return written === 'write:*' ? 'write:limited' : didYouMean(written, SCOPE_PATTERNS);
}
