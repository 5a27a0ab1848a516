import { FairQueue } from '@ideogate/fair-share';

/**
 * Lets so much begin in each turn of the event loop, the address that began least first: with a thousand at once from one
 * address, the one from another does not wait for all of them.
 */
export class LoopTurns {
  readonly #perTurn: number;
  readonly #queue = new FairQueue<() => void>();
  #begun = 0;
  #scheduled = false;

  constructor(perTurn: number) {
    this.#perTurn = perTurn;
  }

  /** Null when one of this address may begin now, or what to wait for. */
  next(address: string): Promise<void> | null {
    this.#schedule();
    if (this.#begun < this.#perTurn && this.#queue.size === 0) {
      this.#begun++;
      return null;
    }
    return new Promise((resolve) => this.#queue.push(address, resolve));
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    this.#begun = 0;
    while (this.#begun < this.#perTurn) {
      const next = this.#queue.next();
      if (next === undefined) return;
      this.#begun++;
      this.#queue.charge(next.key, 1);
      next.entry();
    }
    if (this.#queue.size > 0) this.#schedule();
  }
}
