import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { EnvironmentName, Operation, ScopePattern } from '@ideogate/contract';

/** One version of the whole policy, immutable. */
export interface Release {
  /** `sha256:` and 64 hex digits over the names and texts of the policy files. */
  readonly id: string;
  readonly environments: ReadonlyMap<EnvironmentName, EnvironmentPolicy>;
  readonly callers: readonly CallerPolicy[];
  /** The catalogue, with the policy's changes to scopes. */
  readonly operations: readonly Operation[];
  /** The same operations by id. */
  readonly operationsById: ReadonlyMap<string, Operation>;
  /** The same callers by subject. */
  readonly callersBySubject: ReadonlyMap<string, readonly CallerPolicy[]>;
}

/** What the policy says of one environment, defaults filled in. */
export interface EnvironmentPolicy {
  readonly name: EnvironmentName;
  /** The gateway's public URL; null: the address it listens on. */
  readonly identifier: string | null;
  /** Origin of the Ideogram API; null: not said. */
  readonly upstream: string | null;
  readonly ceiling: Scopes;
  /** Names of where the environment's keys come from, never a key; and how old they may be. */
  readonly keys: {
    readonly read: string | null;
    readonly write: string | null;
    /** Days after which a key is too old. */
    readonly maxAgeDays: number;
    /** What happens then: it is said, or no call goes out with it any more. */
    readonly atMaxAge: 'warn' | 'refuse';
  };
  readonly retention: Retention;
  readonly prompts: Prompts;
}

/** What the record keeps of prompts: a keyed digest and the length, or besides them the text, sealed. */
export type Prompts = (typeof PROMPTS)[number];

/** The words for it in a policy file. */
export const PROMPTS = ['digest', 'keep'] as const;

/** How long the record is kept. */
export interface Retention {
  /** Months kept in all, the database's among them; the month under way isn't counted. */
  readonly months: number;
  /** Months kept where questions are answered at once. */
  readonly inDatabase: number;
}

/** One caller, as the policy names it. */
export interface CallerPolicy {
  readonly subject: string;
  /** The only issuer whose tokens count; null: any trusted one. */
  readonly issuer: string | null;
  readonly description: string | null;
  /** `file:line` of the entry. */
  readonly rule: string;
  readonly grants: ReadonlyMap<EnvironmentName, Scopes>;
}

/** A list of scopes as a policy words it: a ceiling or a grant. */
export interface Scopes {
  readonly patterns: readonly ScopePattern[];
  /** `file:line` of the list; for a ceiling that no file sets, a name that says so. */
  readonly rule: string;
  /** `file:line` of each pattern. */
  readonly rules: ReadonlyMap<ScopePattern, string>;
}

/** Who a token speaks for. */
export interface CallerIdentity {
  readonly issuer: string;
  readonly subject: string;
}

/** The caller's entry, or undefined. At most one entry can match: overlapping ones are faults of the policy. */
export function callerOf(release: Release, caller: CallerIdentity): CallerPolicy | undefined {
  const entries = release.callersBySubject.get(caller.subject);
  return entries?.find((entry) => entry.issuer === null || entry.issuer === caller.issuer);
}

/** Digest of the policy files: the same files in any order are the same release. */
export function releaseId(files: readonly { readonly name: string; readonly text: string }[]): string {
  const sorted = files
    .map(({ name, text }) => [name, text])
    .sort(([a], [b]) => compareText(a ?? '', b ?? ''));
  // JSON frames names and texts without ambiguity, lone surrogates included.
  const framed = JSON.stringify(['ideogate policy files', sorted]);
  return `sha256:${bytesToHex(sha256(new TextEncoder().encode(framed)))}`;
}

/** Order by code unit, the same on every machine (`localeCompare` is not). */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
