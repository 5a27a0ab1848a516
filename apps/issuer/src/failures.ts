import type { AuthenticationFault } from './client-authentication.ts';

/** One failed client authentication, as the record has it. */
export interface AuthenticationFailure {
  readonly reason: AuthenticationFault;
  /** One of our clients, or null. */
  readonly clientId: string | null;
  readonly address: string | null;
  readonly atMs: number;
}

/** Failures that have no rows of their own, counted exactly. */
export interface FailureSum {
  readonly reason: AuthenticationFault;
  readonly clientId: string | null;
  readonly count: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Sums beyond these are not told apart by client: each is a row a minute. */
const MOST_SUMS = 64;

/** Adds up sums by reason and client. */
export class FailureSums {
  #sums = new Map<string, FailureSum>();

  add(sum: FailureSum): void {
    const known = this.#key(sum.reason, sum.clientId);
    const { clientId, key } =
      this.#sums.has(known) || this.#sums.size < MOST_SUMS
        ? { clientId: sum.clientId, key: known }
        : { clientId: null, key: this.#key(sum.reason, null) };
    const before = this.#sums.get(key);
    this.#sums.set(key, {
      reason: sum.reason,
      clientId,
      count: sum.count + (before?.count ?? 0),
      fromMs: Math.min(sum.fromMs, before?.fromMs ?? sum.fromMs),
      toMs: Math.max(sum.toMs, before?.toMs ?? sum.toMs),
    });
  }

  /** All sums, which begin anew. */
  take(): readonly FailureSum[] {
    const sums = [...this.#sums.values()];
    this.#sums = new Map();
    return sums;
  }

  #key(reason: AuthenticationFault, clientId: string | null): string {
    return `${reason} ${clientId ?? ''}`;
  }
}

const HOUR_MS = 3_600_000;
/** Rows of one client from one address in an hour: more of them say nothing new. */
const ROWS_OF_ONE = 10;

/** Which failures have rows of their own; all others are summed, so that what strangers can make us write is bounded. */
export class FailureRows {
  readonly sums = new FailureSums();
  readonly #perHour: number;
  readonly #now: () => number;
  #began: number;
  #taken = 0;
  #of = new Map<string, number>();

  /** @param now milliseconds since the Unix epoch */
  constructor(perHour: number, now: () => number) {
    this.#perHour = perHour;
    this.#now = now;
    this.#began = now();
  }

  /** The failure if it is to have a row of its own, or null: it is in the sums. */
  add(failure: Omit<AuthenticationFailure, 'atMs'>): AuthenticationFailure | null {
    const atMs = this.#now();
    if (Math.abs(atMs - this.#began) >= HOUR_MS) {
      this.#began = atMs;
      this.#taken = 0;
      this.#of = new Map();
    }
    const { reason, clientId, address } = failure;
    const one = `${address} ${clientId ?? ''}`;
    const had = this.#of.get(one) ?? 0;
    if (had < ROWS_OF_ONE && this.#taken < this.#perHour) {
      this.#of.set(one, had + 1);
      this.#taken++;
      return { ...failure, atMs };
    }
    this.sums.add({ reason, clientId, count: 1, fromMs: atMs, toMs: atMs });
    return null;
  }
}
