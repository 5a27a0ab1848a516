import { FairQueue } from '@ideogate/fair-share';
import type { SharedResource } from './shared-pool.ts';

/** How long work of callers may hold the event loop at a stretch, milliseconds. */
const STRETCH_MS = 1;

/** How long it rests after a full stretch, milliseconds: three quarters of the time stay for all that isn't reading. */
const REST_MS = 3;

interface Usage {
  /** Of the monotonic clock. */
  readonly second: number;
  /** Milliseconds, by key. */
  readonly of: Map<string, number>;
}

const NOTHING: ReadonlyMap<string, number> = new Map();

/**
 * Shares out the event loop's time between callers. Work comes in pieces that take well under `STRETCH_MS`; while the loop
 * has time a piece runs at once, and when this turn's time is used up the rest waits for the next turns, the caller
 * that has used least first. Sockets, timers and other calls get theirs in between.
 */
export class LoopTime implements SharedResource {
  readonly name = 'parsing';
  /** Milliseconds of each second. */
  readonly size = (1000 * STRETCH_MS) / (STRETCH_MS + REST_MS);
  readonly #queue = new FairQueue<() => void>();
  readonly #waitMs: number;
  readonly #onDone: (how: 'granted' | 'share', waitedMs: number) => void;
  #spentMs = 0;
  #scheduled = false;
  /** What each used in the second that is under way, and in the last one. */
  #using: Usage = { second: 0, of: new Map() };
  #used: Usage = this.#using;

  /**
   * @param waitMs the longest a piece waits for its turn, milliseconds
   * @param onDone told of each piece that had to wait whether its turn came in time, and how long it waited, milliseconds
   */
  constructor(
    waitMs: number,
    onDone: (how: 'granted' | 'share', waitedMs: number) => void = () => undefined,
  ) {
    this.#waitMs = waitMs;
    this.#onDone = onDone;
  }

  /** Milliseconds used in the last second. */
  get held(): number {
    return [...this.#lastSecond().values()].reduce((sum, used) => sum + used, 0);
  }

  get mostHeld(): number {
    return Math.max(0, ...this.#lastSecond().values());
  }

  /** Of everybody who used some in the last second, and of one more. */
  get share(): number {
    return this.size / (this.#lastSecond().size + 1);
  }

  /** Pieces that wait for their turn. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** What the piece returned, or `late` when its turn did not come in time and it was not run. Rejects with what it throws. */
  run<T>(key: string, piece: () => T): T | Promise<T | 'late'> {
    if (this.#queue.size === 0 && this.#spentMs < STRETCH_MS) return this.#timed(key, piece);
    const since = performance.now();
    return new Promise((resolve, reject) => {
      this.#queue.push(key, () => {
        const waitedMs = performance.now() - since;
        const isLate = waitedMs > this.#waitMs;
        this.#onDone(isLate ? 'share' : 'granted', waitedMs);
        if (isLate) return resolve('late');
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
      this.#count(key, took);
      this.#schedule();
    }
  }

  #count(key: string, took: number): void {
    const second = Math.floor(performance.now() / 1000);
    if (this.#using.second !== second) {
      this.#used = this.#using;
      this.#using = { second, of: new Map() };
    }
    this.#using.of.set(key, (this.#using.of.get(key) ?? 0) + took);
  }

  #lastSecond(): ReadonlyMap<string, number> {
    const last = Math.floor(performance.now() / 1000) - 1;
    return [this.#used, this.#using].find(({ second }) => second === last)?.of ?? NOTHING;
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
