import { openSession, type Session, type SessionTimeouts } from '@ideogate/postgres';
import { type ChainHead, chain, EMPTY_CHAIN, type Link, type Timed } from '../chain/chain.ts';
import { appendFailure, closedBefore } from './append-failure.ts';
import { type AppendQueue, isClosing, type QueuedEvent } from './append-queue.ts';
import { appendEvents, readBack, writerLock } from './event-store.ts';
import { Pacing } from './pacing.ts';

/*
 * The append loop moves events from the queue into the record: one session, one batch in flight, for as long as the
 * process lives. One field says what it is at, and each state is a method that returns the next:
 *
 * | state       | what goes on                                                  | next                                    |
 * | ----------- | ------------------------------------------------------------- | --------------------------------------- |
 * | connecting  | the append login's session is opened                          | idle, in doubt, backing off             |
 * | idle        | nothing waits that has to go                                  | gathering, connecting, backing off      |
 * | gathering   | what waits is given time for company, as `Pacing` says        | reserving, connecting                   |
 * | reserving   | a batch's events get their times, places and hashes           | in flight, idle                         |
 * | in flight   | Postgres has the batch                                        | reserving, in doubt, backing off        |
 * | in doubt    | the answer was lost: is the batch in the record?              | idle, in flight, reserving, backing off |
 * | backing off | something failed: a while later all begins with a new session | connecting                              |
 * | stopped     | nothing is appended any more; `stop` leads here from any      |                                         |
 */
type State =
  /** `inDoubt`: a batch whose answer was lost. Until it is known to be there or not, nothing may take its places. */
  | { readonly name: 'connecting'; readonly inDoubt: Batch | null }
  | { readonly name: 'idle'; readonly session: Session }
  | { readonly name: 'gathering'; readonly session: Session }
  /** The first slice is the next batch. There are more while a bad row is looked for by halves. */
  | { readonly name: 'reserving'; readonly session: Session; readonly slices: Slices }
  | {
      readonly name: 'in flight';
      readonly session: Session;
      readonly batch: Batch;
      /** What is appended next, before anything else. */
      readonly rest: Slices;
      /** It was sent before, and that attempt may land yet. */
      readonly again: boolean;
    }
  | { readonly name: 'in doubt'; readonly session: Session; readonly batch: Batch }
  | { readonly name: 'backing off'; readonly inDoubt: Batch | null }
  | { readonly name: 'stopped' };

type Slices = readonly (readonly QueuedEvent[])[];
type In<Name extends State['name']> = Extract<State, { readonly name: Name }>;

interface Batch {
  readonly entries: readonly QueuedEvent[];
  /** What the entries became. */
  readonly links: readonly Link[];
  /** Calls whose gaps were found closed when it was sent again: if not by its own first attempt, that can't land any more. */
  readonly closed?: ReadonlySet<string>;
}

/** By which logins one writer appends, and what is told of it. */
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
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 500;
/** An event may be dated this far back, which the month behind always covers; 28 days in microseconds. */
const MAX_AGE_MICROS = 28n * 86_400_000_000n;

/** Appends what is in the queue. Nothing that the network or the database does ends it, or is thrown. */
export class AppendLoop {
  readonly #queue: AppendQueue;
  readonly #options: AppendLoopOptions;
  readonly #lock: bigint;
  readonly #pacing = new Pacing();
  readonly #over = new AbortController();
  readonly #done: Promise<void>;
  #state: State = { name: 'connecting', inDoubt: null };
  #chainHead: ChainHead = EMPTY_CHAIN;
  /** Failures since a batch was last committed. */
  #failures = 0;
  /** When outcomes, refusals and notices that wait go without a decision: performance.now(). */
  #othersDueAt = Number.POSITIVE_INFINITY;
  #probes: ((mayInsert: boolean) => void)[] = [];
  #notify: () => void = () => {};

  constructor(queue: AppendQueue, options: AppendLoopOptions) {
    this.#queue = queue;
    this.#options = options;
    this.#lock = writerLock(options.writer);
    this.#done = this.#run();
  }

  /** To be told of every event that came into the queue. */
  arrived(kind: QueuedEvent['kind']): void {
    if (kind === 'decision') this.#pacing.decisionCame(performance.now());
    else if (this.#othersDueAt === Number.POSITIVE_INFINITY)
      this.#othersDueAt = performance.now() + this.#options.lingerMs;
    else return;
    if (this.#state.name === 'idle' || this.#pacing.isEnough(this.#queue.decisions())) this.#notify();
  }

  /** Whether the session works and its role may insert; false after `timeoutMs` without an answer. */
  probe(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs);
      this.#probes.push((mayInsert) => {
        clearTimeout(timer);
        resolve(mayInsert);
      });
      this.#notify();
    });
  }

  /** What waits goes as soon as it can. */
  hurry(): void {
    if (!this.#queue.hasOthers()) return;
    this.#othersDueAt = 0;
    this.#notify();
  }

  /** Ends the session, at once if anything waits yet. */
  async stop(): Promise<void> {
    const session = 'session' in this.#state ? this.#state.session : null;
    this.#over.abort();
    if (this.#queue.waiting() === 0) await session?.end();
    else session?.destroy();
    this.#notify();
    await this.#done;
    // Whoever was committed last is told so in this turn.
    await endOfTurn();
  }

  async #run(): Promise<void> {
    while (!this.#over.signal.aborted) {
      try {
        this.#state = await this.#next(this.#state);
      } catch {
        // A lost connection, a refused login, a statement Postgres can't run now: all are tried again.
        this.#state = this.#failed(this.#state);
      }
    }
    if ('session' in this.#state) this.#state.session.destroy();
    this.#answerProbes(false);
    this.#state = { name: 'stopped' };
  }

  #next(state: State): State | Promise<State> {
    switch (state.name) {
      case 'connecting':
        return this.#connect(state);
      case 'idle':
        return this.#rest(state);
      case 'gathering':
        return this.#gather(state);
      case 'reserving':
        return this.#reserve(state);
      case 'in flight':
        return this.#append(state);
      case 'in doubt':
        return this.#resolveDoubt(state);
      case 'backing off':
        return this.#backOff(state);
      case 'stopped':
        return state;
    }
  }

  async #connect({ inDoubt }: In<'connecting'>): Promise<State> {
    const { appendUrl, timeouts } = this.#options;
    const session = await openSession(appendUrl, 'ideogate-append', timeouts, () => this.#notify());
    try {
      // An acknowledged row must be on disk, whatever the server's default says.
      await session.query({
        text: `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`,
      });
    } catch (error) {
      session.destroy();
      throw error;
    }
    return inDoubt === null ? { name: 'idle', session } : { name: 'in doubt', session, batch: inDoubt };
  }

  async #rest(state: In<'idle'>): Promise<State> {
    const { session } = state;
    if (!session.alive()) return { name: 'connecting', inDoubt: null };
    if (this.#probes.length > 0) {
      this.#answerProbes(await mayInsert(session));
      return state;
    }
    const othersDueIn = this.#queue.hasOthers()
      ? this.#othersDueAt - performance.now()
      : Number.POSITIVE_INFINITY;
    if (this.#queue.decisions() > 0 || othersDueIn <= 0) return { name: 'gathering', session };
    await this.#waitForWork(othersDueIn);
    return state;
  }

  /** What this turn of the event loop still brings goes along: its callers would wait for a commit more. */
  async #gather({ session }: In<'gathering'>): Promise<State> {
    if (!this.#pacing.isEnough(this.#queue.decisions())) await endOfTurn();
    for (;;) {
      if (!session.alive()) return { name: 'connecting', inDoubt: null };
      const wait = this.#pacing.wait(this.#queue.decisions(), performance.now());
      if (wait <= 0 || this.#over.signal.aborted) break;
      await this.#waitForWork(wait);
    }
    return { name: 'reserving', session, slices: [this.#dequeue()] };
  }

  #dequeue(): readonly QueuedEvent[] {
    const entries = this.#queue.dequeueBatch(MAX_BATCH);
    this.#othersDueAt = this.#queue.hasOthers() ? 0 : Number.POSITIVE_INFINITY;
    return entries;
  }

  /** Whatever has to be decided on a batch in its transaction is decided here: what is hashed is final. */
  #reserve({ session, slices: [entries, ...rest] }: In<'reserving'>): State {
    if (entries === undefined) return { name: 'idle', session };
    if (entries.length === 0) return { name: 'reserving', session, slices: rest };
    const head = this.#chainHead;
    const links = chain(this.#options.writer, head, inTime(head, this.#options.now(), entries));
    return { name: 'in flight', session, batch: { entries, links }, rest, again: false };
  }

  async #append(state: In<'in flight'>): Promise<State> {
    const { session, batch, rest } = state;
    const began = performance.now();
    try {
      await appendEvents(session, this.#lock, batch.links, closings(batch.entries));
    } catch (error) {
      return this.#afterFailure(state, error);
    }
    const took = performance.now() - began;
    this.#pacing.batchCommitted(began, took, batch.entries.length);
    this.#options.observeBatch(batch.entries.length, took);
    this.#committed(batch);
    return { name: 'reserving', session, slices: rest };
  }

  #afterFailure({ session, batch, rest, again }: In<'in flight'>, error: unknown): State {
    const { entries } = batch;
    switch (appendFailure(error)) {
      case 'bad-row':
        return { name: 'reserving', session, slices: [...this.#bisect(entries), ...rest] };
      case 'gap-closed': {
        const closed = closedBefore(error);
        // Perhaps by the attempt before.
        if (again) return { name: 'in doubt', session, batch: { ...batch, closed } };
        return this.#appendOpen(session, entries, closed, rest);
      }
      case 'not-now':
        return again ? this.#giveUp(session, batch, rest) : this.#giveUp(session, null, [entries, ...rest]);
      case 'unknown':
        return this.#giveUp(session, batch, rest);
    }
  }

  /** Halves a batch until the bad row stands alone. Rows take their places only when they commit: no holes. */
  #bisect(entries: readonly QueuedEvent[]): Slices {
    const [only] = entries;
    if (only !== undefined && entries.length === 1) {
      this.#queue.reject(only);
      return [];
    }
    const middle = Math.ceil(entries.length / 2);
    return [entries.slice(0, middle), entries.slice(middle)];
  }

  /** Another process closed gaps that this one had found. What is no gap any more is nothing to write. */
  #appendOpen(
    session: Session,
    entries: readonly QueuedEvent[],
    closed: ReadonlySet<string>,
    rest: Slices,
  ): State {
    const isClosed = (entry: QueuedEvent) => isClosing(entry) && closed.has(entry.columns.callId ?? '');
    const open = entries.filter((entry) => !isClosed(entry));
    if (open.length === entries.length) return this.#giveUp(session, null, [entries, ...rest]);
    this.#queue.discard(entries.filter(isClosed));
    return { name: 'reserving', session, slices: [open, ...rest] };
  }

  async #resolveDoubt({ session, batch }: In<'in doubt'>): Promise<State> {
    const { readUrl, timeouts, writer } = this.#options;
    const reader = await openSession(readUrl, 'ideogate-read-back', timeouts);
    try {
      const found = await readBack(reader, writer, batch.links);
      // The same rows to the byte: should the first attempt land after all, one of the two breaks the unique key.
      if (found === 'absent')
        return batch.closed === undefined
          ? { name: 'in flight', session, batch, rest: [], again: true }
          : this.#appendOpen(session, batch.entries, batch.closed, []);
      if (found === 'committed') this.#committed(batch);
      else {
        this.#chainHead = found;
        this.#requeue(batch.entries);
      }
      return { name: 'idle', session };
    } finally {
      reader.destroy();
    }
  }

  async #backOff({ inDoubt }: In<'backing off'>): Promise<State> {
    this.#answerProbes(false);
    const until = performance.now() + Math.min(FIRST_BACKOFF_MS * 2 ** this.#failures++, MAX_BACKOFF_MS);
    for (let left; (left = until - performance.now()) > 0 && !this.#over.signal.aborted; )
      await this.#waitForWork(left);
    return { name: 'connecting', inDoubt };
  }

  /** Of the states that throw none holds events but a batch in doubt. */
  #failed(state: State): State {
    const inDoubt =
      state.name === 'in doubt' ? state.batch : state.name === 'connecting' ? state.inDoubt : null;
    if ('session' in state) return this.#giveUp(state.session, inDoubt, []);
    return { name: 'backing off', inDoubt };
  }

  /** A session that failed is never used again: what it was sent may still be under way. */
  #giveUp(session: Session, inDoubt: Batch | null, notThere: Slices): State {
    session.destroy();
    this.#requeue(notThere.flat());
    return { name: 'backing off', inDoubt };
  }

  #committed({ entries, links }: Batch): void {
    const last = links.at(-1);
    if (last !== undefined) this.#chainHead = { seq: last.seq, hash: last.hash, atMicros: last.atMicros };
    this.#failures = 0;
    // The next batch goes out first: it would wait for all the work that these callers now go on with.
    setImmediate(() => this.#queue.committed(entries));
  }

  #requeue(entries: readonly QueuedEvent[]): void {
    this.#queue.requeue(entries);
    this.#othersDueAt = this.#queue.hasOthers() ? 0 : Number.POSITIVE_INFINITY;
  }

  #answerProbes(mayInsert: boolean): void {
    for (const answer of this.#probes.splice(0)) answer(mayInsert);
  }

  /** Until the next `#notify`, `milliseconds` at most. What there is to do is looked for before: none is missed. */
  #waitForWork(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = Number.isFinite(milliseconds) ? setTimeout(resolve, milliseconds) : undefined;
    this.#notify = () => {
      clearTimeout(timer);
      resolve();
    };
    return promise;
  }
}

function closings(entries: readonly QueuedEvent[]): readonly string[] {
  return entries.flatMap((entry) => (isClosing(entry) ? (entry.columns.callId ?? []) : []));
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
