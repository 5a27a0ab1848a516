import { Recent } from './recent.ts';

/** Addresses and clients that are remembered: a flood from more of them than this is bounded by connections alone. */
const MOST_KEYS = 20_000;
const MINUTE_MS = 60_000;

/**
 * A token bucket for each key: `perMinute` at once, and as many a minute. A limiter of a library would do, if one
 * existed that keeps a bounded number of keys and asks for no server of its own kind.
 */
export class RateLimit {
  readonly #buckets = new Recent<{ readonly left: number; readonly at: number }>(MOST_KEYS);
  readonly #perMinute: number;
  readonly #now: () => number;

  /** @param now monotonic milliseconds */
  constructor(perMinute: number, now: () => number) {
    this.#perMinute = perMinute;
    this.#now = now;
  }

  /** Takes one for the key: null, or the milliseconds until there is one. */
  take(key: string): number | null {
    const now = this.#now();
    const { left, at } = this.#buckets.get(key) ?? { left: this.#perMinute, at: now };
    const filled = Math.min(this.#perMinute, left + ((now - at) / MINUTE_MS) * this.#perMinute);
    this.#buckets.set(key, { left: filled < 1 ? filled : filled - 1, at: now });
    return filled < 1 ? ((1 - filled) / this.#perMinute) * MINUTE_MS : null;
  }
}

/** Failures that are nothing to speak of: somebody has mistyped a secret. */
const FREE_FAILURES = 5;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
const FORGIVEN_AFTER_MS = 600_000;

/**
 * Back-off of a key that fails again and again: five times for nothing, then a second, and twice as long each time, up to
 * a minute. Whoever has the right secret is never asked.
 */
export class BackOff {
  readonly #failures = new Recent<{ readonly count: number; readonly until: number }>(MOST_KEYS);
  readonly #now: () => number;

  /** @param now monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** One more failure of the key: null when it is to be answered as one, or the milliseconds it should have waited. */
  failed(key: string): number | null {
    const now = this.#now();
    const before = this.#failures.get(key);
    if (before !== undefined && before.until > now) return before.until - now;
    const forgiven = before === undefined || now - before.until > FORGIVEN_AFTER_MS;
    const count = forgiven ? 1 : before.count + 1;
    const beyond = count - FREE_FAILURES;
    const wait = beyond < 0 ? 0 : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(beyond, 30));
    this.#failures.set(key, { count, until: now + wait });
    return null;
  }
}

/** So many at once don't wait: a burst of a few is no flood. */
const FREE_BURST = 20;

/**
 * How long each answer of a key waits, so that they go out no faster than so many a second: whoever asks again as soon as
 * it is answered is slowed down, and costs next to nothing.
 */
export class Pace {
  readonly #next = new Recent<number>(MOST_KEYS);
  readonly #apartMs: number;
  readonly #now: () => number;

  /** @param now monotonic milliseconds */
  constructor(perSecond: number, now: () => number) {
    this.#apartMs = 1000 / perSecond;
    this.#now = now;
  }

  /** Milliseconds that this answer waits. */
  take(key: string): number {
    const now = this.#now();
    const at = Math.max(now, this.#next.get(key) ?? now);
    this.#next.set(key, at + this.#apartMs);
    return Math.max(0, at - now - FREE_BURST * this.#apartMs);
  }
}
