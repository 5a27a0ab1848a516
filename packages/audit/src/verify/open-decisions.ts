import type { EventOfLine } from '../chain/ndjson.ts';

/** An allowed call whose end hasn't been seen; or an end without such a call. */
export interface OpenDecision {
  readonly callId: string;
  readonly writer: string;
  readonly seq: number;
  readonly at: number;
}

/** Calls and ends of calls that have no other half, as plain data. */
export interface DecisionsState {
  readonly open: readonly OpenDecision[];
  readonly unknownEarly: readonly string[];
  readonly unknownClosed: readonly (readonly [string, string])[];
  readonly strays: readonly OpenDecision[];
  readonly unknown: number;
}

const NONE: DecisionsState = { open: [], unknownEarly: [], unknownClosed: [], strays: [], unknown: 0 };

/**
 * Puts decisions and outcomes together, in whatever order they come. How a call ended is told once, and by the writer
 * that let it go on: any writer may say that nobody knows, and nobody else that somebody does. Holds what has no other
 * half: the calls that were in flight at one time, the gaps, and the outcomes that belong to no call.
 */
export class OpenDecisions {
  readonly #open: Map<string, OpenDecision>;
  /** Calls that were closed as unknown, and whose decision hasn't been seen or had its outcome. */
  readonly #unknownEarly: Set<string>;
  /** Calls that were closed as unknown, with the writer of their decision: its outcome may follow. */
  readonly #unknownClosed: Map<string, string>;
  /** Outcomes of calls whose end was told already, or that their writer didn't let go on. */
  readonly #strays: Map<string, OpenDecision>;
  #unknown: number;

  constructor({ open, unknownEarly, unknownClosed, strays, unknown }: DecisionsState = NONE) {
    this.#open = new Map(open.map((decision) => [decision.callId, decision]));
    this.#strays = new Map(strays.map((outcome) => [outcome.callId, outcome]));
    this.#unknownEarly = new Set(unknownEarly);
    this.#unknownClosed = new Map(unknownClosed);
    this.#unknown = unknown;
  }

  take({ kind, callId, result, writer, seq, at }: EventOfLine): void {
    if (callId === null) return;
    if (kind === 'decision' && result === 'allowed') this.#decided({ callId, writer, seq, at });
    else if (kind === 'outcome' && result === 'unknown') this.#closed(callId);
    else if (kind === 'outcome') this.#ended({ callId, writer, seq, at });
  }

  /** `unknown`: how many were closed with an outcome that says that nobody knows. */
  state(): DecisionsState {
    return {
      open: [...this.#open.values()],
      unknownEarly: [...this.#unknownEarly],
      unknownClosed: [...this.#unknownClosed],
      strays: [...this.#strays.values()],
      unknown: this.#unknown,
    };
  }

  #decided(decision: OpenDecision): void {
    const { callId, writer } = decision;
    if (this.#strays.size > 0 && this.#strays.get(callId)?.writer === writer) this.#strays.delete(callId);
    else if (this.#unknownEarly.delete(callId)) this.#unknownClosed.set(callId, writer);
    else this.#open.set(callId, decision);
  }

  #closed(callId: string): void {
    this.#unknown += 1;
    const decision = this.#open.get(callId);
    if (decision === undefined) this.#unknownEarly.add(callId);
    else this.#unknownClosed.set(callId, decision.writer);
    this.#open.delete(callId);
  }

  #ended(outcome: OpenDecision): void {
    const { callId, writer } = outcome;
    if (this.#open.get(callId)?.writer === writer) this.#open.delete(callId);
    else if (this.#unknownClosed.get(callId) === writer) this.#unknownClosed.delete(callId);
    else this.#strays.set(callId, outcome);
  }
}
