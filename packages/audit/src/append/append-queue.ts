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
export interface QueuedEvent {
  readonly kind: 'decision' | 'refusal' | 'outcome' | 'notice';
  readonly columns: EventColumns;
  /** Whoever waited was answered before the row was known to be committed. */
  late: boolean;
  /** Answers whoever waits; does nothing the second time. */
  readonly answer: (committed: boolean) => void;
}

/** Whether an event closes a gap. */
export function isClosing({ columns }: QueuedEvent): boolean {
  return columns.result === UNKNOWN && columns.kind === 'outcome';
}

const UNKNOWN = 'unknown' satisfies OutcomeEvent['result'];

/** How many events may wait, and how long. */
export interface AppendQueueOptions {
  /** How long a caller waits for its row, milliseconds. */
  readonly commitTimeoutMs: number;
  /** How many decisions may wait; as many refusals beside them. */
  readonly maxWaiting: number;
  readonly maxOutcomes: number;
  readonly now: () => bigint;
  /** Called whenever an event has come in. */
  readonly onArrival: (kind: QueuedEvent['kind']) => void;
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
export class AppendQueue {
  readonly #options: AppendQueueOptions;
  // No Sets: V8 links each table that a Set has outgrown to its next, so that one of them grown old keeps all events
  // after it until a full collection.
  #decisions: QueuedEvent[] = [];
  #refusals: QueuedEvent[] = [];
  #outcomes: QueuedEvent[] = [];
  #notices: QueuedEvent[] = [];
  /** Calls whose gaps are on their way to be closed. */
  readonly #closing = new Set<string>();
  #dequeued: QueuedEvent[] = [];
  /** Given up for good. */
  readonly #notWritten = new Map<string, number>();
  /** Refusals answered without their row, which may commit yet. */
  readonly #late = new Map<string, number>();
  #closed = false;
  #whenEmpty: (() => void)[] = [];

  constructor(options: AppendQueueOptions) {
    this.#options = options;
  }

  decide(event: DecisionEvent): Promise<'committed' | 'unavailable' | 'overloaded'> {
    if (this.#closed) {
      this.#giveUp('record-unavailable');
      return Promise.resolve('unavailable');
    }
    if (this.#decisions.length >= this.#options.maxWaiting) {
      this.#giveUp('overloaded');
      return Promise.resolve('overloaded');
    }
    return new Promise((resolve) => {
      const entry = this.#entry('decision', event, (committed) =>
        resolve(committed ? 'committed' : 'unavailable'),
      );
      this.#decisions.push(entry);
      this.#options.onArrival('decision');
    });
  }

  refuse(event: DecisionEvent): Promise<'committed' | 'late'> {
    if (this.#closed || this.#refusals.length >= this.#options.maxWaiting) {
      this.#giveUp(reasonOf(event));
      return Promise.resolve('late');
    }
    return new Promise((resolve) => {
      const entry = this.#entry('refusal', event, (committed) => resolve(committed ? 'committed' : 'late'));
      this.#refusals.push(entry);
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
    if (this.#notices.length >= MAX_NOTICES) {
      answer(false);
      return;
    }
    this.#notices.push({ kind: 'notice', columns: eventColumns(event), late: false, answer });
    this.#options.onArrival('notice');
  }

  /**
   * Takes the next batch: notices first, then all else in the order of time. Each of its events must come back, by
   * `committed`, `requeue`, `reject` or `discard`.
   */
  dequeueBatch(limit: number): readonly QueuedEvent[] {
    const others = this.#refusals.length + this.#outcomes.length;
    const reserved = Math.min(others, Math.floor(limit / RESERVED_SHARE));
    const notices = this.#notices.splice(0, limit);
    const left = limit - notices.length;
    const calls = this.#decisions.splice(0, left - reserved);
    calls.push(...this.#refusals.splice(0, left - calls.length));
    calls.push(...this.#outcomes.splice(0, left - calls.length));
    calls.sort((a, b) => compare(a.columns.atMicros, b.columns.atMicros));
    const batch = notices.length === 0 ? calls : [...notices, ...calls];
    this.#dequeued.push(...batch);
    return batch;
  }

  /** The rows are committed. */
  committed(entries: readonly QueuedEvent[]): void {
    this.#bringBack(entries);
    for (const entry of entries) {
      if (entry.late) this.#committedLate(entry);
      else entry.answer(true);
    }
    this.#tellWhenEmpty();
  }

  /** The rows are certainly not there, and may be written yet. */
  requeue(entries: readonly QueuedEvent[]): void {
    this.#bringBack(entries);
    const back: Record<QueuedEvent['kind'], QueuedEvent[]> = {
      decision: [],
      refusal: [],
      outcome: [],
      notice: [],
    };
    for (const entry of entries) {
      // The caller has its 503: a row now would only say that nothing was forwarded.
      if (entry.kind === 'decision' && entry.late) this.#giveUp('record-unavailable');
      else back[entry.kind].push(entry);
    }
    this.#decisions = [...back.decision, ...this.#decisions];
    this.#refusals = [...back.refusal, ...this.#refusals];
    this.#outcomes = [...back.outcome, ...this.#outcomes];
    this.#notices = [...back.notice, ...this.#notices];
    this.#tellWhenEmpty();
  }

  /** Postgres takes the row in no company: it is counted and forgotten. */
  reject(entry: QueuedEvent): void {
    this.#bringBack([entry]);
    this.#giveNoRow(entry);
    this.#tellWhenEmpty();
  }

  #giveNoRow(entry: QueuedEvent): void {
    if (entry.kind === 'refusal' && entry.late) this.#countLate(entry, -1);
    if (entry.kind !== 'notice') this.#giveUp(reasonOfEntry(entry));
    entry.late = true;
    entry.answer(false);
  }

  /** What they would say isn't so any more: they are forgotten, and count as nothing lost. */
  discard(entries: readonly QueuedEvent[]): void {
    this.#bringBack(entries);
    for (const entry of entries) entry.answer(false);
    this.#tellWhenEmpty();
  }

  notWritten(): ReadonlyMap<string, number> {
    const all = new Map(this.#notWritten);
    for (const [reason, count] of this.#late) all.set(reason, (all.get(reason) ?? 0) + count);
    return all;
  }

  /** Events neither written nor given up. */
  waiting(): number {
    const calls = this.#decisions.length + this.#refusals.length + this.#outcomes.length;
    return calls + this.#notices.length + this.#dequeued.length;
  }

  /** True when nothing waits any more, false when that took longer than `timeoutMs`. */
  emptied(timeoutMs: number): Promise<boolean> {
    if (this.waiting() === 0) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(this.waiting() === 0), timeoutMs);
    this.#whenEmpty.push(() => {
      clearTimeout(timer);
      resolve(true);
    });
    return promise;
  }

  /** Decisions whose callers wait for a batch to take them. */
  decisions(): number {
    return this.#decisions.length;
  }

  hasOthers(): boolean {
    return this.#refusals.length + this.#outcomes.length + this.#notices.length > 0;
  }

  /** Lets nothing in any more but outcomes and notices. */
  close(): void {
    this.#closed = true;
  }

  /** Gives up whatever is still here: answered, and counted. */
  rejectAll(): void {
    const lists = [this.#dequeued, this.#decisions, this.#refusals, this.#outcomes, this.#notices];
    const left = lists.flatMap((list) => list.splice(0));
    for (const entry of left) this.#giveNoRow(entry);
    this.#tellWhenEmpty();
  }

  #entry(
    kind: 'decision' | 'refusal',
    event: DecisionEvent,
    settle: (committed: boolean) => void,
  ): QueuedEvent {
    const entry: QueuedEvent = {
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

  #expire(entry: QueuedEvent): void {
    entry.late = true;
    if (entry.kind === 'refusal') {
      this.#countLate(entry, 1);
    } else if (takeOut(this.#decisions, entry)) {
      this.#giveUp('record-unavailable');
    }
    entry.answer(false);
  }

  #committedLate(entry: QueuedEvent): void {
    if (entry.kind === 'refusal') this.#countLate(entry, -1);
    else this.#addOutcome(notForwarded(entry.columns, this.#options.now()));
  }

  #addOutcome(columns: EventColumns, settled: () => void = () => {}): void {
    if (this.#outcomes.length >= this.#options.maxOutcomes) {
      this.#giveUp('outcome');
      settled();
      return;
    }
    this.#outcomes.push({ kind: 'outcome', columns, late: false, answer: settled });
    this.#options.onArrival('outcome');
  }

  #bringBack(entries: readonly QueuedEvent[]): void {
    const back = new Set(entries);
    this.#dequeued = this.#dequeued.filter((entry) => !back.has(entry));
  }

  #tellWhenEmpty(): void {
    if (this.#whenEmpty.length === 0 || this.waiting() > 0) return;
    for (const tell of this.#whenEmpty.splice(0)) tell();
  }

  #giveUp(reason: string): void {
    this.#notWritten.set(reason, (this.#notWritten.get(reason) ?? 0) + 1);
    this.#options.onGivenUp(reason);
  }

  #countLate(refusal: QueuedEvent, by: 1 | -1): void {
    const reason = reasonOfEntry(refusal);
    const count = (this.#late.get(reason) ?? 0) + by;
    if (count === 0) this.#late.delete(reason);
    else this.#late.set(reason, count);
  }
}

function reasonOfEntry({ kind, columns }: QueuedEvent): string {
  if (kind === 'outcome' || kind === 'notice') return kind;
  return kind === 'decision' ? 'record-unavailable' : reasonOf(columns);
}

function reasonOf(refusal: { readonly reason: string | null; readonly problem: string | null }): string {
  return refusal.reason ?? refusal.problem ?? 'refused';
}

/** Those that wait longest stand in front, and are the ones that go out of turn. */
function takeOut(from: QueuedEvent[], entry: QueuedEvent): boolean {
  const place = from.indexOf(entry);
  if (place === -1) return false;
  from.splice(place, 1);
  return true;
}

function compare(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
