import { FairQueue } from '@ideogate/fair-share';

/** The most that begins at once after the loop was busy with something else. */
const MOST_AT_ONCE = 20;

interface Waiting {
  readonly isGone: () => boolean;
  readonly go: () => void;
}

/**
 * Lets so much begin a second in all, each key in turn and in the order of arrival within it. Nothing is refused for how
 * much others brought before: it waits for them, and whoever is gone by then is passed over and costs nothing.
 */
export class PacedLine {
  readonly #perMs: number;
  readonly #now: () => number;
  readonly #queue = new FairQueue<Waiting>();
  /** What may begin now; less than one: nothing. */
  #allowed = MOST_AT_ONCE;
  #countedAt: number;
  #scheduled = false;

  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perMs = perSecond / 1000;
    this.#now = now;
    this.#countedAt = now();
  }

  /** Null when it may begin now, or what to wait for. */
  next(key: string, isGone: () => boolean): Promise<void> | null {
    if (this.#queue.size === 0 && this.#count() >= 1) {
      this.#allowed--;
      return null;
    }
    return new Promise((resolve) => {
      this.#queue.push(key, { isGone, go: resolve });
      this.#schedule();
    });
  }

  #count(): number {
    const now = this.#now();
    this.#allowed = Math.min(MOST_AT_ONCE, this.#allowed + (now - this.#countedAt) * this.#perMs);
    this.#countedAt = now;
    return this.#allowed;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setTimeout(() => this.#turn(), Math.max(1, (1 - this.#allowed) / this.#perMs));
  }

  #turn(): void {
    this.#scheduled = false;
    this.#count();
    while (this.#allowed >= 1) {
      const next = this.#queue.next();
      if (next === undefined) return;
      const gone = next.entry.isGone();
      if (!gone) this.#allowed--;
      this.#queue.charge(next.key, gone ? 0 : 1);
      next.entry.go();
    }
    if (this.#queue.size > 0) this.#schedule();
  }
}
