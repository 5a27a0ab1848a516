interface Line<T> {
  readonly key: string;
  /** What the key has used, in units of cost. */
  used: number;
  readonly waiting: T[];
}

/**
 * Fair queueing with equal weights over keys that use up a resource by and by (time, bytes): the next turn goes to the key
 * that has used least since somebody began to wait. Pure: the cost of a turn is told by whoever gave it.
 */
export class FairQueue<T> {
  /** Keys that wait, or have used something since somebody began to wait. */
  readonly #lines = new Map<string, Line<T>>();
  /** Where newcomers begin: the use of the key that was served last. A key has no credit from the time it was away. */
  #level = 0;
  #size = 0;

  /** Entries that wait. */
  get size(): number {
    return this.#size;
  }

  push(key: string, entry: T): void {
    const line = this.#lineOf(key);
    if (line.waiting.length === 0) line.used = Math.max(line.used, this.#level);
    line.waiting.push(entry);
    this.#size++;
  }

  /** Takes the next entry out, or undefined when none waits. */
  next(): { readonly key: string; readonly entry: T } | undefined {
    let first: Line<T> | undefined;
    for (const line of this.#lines.values())
      if (line.waiting.length > 0 && (first === undefined || line.used < first.used)) first = line;
    const entry = first?.waiting.shift();
    if (first === undefined || entry === undefined) return undefined;
    this.#size--;
    this.#level = Math.max(this.#level, first.used);
    return { key: first.key, entry };
  }

  /** Adds to what a key has used. Once nobody waits all are level again. */
  charge(key: string, cost: number): void {
    this.#lineOf(key).used += cost;
    if (this.#size > 0) return;
    this.#lines.clear();
    this.#level = 0;
  }

  #lineOf(key: string): Line<T> {
    const known = this.#lines.get(key);
    if (known !== undefined) return known;
    const made: Line<T> = { key, used: this.#level, waiting: [] };
    this.#lines.set(key, made);
    return made;
  }
}
