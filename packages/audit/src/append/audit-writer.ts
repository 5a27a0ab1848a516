import { randomUUID } from 'node:crypto';
import type {
  DecisionEvent,
  EnvironmentName,
  NoticeEvent,
  NoticeName,
  OutcomeEvent,
} from '@ideogate/contract';
import { AppendLoop } from './append-loop.ts';
import { AppendQueue } from './append-queue.ts';
import { partitionsAheadDays } from '../database/partitions.ts';
import { openReadPool } from '../database/read-pool.ts';
import { watchSafety } from '../database/safety-watch.ts';
import type { DatabaseFault } from '../database/settings.ts';
import { isoFromMicros } from '../timestamp.ts';
import type { CallOfOutcome, GapReason } from './event-columns.ts';
import { RefusalCounter, type Tally } from './refusal-counter.ts';
import { holdWriterLease } from './writer-lease.ts';

/** By which logins a writer appends, what it says of itself, and its bounds. */
export interface AuditWriterOptions {
  /** The append login. */
  readonly appendUrl: string;
  /** The read login; asked only after a lost answer, and by `ready`. */
  readonly readUrl: string;
  /** What the writer says of itself in its first event. */
  readonly opening: WriterOpening;
  /** Faults of the database that `ready` puts up with; default: none. */
  readonly acceptedFaults?: readonly DatabaseFault[];
  /** How long a call waits for its row, milliseconds. */
  readonly commitTimeoutMs?: number;
  /** How many decisions may wait before `overloaded`; as many refusals beside them. */
  readonly maxWaiting?: number;
  /** How many outcomes are kept for a database that is away. */
  readonly maxOutcomes?: number;
  /** How long outcomes and refusals wait for a decision to ride with, milliseconds. */
  readonly lingerMs?: number;
  /** How often what was refused without a row is summed in one, per reason, milliseconds. */
  readonly summaryMs?: number;
  /** The gateway's clock, microseconds since the Unix epoch. */
  readonly now: () => bigint;
  readonly observe?: { batch(rows: number, milliseconds: number): void };
}

/** Who writes: one process run of a gateway, or of a command that has something to add. */
export interface WriterOpening {
  readonly environment: EnvironmentName;
  /** Which process: host and process id, container, pod. */
  readonly instance: string;
  /** Policy release in force, or null. */
  readonly release: string | null;
  /** Software version. */
  readonly version: string;
  /** The longest time from a decision to its outcome, milliseconds; left out by who lets no calls through. */
  readonly callsEndWithinMs?: number;
}

/** The way into the record, as one writer with a chain of its own. Whatever the database does, nothing here throws or rejects. */
export interface AuditWriter {
  readonly writer: string;
  /**
   * Writes the decision on a call that would be allowed. `committed` only after the commit: the call may go on.
   * `unavailable` after `commitTimeoutMs`, or when Postgres refuses this very row: nothing may be forwarded. Should
   * the row commit late, the record itself adds the outcome `not-forwarded`.
   */
  decide(event: DecisionEvent): Promise<'committed' | 'unavailable' | 'overloaded'>;
  /** Writes a refusal; `late` after `commitTimeoutMs`: answer it anyway, it is counted until it commits. */
  refuse(event: DecisionEvent): Promise<'committed' | 'late'>;
  /** Writes an outcome, now or as soon as the database is back. */
  outcome(event: OutcomeEvent): void;
  /** Writes that nobody knows how a call ended, as `outcome` would. */
  closeGap(call: CallOfOutcome, reason: GapReason): void;
  /** Writes a notice, now or as soon as the database is back. */
  note(event: NoticeEvent): void;
  /** Writes a notice on what is about to be done; `late` when it isn't known to be committed in `commitTimeoutMs`. */
  announce(event: NoticeEvent): Promise<'committed' | 'late'>;
  /** Counts a refusal that is to have no row of its own, as of a flood: the next summary of its reason tells of it. */
  countRefusal(reason: string): void;
  /**
   * How many events have no row, exactly: refusals by their reason, `record-unavailable` and `overloaded` for calls
   * that would have been allowed, `outcome` for outcomes, `notice` for notices.
   */
  notWritten(): ReadonlyMap<string, number>;
  /** Events neither written nor given up. */
  waiting(): number;
  /** Whether rows can be written safely, now and for the next 7 days. `detail` holds no address. */
  ready(): Promise<{ ok: boolean; detail: string }>;
  /** True when nothing waits any more, false when that took longer. */
  flush(timeoutMs: number): Promise<boolean>;
  /** Takes no more decisions, flushes, and lets go of the database. What is left after `timeoutMs` is counted. */
  close(timeoutMs: number): Promise<void>;
}

const CONNECT_MS = 2_000;
const GRACE_MS = 500;
const MIN_DAYS_AHEAD = 7;

/** Opens the record. The database need not be up. */
export function openAuditWriter(options: AuditWriterOptions): AuditWriter {
  const { appendUrl, readUrl, now, commitTimeoutMs = 2_000, maxWaiting = 10_000 } = options;
  const { maxOutcomes = 100_000, lingerMs = 20, summaryMs = 60_000, opening } = options;
  const writer = randomUUID();
  const queue: AppendQueue = new AppendQueue({
    commitTimeoutMs,
    maxWaiting,
    maxOutcomes,
    now,
    onArrival: (kind) => loop.arrived(kind),
    onGivenUp: (reason) => refusals.count(reason),
  });
  const loop = new AppendLoop(queue, {
    appendUrl,
    readUrl,
    writer,
    timeouts: { connectMs: CONNECT_MS, statementMs: commitTimeoutMs, graceMs: GRACE_MS },
    lingerMs,
    now,
    observeBatch: (rows, milliseconds) => options.observe?.batch(rows, milliseconds),
  });
  const pool = openReadPool(readUrl);
  const safety = watchSafety({ append: appendUrl, read: readUrl }, options.acceptedFaults ?? []);
  const lease = holdWriterLease(appendUrl, writer);
  let closing: Promise<void> | undefined;
  const aboutWriter = (result: NoticeName, detail: NoticeEvent['detail']): NoticeEvent => ({
    kind: 'notice',
    result,
    atMicros: now(),
    environment: opening.environment,
    release: opening.release,
    subject: null,
    operation: null,
    problem: null,
    reason: null,
    keyId: null,
    detail,
  });
  const refusals = new RefusalCounter({
    now,
    everyMs: summaryMs,
    write: (reason, tally, settled) =>
      queue.note({ ...aboutWriter(...summaryOf(reason, tally)), reason }, settled),
  });
  const { instance, version, callsEndWithinMs } = opening;
  queue.note(
    aboutWriter('writer-opened', {
      instance,
      version,
      ...(callsEndWithinMs === undefined ? {} : { calls_end_within_ms: String(callsEndWithinMs) }),
    }),
  );

  async function ready() {
    if (!(await loop.probe(commitTimeoutMs))) return notReady('no row can be added to the record');
    try {
      const days = await within(commitTimeoutMs, partitionsAheadDays(pool, now()));
      if (days === undefined) return notReady('the record cannot be read');
      const verdict = await within(commitTimeoutMs, safety());
      if (verdict?.faults.length) return notReady(`the database is unsafe: ${verdict.faults.join(', ')}`);
      if (days < MIN_DAYS_AHEAD) return notReady(`the record has partitions for ${days} more days only`);
      const failover = verdict?.survivesFailover === false ? '; a failover may lose the last rows' : '';
      return { ok: true, detail: `partitions for ${days} days${failover}` };
    } catch {
      return notReady('the record cannot be read');
    }
  }

  function flush(timeoutMs: number) {
    loop.hurry();
    return queue.emptied(timeoutMs);
  }

  async function close(timeoutMs: number) {
    const until = performance.now() + timeoutMs;
    queue.close();
    refusals.stop();
    // The chain is closed only over a record that is whole.
    if (await flush(timeoutMs)) {
      refusals.sum();
      queue.note(aboutWriter('writer-closed', {}));
      await flush(Math.max(0, until - performance.now()));
    }
    await loop.stop();
    queue.rejectAll();
    lease.stop();
    // On a silent network the pool's goodbye would wait for ever; its sockets end with the process.
    await within(CONNECT_MS, pool.end());
  }

  return {
    writer,
    decide: (event) => queue.decide(event),
    refuse: (event) => queue.refuse(event),
    outcome: (event) => queue.outcome(event),
    closeGap: (call, reason) => queue.closeGap(call, reason),
    note: (event) => queue.note(event),
    async announce(event) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      queue.note(event, resolve);
      return (await within(commitTimeoutMs, promise)) === true ? 'committed' : 'late';
    },
    countRefusal: (reason) => refusals.count(reason),
    notWritten: () => queue.notWritten(),
    waiting: () => queue.waiting(),
    ready,
    flush,
    close: (timeoutMs) => (closing ??= close(timeoutMs)),
  };
}

/** Calls are summed apart from events about calls that have rows, so that rows and sums of calls add up. */
function summaryOf(
  reason: string,
  { count, fromMicros, toMicros }: Tally,
): [NoticeName, NoticeEvent['detail']] {
  const detail = { count: String(count), from: isoFromMicros(fromMicros), to: isoFromMicros(toMicros) };
  return [reason === 'outcome' || reason === 'notice' ? 'events-lost' : 'refusals-summed', detail];
}

function notReady(detail: string): { ok: false; detail: string } {
  return { ok: false, detail };
}

/** The value, or undefined when it takes longer. */
function within<T>(timeoutMs: number, work: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(undefined), timeoutMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
