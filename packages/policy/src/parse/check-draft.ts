import type { EnvironmentName, Operation } from '@ideogate/contract';
import type { DraftCaller, DraftEnvironment, PolicyDraft } from './policy-draft.ts';
import { type FaultList, quote, ruleAt } from './policy-fault.ts';
import { expand, overlap } from '../scope-patterns.ts';

/**
 * Finds the faults that no single entry shows.
 * @param operations with their changed scopes
 */
export function checkDraft(draft: PolicyDraft, operations: readonly Operation[], firstFile: string): void {
  const { faults, environments, callers } = draft;
  if (environments.size === 0 && faults.all.length === 0) {
    faults.add({ file: firstFile, line: 1, column: 1 }, 'no environment is declared');
  }
  checkIdentifiers(environments, faults);
  for (const [subject, entries] of Map.groupBy(callers, (caller) => caller.subject)) {
    checkOverlaps(subject, entries, faults);
  }
  for (const caller of callers) checkGrants(caller, environments, operations, faults);
}

function checkIdentifiers(
  environments: ReadonlyMap<EnvironmentName, DraftEnvironment>,
  faults: FaultList,
): void {
  const identifiers = new Map<string, DraftEnvironment>();
  for (const environment of environments.values()) {
    if (environment.identifier === null) continue;
    const other = identifiers.get(environment.identifier);
    if (other === undefined) {
      identifiers.set(environment.identifier, environment);
    } else {
      faults.add(
        environment.identifierAt,
        `${environment.name} and ${other.name} (${ruleAt(other.identifierAt)}) have one identifier: a token for one would be good in the other`,
      );
    }
  }
}

function checkOverlaps(subject: string, entries: readonly DraftCaller[], faults: FaultList): void {
  for (const [index, entry] of entries.entries()) {
    const earlier = entries
      .slice(0, index)
      .find((other) => other.issuer === null || entry.issuer === null || other.issuer === entry.issuer);
    if (earlier !== undefined) {
      faults.add(
        entry.at,
        `caller ${quote(subject)} is declared already for the same issuer, at ${earlier.rule}`,
      );
    }
  }
}

/** A grant must be for a declared environment, and each of its scopes must have some effect under the ceiling. */
function checkGrants(
  caller: DraftCaller,
  environments: ReadonlyMap<EnvironmentName, DraftEnvironment>,
  operations: readonly Operation[],
  faults: FaultList,
): void {
  for (const [name, grant] of caller.grants) {
    const environment = environments.get(name);
    if (environment === undefined) {
      faults.add(grant.at ?? caller.at, `environment ${name} is not declared`);
      continue;
    }
    for (const [pattern, at] of grant.positions) {
      const { ceiling } = environment;
      if (expand(operations, pattern).length === 0) {
        faults.add(at, `${pattern} stands for no scope in this catalogue`);
      } else if (overlap(operations, ceiling.patterns, [pattern]).length === 0) {
        faults.add(
          at,
          `${pattern} is outside the ceiling of ${name} (${ceiling.rule}), so it can never apply`,
        );
      }
    }
  }
}
