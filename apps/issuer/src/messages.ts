import type { ScopeName, ScopePattern } from '@ideogate/contract';
import type { ClientSecret } from './clients.ts';
import type { IssuerCounts } from './counts.ts';
import type { AuthenticationFailure, FailureSum } from './failures.ts';
import type { IssuerLimits } from './settings.ts';

/*
 * What an issuer that is a process of its own and whoever runs it say to each other, over the channel that Node makes
 * between a process and its child: secrets come that way, and stand in no environment and on no command line.
 */

/** All that an issuer needs to know. Plain values, so that they can be sent. */
export interface IssuerSetUp {
  readonly issuer: string;
  readonly host: string;
  readonly port: number;
  readonly audience: string;
  /** File of the signing keys: they are in the issuer's memory, and in no other process's. */
  readonly keysFile: string;
  readonly clients: readonly ClientSecret[];
  /** What policy grants each client here, inside the ceiling. */
  readonly grants: Readonly<Record<string, PlainGrant>>;
  /** What each wildcard stands for. */
  readonly wildcards: Readonly<Record<string, readonly ScopeName[]>>;
  readonly limits: IssuerLimits;
}

interface PlainGrant {
  readonly scopes: readonly ScopeName[];
  readonly patterns: readonly ScopePattern[];
}

/** What the issuer's process is told. */
export type ToIssuer =
  /** Answered by `set-up` or `unusable`. */
  | { readonly kind: 'set-up'; readonly setUp: IssuerSetUp }
  /** Answered by `listening` or `unusable`. */
  | { readonly kind: 'listen' }
  /** Ends it in order; it says what it has counted, and exits. */
  | { readonly kind: 'stop' };

/** What the issuer's process tells whoever started it. */
export type FromIssuer =
  | { readonly kind: 'set-up' | 'listening' }
  /** It can't go on: what is wrong, one sentence each; `code` is the system's. */
  | { readonly kind: 'unusable'; readonly faults: readonly string[]; readonly code: string | null }
  /** A fault of its own, as `faultOf` words it. */
  | { readonly kind: 'fault'; readonly error: string }
  | { readonly kind: 'authentication-failed'; readonly failure: AuthenticationFailure }
  /** Each second, and at its end: everything since it began, and the failures that were summed since the last report. */
  | { readonly kind: 'report'; readonly counts: IssuerCounts; readonly sums: readonly FailureSum[] };
