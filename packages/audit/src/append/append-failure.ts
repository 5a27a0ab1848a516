import { DatabaseError, SQLSTATE } from '@ideogate/postgres';

/** What a failed append means for its rows. */
export type AppendFailure =
  /** Not committed; at least one row is one that Postgres will never take. */
  | 'bad-row'
  /** Not committed; the same rows may be taken later. */
  | 'not-now'
  /** Not committed; some of the gaps were closed before: see `closedBefore`. */
  | 'gap-closed'
  /** Perhaps committed: the answer is what was lost. */
  | 'unknown';

/** Raised by `ideogate.close_gaps`. */
const GAP_CLOSED = 'IG001';

/** Reads an error of an append. Whatever isn't Postgres saying clearly that the statement failed is `unknown`. */
export function appendFailure(error: unknown): AppendFailure {
  if (!(error instanceof DatabaseError)) return 'unknown';
  const state = error.code ?? '';
  // The very rows may be there, from an attempt whose answer was lost.
  if (state === SQLSTATE.uniqueViolation) return 'unknown';
  if (state === GAP_CLOSED) return 'gap-closed';
  // A month without a partition is no fault of the row: it has no constraint to name.
  if (state === SQLSTATE.checkViolation && error.constraint === undefined) return 'not-now';
  if (state === SQLSTATE.queryCanceled) return 'not-now';
  if (/^(?:22|23)/.test(state) || state === SQLSTATE.programLimitExceeded) return 'bad-row';
  // Those that may end the server with the commit half done (a full disk, a stop, a crash), and "statement completion
  // unknown". The severity isn't asked: Postgres translates it.
  return /^(?:08|53|57|58|XX|40003)/.test(state) ? 'unknown' : 'not-now';
}

/** The calls that a failed append would have closed a second time. */
export function closedBefore(error: unknown): ReadonlySet<string> {
  return new Set(error instanceof DatabaseError ? (error.detail ?? '').split(',') : []);
}
