/**
 * How many webhooks may come in at once. Anybody may send one, and nobody knows whether it is genuine before its last
 * byte: what holds on to its body must take neither the places of calls nor, from one address, those of all others.
 */
export class WebhookPlaces {
  readonly #most: number;
  readonly #mostOfOne: number;
  #taken = 0;
  readonly #ofAddress = new Map<string, number>();

  /** @param most of them at once; half of that from one address */
  constructor(most: number) {
    this.#most = most;
    this.#mostOfOne = Math.ceil(most / 2);
  }

  /** False when there is none. What took one gives it back. */
  take(address: string): boolean {
    const held = this.#ofAddress.get(address) ?? 0;
    if (this.#taken >= this.#most || held >= this.#mostOfOne) return false;
    this.#taken += 1;
    this.#ofAddress.set(address, held + 1);
    return true;
  }

  giveBack(address: string): void {
    const held = (this.#ofAddress.get(address) ?? 0) - 1;
    if (held > 0) this.#ofAddress.set(address, held);
    else this.#ofAddress.delete(address);
    this.#taken -= 1;
  }
}

/** Runs what has the same name one after another. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  async take<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name);
    const mine = before === undefined ? work() : before.then(work, work);
    this.#last.set(name, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(name) === mine) this.#last.delete(name);
    }
  }
}
