import type { EnvironmentName, Operation, ScopeName, ScopePattern } from '@ideogate/contract';
import type { FaultList, Position } from './policy-fault.ts';
import type { CallerPolicy, EnvironmentPolicy, Scopes } from '../release.ts';

/** What the files say, before it is known to fit together. */
export interface PolicyDraft {
  readonly faults: FaultList;
  readonly catalogue: ReadonlyMap<string, Operation>;
  readonly environments: Map<EnvironmentName, DraftEnvironment>;
  readonly callers: DraftCaller[];
  /** By the operation's id. */
  readonly scopeChanges: Map<string, ScopeChange>;
}

/** A list of scopes, with positions for faults that only show when all files are read. */
export interface DraftScopes extends Scopes {
  /** Null: no file sets it. */
  readonly at: Position | null;
  readonly positions: ReadonlyMap<ScopePattern, Position>;
}

/** An environment, with positions for the same. */
export interface DraftEnvironment extends EnvironmentPolicy {
  readonly at: Position;
  readonly identifierAt: Position;
  readonly ceiling: DraftScopes;
}

/** A caller, with positions for the same. */
export interface DraftCaller extends CallerPolicy {
  readonly at: Position;
  readonly grants: ReadonlyMap<EnvironmentName, DraftScopes>;
}

/** One operation under another scope than the catalogue's. */
interface ScopeChange {
  readonly at: Position;
  readonly scope: ScopeName;
}
