import { setTimeout as delay } from 'node:timers/promises';
import { appendFailure, closedBefore } from './append-failure.ts';
import { type ChainHead, chain, EMPTY_CHAIN, type Link, type Timed } from '../chain/chain.ts';
import { appendEvents, readBack, writerLock } from './event-store.ts';
import { openSession, type Session, type SessionTimeouts } from '@ideogate/postgres';
import { type AppendQueue, isClosing, type QueuedEvent } from './append-queue.ts';

export interface AppendLoopOptions {
  readonly appendUrl: string;
  readonly readUrl: string;
  readonly writer: string;
  readonly timeouts: SessionTimeouts;
  /** How long outcomes and refusals wait for a decision to ride with, milliseconds. */
  readonly lingerMs: number;
  readonly now: () => bigint;
  readonly observeBatch: (rows: number, milliseconds: number) => void;
}

const MAX_BATCH = 1_000;
/** So many callers never wait for more. */
const FULL_ENOUGH = 16;
/** How far apart batches begin when the last one was of few events, and when it was of many. Milliseconds. */
const FEW_EVERY_MS = 2;
const MANY_EVERY_MS = 10;
const MANY = 4;
/** Commits that take so long keep batches far enough apart by themselves, milliseconds. */
const SLOW_COMMIT_MS = 2.5;
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 500;
/** An event may be dated this far back, which the month behind always covers; 28 days in microseconds. */
const MAX_AGE_MICROS = 28n * 86_400_000_000n;

/** A batch whose answer was lost. Until it is known to be there or not, nothing else may take its place. */
interface Batch {
  readonly entries: readonly QueuedEvent[];
  readonly events: readonly Link[];
}

/**
 * Moves events from the queue into the record: one connection, one batch in flight, for as long as the process
 * lives. Nothing that the network or the database does ends it.
 */
export class AppendLoop {
  readonly #queue: AppendQueue;
  readonly #options: AppendLoopOptions;
  readonly #done: Promise<void>;
  #session: Session | undefined;
  readonly #lock: bigint;
  #head: ChainHead = EMPTY_CHAIN;
  #inDoubt: Batch | undefined;
  /** Failures since anything last worked. */
  #failures = 0;
  #stopped = false;
  #ring: () => void = () => {};
  #rung = false;
  #othersDue = false;
  /** The last batch: monotonic time at which it was taken and how long it took, milliseconds, and its events. */
  #last = { began: 0, took: 0, events: 0 };
  #quiet: NodeJS.Timeout | undefined;
  #probes: ((mayInsert: boolean) => void)[] = [];
  #idleWaiters: (() => void)[] = [];

  constructor(queue: AppendQueue, options: AppendLoopOptions) {
    this.#queue = queue;
    this.#options = options;
    this.#lock = writerLock(options.writer);
    this.#done = this.#run();
  }

  /** To be told of every event that came into the queue. */
  arrived(kind: QueuedEvent['kind']): void {
    if (kind === 'decision') this.#wake();
    else this.#quiet ??= setTimeout(() => this.#quietIsOver(), this.#options.lingerMs);
  }

  /** Whether the connection works and its role may insert; false after `timeoutMs` without an answer. */
  probe(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs);
      this.#probes.push((mayInsert) => {
        clearTimeout(timer);
        resolve(mayInsert);
      });
      this.#wake();
    });
  }

  /** True when nothing waits any more, false when that took longer than `timeoutMs`. */
  flush(timeoutMs: number): Promise<boolean> {
    this.#quietIsOver();
    if (this.#queue.waiting() === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(this.#queue.waiting() === 0), timeoutMs);
      this.#idleWaiters.push(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }

  /** Ends the connection, at once if a batch is still in flight. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#quiet);
    if (this.#queue.waiting() === 0) await this.#session?.end();
    else this.#session?.destroy();
    this.#wake();
    await this.#done;
    this.#session?.destroy();
    this.#answerProbes(false);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#step();
      } catch {
        // A lost connection, a refused login, a statement Postgres can't run now: all are tried again.
        await this.#failed();
      }
    }
  }

  async #step(): Promise<void> {
    const session = this.#session;
    if (!session?.alive()) return this.#connect();
    if (this.#inDoubt !== undefined) return this.#resolve(session, this.#inDoubt);
    if (this.#probes.length > 0) return this.#answerProbes(await mayInsert(session));
    if (this.#queue.decisions() === 0 && !(this.#othersDue && this.#queue.hasOthers()))
      return this.#waitForWork();
    await this.#gather();
    const batch = this.#queue.dequeueBatch(MAX_BATCH);
    if (batch.length === 0) return undefined;
    this.#othersDue = this.#queue.hasOthers();
    clearTimeout(this.#quiet);
    this.#quiet = undefined;
    const began = performance.now();
    await this.#append(session, batch);
    this.#last = { began, took: performance.now() - began, events: batch.length };
    return undefined;
  }

  /**
   * What this turn of the event loop still brings goes along: its callers would wait for a commit more. Then batches
   * keep apart: a batch costs this process and Postgres the same for one event as for ten, and a call that takes
   * seconds does not notice the milliseconds. Where few come, none would be saved by waiting long.
   */
  async #gather(): Promise<void> {
    const { began, took, events } = this.#last;
    if (took >= SLOW_COMMIT_MS) return;
    await endOfTurn();
    if (this.#queue.decisions() >= FULL_ENOUGH) return;
    const early = began + (events < MANY ? FEW_EVERY_MS : MANY_EVERY_MS) - performance.now();
    if (early > 0) await delay(early);
  }

  async #connect(): Promise<void> {
    const { appendUrl, timeouts } = this.#options;
    const session = await openSession(appendUrl, 'ideogate-append', timeouts, () => this.#wake());
    this.#session = session;
    // An acknowledged row must be on disk, whatever the server's default says.
    await session.query({
      text: `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`,
    });
  }

  async #append(session: Session, entries: readonly QueuedEvent[]): Promise<void> {
    if (entries.length === 0) return;
    const head = this.#head;
    const events = chain(this.#options.writer, head, inTime(head, this.#options.now(), entries));
    const failure = await this.#send(session, { entries, events });
    switch (failure?.kind) {
      case undefined:
        return this.#settle({ entries, events });
      case 'bad-row':
        return this.#bisect(session, entries);
      case 'gap-closed':
        return this.#append(session, this.#withoutClosed(entries, failure.error));
      case 'not-now':
        this.#requeue(entries);
        throw failure.error;
      case 'unknown':
        this.#inDoubt = { entries, events };
        throw failure.error;
    }
  }

  /** Halves a batch until the bad row stands alone. Rows take their places only when they commit: no holes. */
  async #bisect(session: Session, entries: readonly QueuedEvent[]): Promise<void> {
    const [only] = entries;
    if (only !== undefined && entries.length === 1) {
      this.#queue.reject(only);
      this.#tellIdle();
      return;
    }
    const middle = Math.ceil(entries.length / 2);
    try {
      await this.#append(session, entries.slice(0, middle));
    } catch (error) {
      this.#requeue(entries.slice(middle));
      throw error;
    }
    await this.#append(session, entries.slice(middle));
  }

  async #resolve(session: Session, batch: Batch): Promise<void> {
    const found = await this.#withReader((reader) => readBack(reader, this.#options.writer, batch.events));
    if (found === 'committed') return this.#settle(batch);
    if (found !== 'absent') {
      this.#head = found;
      this.#inDoubt = undefined;
      return this.#requeue(batch.entries);
    }
    // The same rows to the byte: should the first attempt land after all, one of the two breaks the unique key.
    const failure = await this.#send(session, batch);
    if (failure === undefined) return this.#settle(batch);
    if (failure.kind !== 'bad-row' && failure.kind !== 'gap-closed') throw failure.error;
    this.#inDoubt = undefined;
    if (failure.kind === 'bad-row') return this.#bisect(session, batch.entries);
    return this.#append(session, this.#withoutClosed(batch.entries, failure.error));
  }

  /** Another process closed gaps that this one had found. What is no gap any more is nothing to write. */
  #withoutClosed(entries: readonly QueuedEvent[], error: unknown): readonly QueuedEvent[] {
    const closed = closedBefore(error);
    const [needless, rest] = [true, false].map((so) =>
      entries.filter((entry) => (isClosing(entry) && closed.has(entry.columns.callId ?? '')) === so),
    );
    if (needless === undefined || rest === undefined || needless.length === 0) throw error;
    this.#queue.discard(needless);
    this.#tellIdle();
    return rest;
  }

  async #send(session: Session, { entries, events }: Batch) {
    const started = performance.now();
    const closings = entries.flatMap((entry) => (isClosing(entry) ? (entry.columns.callId ?? []) : []));
    try {
      await appendEvents(session, this.#lock, events, closings);
    } catch (error) {
      return { kind: appendFailure(error), error };
    }
    this.#options.observeBatch(events.length, performance.now() - started);
    return undefined;
  }

  #settle({ entries, events }: Batch): void {
    const last = events.at(-1);
    if (last !== undefined) this.#head = { seq: last.seq, hash: last.hash, atMicros: last.atMicros };
    this.#inDoubt = undefined;
    this.#failures = 0;
    // The next batch goes out first: it would wait for all the work that these callers now go on with.
    setImmediate(() => {
      this.#queue.committed(entries);
      this.#tellIdle();
    });
  }

  #requeue(entries: readonly QueuedEvent[]): void {
    this.#queue.requeue(entries);
    this.#othersDue = true;
    this.#tellIdle();
  }

  async #withReader<T>(work: (reader: Session) => Promise<T>): Promise<T> {
    const reader = await openSession(this.#options.readUrl, 'ideogate-read-back', this.#options.timeouts);
    try {
      return await work(reader);
    } finally {
      reader.destroy();
    }
  }

  /** A client that failed is never used again: what it was sent may still be under way. */
  async #failed(): Promise<void> {
    this.#session?.destroy();
    this.#session = undefined;
    this.#answerProbes(false);
    const wait = Math.min(FIRST_BACKOFF_MS * 2 ** this.#failures++, MAX_BACKOFF_MS);
    const pause = { over: false };
    const timer = setTimeout(() => {
      pause.over = true;
      this.#wake();
    }, wait);
    while (!this.#stopped && !pause.over) await this.#waitForWork();
    clearTimeout(timer);
    this.#rung = true;
  }

  #answerProbes(mayInsert: boolean): void {
    const probes = this.#probes;
    this.#probes = [];
    for (const answer of probes) answer(mayInsert);
  }

  #tellIdle(): void {
    if (this.#queue.waiting() > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const tell of waiters) tell();
  }

  #quietIsOver(): void {
    clearTimeout(this.#quiet);
    this.#quiet = undefined;
    this.#othersDue = true;
    this.#wake();
  }

  #wake(): void {
    this.#rung = true;
    this.#ring();
  }

  /** Waits for the next `#wake`; one that came since the last wait counts. */
  async #waitForWork(): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        this.#ring = resolve;
      });
    }
    this.#rung = false;
  }
}

function endOfTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

async function mayInsert(session: Session): Promise<boolean> {
  const { rows } = await session.query({
    text: `SELECT has_table_privilege('ideogate.audit_event', 'INSERT') AS may_insert`,
  });
  const [row] = rows as { may_insert: boolean }[]; // as: the column selected above
  return row?.may_insert === true;
}

/**
 * The events with times that never go back within the writer and that a partition can be expected for, whatever the
 * event says: not after now, not more than 28 days before.
 */
function inTime(head: ChainHead, now: bigint, entries: readonly QueuedEvent[]): readonly Timed[] {
  let last = head.atMicros;
  return entries.map(({ columns }) => {
    const { atMicros } = columns;
    last = latest(last, atMicros > now ? now : latest(atMicros, now - MAX_AGE_MICROS));
    return { columns, atMicros: last };
  });
}

function latest(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
