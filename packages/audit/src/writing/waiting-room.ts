import type { DecisionEvent, NoticeEvent, OutcomeEvent } from '@ideogate/contract';
import {
  type CallOfOutcome,
  type EventColumns,
  eventColumns,
  type GapReason,
  notForwarded,
  unknownOutcome,
} from './event-columns.ts';

/** An event on its way into the record. */
export interface Entry {
  readonly kind: 'decision' | 'refusal' | 'outcome' | 'notice';
  readonly columns: EventColumns;
  /** Whoever waited was answered before the row was known to be committed. */
  late: boolean;
  /** Answers whoever waits; does nothing the second time. */
  readonly answer: (committed: boolean) => void;
}

/** Whether an event closes a gap. */
export function isClosing({ columns }: Entry): boolean {
  return columns.result === UNKNOWN && columns.kind === 'outcome';
}

const UNKNOWN = 'unknown' satisfies OutcomeEvent['result'];

export interface WaitingRoomOptions {
  /** How long a caller waits for its row, milliseconds. */
  readonly commitTimeoutMs: number;
  /** How many decisions may wait; as many refusals beside them. */
  readonly maxWaiting: number;
  readonly maxOutcomes: number;
  readonly now: () => bigint;
  /** Called whenever an event has come in. */
  readonly onArrival: (kind: Entry['kind']) => void;
  /** Called for each event that certainly gets no row any more, with the reason it is counted under. */
  readonly onGivenUp: (reason: string) => void;
}

/** The share of a batch that decisions leave to the rest when both are plenty. */
const RESERVED_SHARE = 4;
/** Far more than the processes that write notices ever make. */
const MAX_NOTICES = 10_000;

/**
 * The events that wait for their place in the record, and the exact count of those that got none. Decisions go first:
 * callers wait for them, also while a backlog is written down after an outage. No I/O.
 */
export class WaitingRoom {
  readonly #options: WaitingRoomOptions;
  #decisions = new Set<Entry>();
  #refusals = new Set<Entry>();
  #outcomes = new Set<Entry>();
  #notices = new Set<Entry>();
  /** Calls whose gaps are on their way to be closed. */
  readonly #closing = new Set<string>();
  #taken = new Set<Entry>();
  /** Given up for good. */
  readonly #notWritten = new Map<string, number>();
  /** Refusals answered without their row, which may commit yet. */
  readonly #late = new Map<string, number>();
  #closed = false;

  constructor(options: WaitingRoomOptions) {
    this.#options = options;
  }

  decide(event: DecisionEvent): Promise<'committed' | 'unavailable' | 'overloaded'> {
    if (this.#closed) {
      this.#giveUp('record-unavailable');
      return Promise.resolve('unavailable');
    }
    if (this.#decisions.size >= this.#options.maxWaiting) {
      this.#giveUp('overloaded');
      return Promise.resolve('overloaded');
    }
    return new Promise((resolve) => {
      const entry = this.#entry('decision', event, (committed) =>
        resolve(committed ? 'committed' : 'unavailable'),
      );
      this.#decisions.add(entry);
      this.#options.onArrival('decision');
    });
  }

  refuse(event: DecisionEvent): Promise<'committed' | 'late'> {
    if (this.#closed || this.#refusals.size >= this.#options.maxWaiting) {
      this.#giveUp(reasonOf(event));
      return Promise.resolve('late');
    }
    return new Promise((resolve) => {
      const entry = this.#entry('refusal', event, (committed) => resolve(committed ? 'committed' : 'late'));
      this.#refusals.add(entry);
      this.#options.onArrival('refusal');
    });
  }

  outcome(event: OutcomeEvent): void {
    this.#addOutcome(eventColumns(event));
  }

  /** One that waits already isn't put down again: a closing that finds itself closed before would be taken for another's. */
  closeGap(call: CallOfOutcome, reason: GapReason): void {
    const callId = call.callId ?? '';
    if (this.#closing.has(callId)) return;
    this.#closing.add(callId);
    const settled = () => void this.#closing.delete(callId);
    this.#addOutcome(unknownOutcome(call, reason, this.#options.now()), settled);
  }

  /**
   * A notice takes its place before whatever else waits: a writer's first event stays its first.
   * @param settled told once whether the notice has its row; who asks for it counts a loss himself
   */
  note(event: NoticeEvent, settled?: (committed: boolean) => void): void {
    const answer = settled ?? ((committed: boolean) => committed || this.#giveUp('notice'));
    if (this.#notices.size >= MAX_NOTICES) {
      answer(false);
      return;
    }
    this.#notices.add({ kind: 'notice', columns: eventColumns(event), late: false, answer });
    this.#options.onArrival('notice');
  }

  /**
   * Takes the next batch, notices first, then decisions, each in the order of time. Every entry of it must come back by `committed`,
   * `giveBack` or `rejected`.
   */
  take(limit: number): readonly Entry[] {
    const others = this.#refusals.size + this.#outcomes.size;
    const reserved = Math.min(others, Math.floor(limit / RESERVED_SHARE));
    const notices: Entry[] = [];
    move(this.#notices, notices, limit);
    const calls: Entry[] = [];
    const room = limit - notices.length;
    move(this.#decisions, calls, room - reserved);
    move(this.#refusals, calls, room);
    move(this.#outcomes, calls, room);
    calls.sort((a, b) => compare(a.columns.atMicros, b.columns.atMicros));
    const batch = notices.length === 0 ? calls : [...notices, ...calls];
    for (const entry of batch) this.#taken.add(entry);
    return batch;
  }

  /** The rows are committed. */
  committed(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#taken.delete(entry);
      if (entry.late) this.#committedLate(entry);
      else entry.answer(true);
    }
  }

  /** The rows are certainly not there, and may be written yet. */
  giveBack(entries: readonly Entry[]): void {
    const back = {
      decision: new Set<Entry>(),
      refusal: new Set<Entry>(),
      outcome: new Set<Entry>(),
      notice: new Set<Entry>(),
    };
    for (const entry of entries) {
      this.#taken.delete(entry);
      // The caller has its 503: a row now would only say that nothing was forwarded.
      if (entry.kind === 'decision' && entry.late) this.#giveUp('record-unavailable');
      else back[entry.kind].add(entry);
    }
    this.#decisions = back.decision.union(this.#decisions);
    this.#refusals = back.refusal.union(this.#refusals);
    this.#outcomes = back.outcome.union(this.#outcomes);
    this.#notices = back.notice.union(this.#notices);
  }

  /** Postgres takes the row in no company: it is counted and forgotten. */
  rejected(entry: Entry): void {
    this.#taken.delete(entry);
    if (entry.kind === 'refusal' && entry.late) this.#countLate(entry, -1);
    if (entry.kind !== 'notice') this.#giveUp(reasonOfEntry(entry));
    entry.late = true;
    entry.answer(false);
  }

  /** What they would say isn't so any more: they are forgotten, and count as nothing lost. */
  needless(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#taken.delete(entry);
      entry.answer(false);
    }
  }

  notWritten(): ReadonlyMap<string, number> {
    const all = new Map(this.#notWritten);
    for (const [reason, count] of this.#late) all.set(reason, (all.get(reason) ?? 0) + count);
    return all;
  }

  /** Events neither written nor given up. */
  waiting(): number {
    const calls = this.#decisions.size + this.#refusals.size + this.#outcomes.size;
    return calls + this.#notices.size + this.#taken.size;
  }

  hasDecisions(): boolean {
    return this.#decisions.size > 0;
  }

  hasOthers(): boolean {
    return this.#refusals.size + this.#outcomes.size + this.#notices.size > 0;
  }

  /** Lets nothing in any more but outcomes and notices. */
  close(): void {
    this.#closed = true;
  }

  /** Gives up whatever is still here: answered, and counted. */
  abandon(): void {
    const rooms = [this.#decisions, this.#refusals, this.#outcomes, this.#notices];
    const left = [this.#taken, ...rooms].flatMap((room) => [...room]);
    for (const room of rooms) room.clear();
    for (const entry of left) this.rejected(entry);
  }

  #entry(kind: 'decision' | 'refusal', event: DecisionEvent, settle: (committed: boolean) => void): Entry {
    const entry: Entry = {
      kind,
      columns: eventColumns(event),
      late: false,
      answer: (committed) => {
        clearTimeout(timer);
        settle(committed);
      },
    };
    const timer = setTimeout(() => this.#expire(entry), this.#options.commitTimeoutMs);
    return entry;
  }

  #expire(entry: Entry): void {
    entry.late = true;
    if (entry.kind === 'refusal') {
      this.#countLate(entry, 1);
    } else if (this.#decisions.delete(entry)) {
      this.#giveUp('record-unavailable');
    }
    entry.answer(false);
  }

  #committedLate(entry: Entry): void {
    if (entry.kind === 'refusal') this.#countLate(entry, -1);
    else this.#addOutcome(notForwarded(entry.columns, this.#options.now()));
  }

  #addOutcome(columns: EventColumns, settled: () => void = () => {}): void {
    if (this.#outcomes.size >= this.#options.maxOutcomes) {
      this.#giveUp('outcome');
      settled();
      return;
    }
    this.#outcomes.add({ kind: 'outcome', columns, late: false, answer: settled });
    this.#options.onArrival('outcome');
  }

  #giveUp(reason: string): void {
    this.#notWritten.set(reason, (this.#notWritten.get(reason) ?? 0) + 1);
    this.#options.onGivenUp(reason);
  }

  #countLate(refusal: Entry, by: 1 | -1): void {
    const reason = reasonOfEntry(refusal);
    const count = (this.#late.get(reason) ?? 0) + by;
    if (count === 0) this.#late.delete(reason);
    else this.#late.set(reason, count);
  }
}

function reasonOfEntry({ kind, columns }: Entry): string {
  if (kind === 'outcome' || kind === 'notice') return kind;
  return kind === 'decision' ? 'record-unavailable' : reasonOf(columns);
}

function reasonOf(refusal: { readonly reason: string | null; readonly problem: string | null }): string {
  return refusal.reason ?? refusal.problem ?? 'refused';
}

function move(from: Set<Entry>, to: Entry[], upTo: number): void {
  for (const entry of from) {
    if (to.length >= upTo) return;
    from.delete(entry);
    to.push(entry);
  }
}

function compare(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
