import { FairQueue } from '@ideogate/fair-share';

/** How long work of callers may hold the event loop at a stretch, milliseconds. */
const STRETCH_MS = 1;

/** How long it rests after a full stretch, milliseconds: about half of the time stays for all that isn't reading. */
const REST_MS = 1;

/**
 * Shares out the event loop's time between callers. Work comes in pieces that take well under `STRETCH_MS`; while the loop
 * has time a piece runs at once, and when this turn's time is used up the rest waits for the next turns, the caller
 * that has used least first. Sockets, timers and other calls get theirs in between.
 */
export class LoopTime {
  readonly #queue = new FairQueue<() => void>();
  readonly #waitMs: number;
  #spentMs = 0;
  #scheduled = false;

  /** @param waitMs the longest a piece waits for its turn, milliseconds */
  constructor(waitMs: number) {
    this.#waitMs = waitMs;
  }

  /** Pieces that wait for their turn. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** What the piece returned, or `late` when its turn did not come in time and it was not run. Rejects with what it throws. */
  run<T>(key: string, piece: () => T): T | Promise<T | 'late'> {
    if (this.#queue.size === 0 && this.#spentMs < STRETCH_MS) return this.#timed(key, piece);
    const until = performance.now() + this.#waitMs;
    return new Promise((resolve, reject) => {
      this.#queue.push(key, () => {
        if (performance.now() > until) return resolve('late');
        try {
          resolve(this.#timed(key, piece));
        } catch (error) {
          reject(error);
        }
      });
      this.#schedule();
    });
  }

  #timed<T>(key: string, piece: () => T): T {
    const began = performance.now();
    try {
      return piece();
    } finally {
      const took = performance.now() - began;
      this.#spentMs += took;
      this.#queue.charge(key, took);
      this.#schedule();
    }
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      if (this.#spentMs < STRETCH_MS) this.#turn();
      else setTimeout(() => this.#turn(), REST_MS);
    });
  }

  #turn(): void {
    this.#scheduled = false;
    this.#spentMs = 0;
    while (this.#spentMs < STRETCH_MS) {
      const next = this.#queue.next();
      if (next === undefined) return;
      next.entry();
    }
    if (this.#queue.size > 0) this.#schedule();
  }
}
