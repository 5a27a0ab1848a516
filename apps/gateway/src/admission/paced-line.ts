import { FairQueue } from '@ideogate/fair-share';

interface Waiting {
  readonly units: number;
  readonly isGone: () => boolean;
  readonly go: () => void;
}

/**
 * Lets so many units begin a second in all, each key in turn and in the order of arrival within it. Nothing is refused for how
 * much others brought before: it waits for them, and whoever is gone by then is passed over and costs nothing.
 */
export class PacedLine {
  readonly #perMs: number;
  readonly #mostAtOnce: number;
  readonly #now: () => number;
  readonly #queue = new FairQueue<Waiting>();
  /** Units that may begin now; less than one: none. */
  #allowed: number;
  #countedAt: number;
  #scheduled = false;

  /** @param mostAtOnce units that begin at once after the loop was busy with something else */
  constructor(perSecond: number, mostAtOnce: number, now: () => number = () => performance.now()) {
    this.#perMs = perSecond / 1000;
    this.#mostAtOnce = mostAtOnce;
    this.#allowed = mostAtOnce;
    this.#now = now;
    this.#countedAt = now();
  }

  /** Null when it may begin now, or what to wait for. */
  next(key: string, isGone: () => boolean, units = 1): Promise<void> | null {
    if (this.#queue.size === 0 && this.#count() >= 1) {
      this.#allowed -= units;
      return null;
    }
    return new Promise((resolve) => {
      this.#queue.push(key, { units, isGone, go: resolve });
      this.#schedule();
    });
  }

  #count(): number {
    const now = this.#now();
    this.#allowed = Math.min(this.#mostAtOnce, this.#allowed + (now - this.#countedAt) * this.#perMs);
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
      const units = next.entry.isGone() ? 0 : next.entry.units;
      this.#allowed -= units;
      this.#queue.charge(next.key, units);
      next.entry.go();
    }
    if (this.#queue.size > 0) this.#schedule();
  }
}
