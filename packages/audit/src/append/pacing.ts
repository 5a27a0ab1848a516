/*
 * When a batch leaves. A batch costs the gateway's process about as much as half a call, for one event as for ten. A
 * call that takes seconds doesn't notice milliseconds; callers who rest until they are answered do.
 *
 * Measured by `pnpm bench` (Ideogate over a bare proxy, on one core): batches that began 10 ms apart, unless sixteen
 * decisions waited at the end of one turn of the event loop, left a quarter of the core idle under 32 connections
 * (`callsPerSecond` 0.42, `cpuSaturated` 1.75). Twelve that leave as soon as they wait keep all of it busy, so that
 * the CPU per call is what bounds calls a second; and at 1,000 a second, where 10 ms bring ten, batches are as before.
 */

/** So many decisions wait for no more: a few above what comes in `MANY_EVERY_MS` at 1,000 calls a second. */
const ENOUGH = 12;
/** How far apart batches begin when the last one was of few events, and when it was of many. Milliseconds. */
const FEW_EVERY_MS = 2;
const MANY_EVERY_MS = 10;
const MANY = 4;
/** When so long no decision came, fewer callers than `ENOUGH` may all wait for their answers; milliseconds. */
const QUIET_MS = 3;
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
