import { FairQueue } from '@ideogate/fair-share';

const TICK_MS = 5;

/**
 * Reads off what nobody wants any more, so many chunks in each five milliseconds and no faster, the address that had least
 * first: whoever sends megabytes to be refused keeps neither the loop nor the processor from others.
 */
export class PacedReading {
  readonly #queue = new FairQueue<() => void>();
  readonly #perTick: number;
  #timer: NodeJS.Timeout | null = null;

  /** @param perTick chunks that may be read in each tick */
  constructor(perTick: number) {
    this.#perTick = perTick;
  }

  /** Calls `read` when the next chunk may be read. */
  next(address: string, read: () => void): void {
    this.#queue.push(address, read);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  #tick(): void {
    for (let given = 0; given < this.#perTick; given++) {
      const next = this.#queue.next();
      if (next === undefined) break;
      this.#queue.charge(next.key, 1);
      next.entry();
    }
    if (this.#queue.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
