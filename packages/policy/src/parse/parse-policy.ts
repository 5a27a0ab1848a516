import {
  didYouMean,
  isEnvironmentName,
  isReadScope,
  type Operation,
  parseScope,
  SCOPE_NAMES,
} from '@ideogate/contract';
import { type Release, releaseId } from '../release.ts';
import { checkDraft } from './check-draft.ts';
import type { PolicyDraft } from './policy-draft.ts';
import { compareFaults, FaultList, type PolicyFault, quote, ruleAt } from './policy-fault.ts';
import { POLICY_SCHEMA, type ScopeChangeEntry } from './policy-schema.ts';
import { type PolicyNode, readPolicyYaml } from './policy-yaml.ts';
import { readBySchema } from './read-by-schema.ts';
import { readCaller } from './read-caller.ts';
import { readEnvironment } from './read-environment.ts';

/** One file of a policy. */
export interface PolicyFile {
  /** As faults and rules name it. */
  readonly name: string;
  /** YAML 1.2. */
  readonly text: string;
}

/** A release, or all that is wrong with its files. */
export type ParsedPolicy =
  | { readonly ok: true; readonly release: Release }
  | { readonly ok: false; readonly faults: readonly PolicyFault[] };

const MAX_FILES = 100;

/**
 * Reads one policy from one or more YAML files. Files are merged; what is declared twice, in one file or in two,
 * is a fault. Gives the release, or every fault of every file, in order.
 */
export function parsePolicy(files: readonly PolicyFile[], catalogue: readonly Operation[]): ParsedPolicy {
  const draft: PolicyDraft = {
    faults: new FaultList(),
    catalogue: new Map(catalogue.map((operation) => [operation.id, operation])),
    environments: new Map(),
    callers: [],
    scopeChanges: new Map(),
  };
  const { faults } = draft;
  const readable = readFiles(files, draft);
  const operations = catalogue.map((operation) => {
    const change = draft.scopeChanges.get(operation.id);
    return change === undefined ? operation : { ...operation, scope: change.scope };
  });
  // With a file unread, its declarations would look missing: those faults would be noise.
  if (readable) checkDraft(draft, operations, files[0]?.name ?? 'policy');
  if (faults.all.length > 0) return { ok: false, faults: [...faults.all].sort(compareFaults) };
  return {
    ok: true,
    release: {
      id: releaseId(files),
      environments: draft.environments,
      callers: draft.callers,
      operations,
      operationsById: new Map(operations.map((operation) => [operation.id, operation])),
      callersBySubject: Map.groupBy(draft.callers, (caller) => caller.subject),
    },
  };
}

/** Reads each file into the draft; false when any could not be read to its end. */
function readFiles(files: readonly PolicyFile[], draft: PolicyDraft): boolean {
  const { faults } = draft;
  const names = new Set<string>();
  let readable = true;
  if (files.length > MAX_FILES) {
    faults.add({ file: 'policy', line: 1, column: 1 }, `more than ${MAX_FILES} policy files`);
    return false;
  }
  for (const { name, text } of files) {
    if (names.has(name)) faults.add({ file: name, line: 1, column: 1 }, 'this file is given twice');
    names.add(name);
    const root = readPolicyYaml(name, text, faults);
    if (root === null) readable = false;
    else readRoot(root, draft);
  }
  return readable;
}

function readRoot(root: PolicyNode, draft: PolicyDraft): void {
  const { environments, callers, operations } = readBySchema(POLICY_SCHEMA, root, draft.faults) ?? {};
  for (const [name, entry] of Object.entries(environments?.value ?? {})) {
    if (isEnvironmentName(name)) readEnvironment(name, entry, draft);
  }
  for (const entry of callers?.value ?? []) readCaller(entry, draft);
  for (const [id, entry] of Object.entries(operations?.value ?? {})) readScopeChange(id, entry, draft);
}

/** One change to the operation → scope map. It may narrow or rename, never open or cheapen. */
function readScopeChange(id: string, entry: ScopeChangeEntry, draft: PolicyDraft): void {
  const { faults, catalogue, scopeChanges } = draft;
  const operation = catalogue.get(id);
  if (operation === undefined) {
    faults.addUnknown(entry.keyAt, 'operation', id, [...catalogue.keys()]);
    return;
  }
  if (operation.closed !== null || operation.scope === null) {
    faults.add(entry.keyAt, `${id} is closed: no scope opens it`);
    return;
  }
  if (entry.value === null) return;
  const { scope: written } = entry.value;
  if (written === undefined) {
    faults.add(entry.keyAt, `operation ${id} needs a scope`);
    return;
  }
  if (written.value === null) return;
  const scope = parseScope(written.value);
  const first = scopeChanges.get(id);
  if (scope === undefined) {
    faults.add(written.at, `unknown scope ${quote(written.value)}`, didYouMean(written.value, SCOPE_NAMES));
  } else if (isReadScope(scope) && !isReadScope(operation.scope)) {
    faults.add(written.at, `${id} changes something or costs money, so it cannot need a read: scope`);
  } else if (!isReadScope(scope) && isReadScope(operation.scope)) {
    faults.add(written.at, `${id} only reads, so it cannot need a write: scope`);
  } else if (first !== undefined) {
    faults.add(entry.keyAt, `the scope of ${id} is changed already, at ${ruleAt(first.at)}`);
  } else {
    scopeChanges.set(id, { at: entry.keyAt, scope });
  }
}
