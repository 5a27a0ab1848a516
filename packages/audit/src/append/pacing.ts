/*
 * When a batch leaves. A batch costs the gateway about as much as half a call, for one event as for ten, and Postgres
 * more; a call that takes seconds doesn't notice milliseconds, but one of many that rest until they are answered does.
 *
 * ENOUGH is what comes in EVERY_MS at 1,000 calls a second: there a batch waits as long as ever, and above it no longer
 * than it takes to fill. QUIET_MS is for callers that all wait for their answer, so that no more will come.
 */

/** So many decisions wait for no more. */
const ENOUGH = 10;
/** How far apart batches begin when the last one was of few events, and when it was of many. Milliseconds. */
const FEW_EVERY_MS = 2;
const MANY_EVERY_MS = 10;
const MANY = 4;
/** When no decision has come for so long, none is waited for; milliseconds. */
const QUIET_MS = 2;
/** Commits that take so long keep batches far enough apart by themselves, milliseconds. */
const SLOW_COMMIT_MS = 2.5;

/** Says how long a batch waits for company. Pure: times are those of one monotonic clock, milliseconds. */
export class Pacing {
  #lastDecisionAt = 0;
  #lastBatch = { began: 0, took: 0, events: 0 };

  decisionCame(at: number): void {
    this.#lastDecisionAt = at;
  }

  /** @param began when it was sent, and `took` until it was known to be committed */
  batchCommitted(began: number, took: number, events: number): void {
    this.#lastBatch = { began, took, events };
  }

  /** Whether so many decisions go at once, whatever the time. */
  isEnough(decisions: number): boolean {
    return decisions >= ENOUGH || this.#lastBatch.took >= SLOW_COMMIT_MS;
  }

  /** How long a batch with so many decisions waits on, should nothing more come; 0 or less: it goes. */
  wait(decisions: number, now: number): number {
    if (this.isEnough(decisions)) return 0;
    const { began, events } = this.#lastBatch;
    const nextAt = began + (events < MANY ? FEW_EVERY_MS : MANY_EVERY_MS);
    return Math.min(nextAt, this.#lastDecisionAt + QUIET_MS) - now;
  }
}
