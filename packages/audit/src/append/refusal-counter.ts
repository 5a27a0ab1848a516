/** So many calls that have no row of their own, and when they were counted. */
export interface Tally {
  readonly count: number;
  /** Of the first, microseconds since the Unix epoch. */
  readonly fromMicros: bigint;
  /** Of the last. */
  readonly toMicros: bigint;
}

/** By which clock, and how often, counted refusals become rows. */
export interface RefusalCounterOptions {
  readonly now: () => bigint;
  /** How often a reason may be summed, milliseconds. */
  readonly everyMs: number;
  /** Writes a summary; `settled` is told once whether its row is committed. */
  readonly write: (reason: string, tally: Tally, settled: (committed: boolean) => void) => void;
}

/** Reasons come from closed sets of the code; this holds should one ever not. What is beyond is summed as `other`. */
const MAX_REASONS = 256;

/**
 * Sums up what was refused without a row of its own, so that the record tells of it at the price of one row a reason
 * and interval, however many there were. What was counted once is in exactly one committed summary, or still here.
 */
export class RefusalCounter {
  readonly #options: RefusalCounterOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #unsummed = new Map<string, Tally>();
  /** Reasons whose summary waits for its commit, and since when: performance.now(). */
  readonly #pending = new Map<string, number>();
  #stopped = false;

  constructor(options: RefusalCounterOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.sum(), options.everyMs);
    this.#timer.unref();
  }

  count(reason: string): void {
    const now = this.#options.now();
    this.#add(reason, { count: 1, fromMicros: now, toMicros: now });
  }

  /** Writes a summary of every reason that has something to sum and none on its way. */
  sum(): void {
    // A list of its own: what could not be written comes back into the map.
    const reasons = this.#unsummed.keys().toArray();
    for (const reason of reasons) this.#sumUp(reason);
  }

  /** Nothing is summed any more but by `sum`. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  #sumUp(reason: string): void {
    const tally = this.#unsummed.get(reason);
    if (tally === undefined || this.#pending.has(reason)) return;
    this.#unsummed.delete(reason);
    this.#pending.set(reason, performance.now());
    this.#options.write(reason, tally, (committed) => {
      const waited = performance.now() - (this.#pending.get(reason) ?? 0);
      this.#pending.delete(reason);
      if (!committed) this.#add(reason, tally);
      // It waited for a database that was away: what was counted meanwhile need not wait for the next turn.
      else if (waited >= this.#options.everyMs && !this.#stopped) this.#sumUp(reason);
    });
  }

  #add(wanted: string, tally: Tally): void {
    const known = this.#unsummed.has(wanted) || this.#pending.has(wanted);
    const reason = known || this.#unsummed.size + this.#pending.size < MAX_REASONS ? wanted : 'other';
    const before = this.#unsummed.get(reason);
    this.#unsummed.set(reason, before === undefined ? tally : joined(before, tally));
  }
}

function joined(a: Tally, b: Tally): Tally {
  return {
    count: a.count + b.count,
    fromMicros: a.fromMicros < b.fromMicros ? a.fromMicros : b.fromMicros,
    toMicros: a.toMicros > b.toMicros ? a.toMicros : b.toMicros,
  };
}
