import type { EventOfLine } from '../chain/ndjson.ts';

/** An allowed call whose end hasn't been seen. */
export interface OpenDecision {
  readonly callId: string;
  readonly writer: string;
  readonly seq: number;
  readonly at: number;
}

export interface DecisionsState {
  readonly open: readonly OpenDecision[];
  readonly ended: readonly string[];
  readonly unknown: number;
}

/**
 * Puts decisions and outcomes together, in whatever order they come. Holds what has no other half: the calls that
 * were in flight at one time, the gaps, and the outcomes that another writer wrote.
 */
export class OpenDecisions {
  readonly #open = new Map<string, OpenDecision>();
  readonly #ended: Set<string>;
  #unknown: number;

  constructor(state: DecisionsState = { open: [], ended: [], unknown: 0 }) {
    for (const decision of state.open) this.#open.set(decision.callId, decision);
    this.#ended = new Set(state.ended);
    this.#unknown = state.unknown;
  }

  take({ kind, callId, result, writer, seq, at }: EventOfLine): void {
    if (callId === null) return;
    if (kind === 'decision' && result === 'allowed') {
      if (!this.#ended.delete(callId)) this.#open.set(callId, { callId, writer, seq, at });
    } else if (kind === 'outcome') {
      if (result === 'unknown') this.#unknown += 1;
      if (!this.#open.delete(callId)) this.#ended.add(callId);
    }
  }

  open(): Iterable<OpenDecision> {
    return this.#open.values();
  }

  /** How many were closed with an outcome that says that nobody knows. */
  get unknown(): number {
    return this.#unknown;
  }

  state(): DecisionsState {
    return { open: [...this.#open.values()], ended: [...this.#ended], unknown: this.#unknown };
  }
}
