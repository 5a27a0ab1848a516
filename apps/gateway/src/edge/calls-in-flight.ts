import type { Call } from '../call.ts';

/**
 * The calls between arrival and end, in no order. No Set: V8 links each table that a Set has outgrown to its next, so
 * that one of them grown old keeps all after it, and the calls in them, until a full collection.
 */
export class CallsInFlight {
  readonly #calls: Call[] = [];

  get size(): number {
    return this.#calls.length;
  }

  add(call: Call): void {
    call.inFlightIndex = this.#calls.push(call) - 1;
  }

  /** Does nothing the second time. */
  delete(call: Call): void {
    if (call.inFlightIndex === null) return;
    const last = this.#calls.pop();
    if (last !== undefined && last !== call) {
      this.#calls[call.inFlightIndex] = last;
      last.inFlightIndex = call.inFlightIndex;
    }
    call.inFlightIndex = null;
  }

  /** As they are now: they may end meanwhile. */
  now(): readonly Call[] {
    return [...this.#calls];
  }
}
