import { createHash } from 'node:crypto';
import { type ChainEnd, chainEnds } from '../checkpoints/checkpoint-store.ts';
import {
  type AdvisoryLock,
  pause,
  runAsLeader,
  type Session,
  type SessionTimeouts,
  tryLock,
  withSession,
} from '@ideogate/postgres';
import type { Position } from './cursors.ts';
import {
  type Backlog,
  type Batch,
  beheadedChains,
  CHECKPOINTS,
  lastCheckpoint,
  type Missing,
  readBatch,
  readCheckpoints,
} from './batches.ts';
import { type ExportTarget, TargetError, TooLargeError } from './target.ts';

/** How far an export is behind the record. */
export interface ExportLag {
  readonly events: number;
  /** Age of the oldest event that isn't out yet; 0 when all are. */
  readonly seconds: number;
}

/** From where to where events go out. */
export interface SendingOptions {
  /** The read login. */
  readonly readUrl: string;
  readonly target: ExportTarget;
  /** Of all that send under one name, one does; see `exportName`. */
  readonly name: string;
  /** The gateway's clock, microseconds since the Unix epoch. */
  readonly now: () => bigint;
  /** How often is looked for new events, milliseconds. */
  readonly pollMs?: number;
  /** Before the second attempt, milliseconds; doubled for each after it, up to 15 s. */
  readonly firstBackoffMs?: number;
  readonly onLag?: (lag: ExportLag) => void;
  /** Told what a delivery or a look failed of; it is tried again. */
  readonly onFault?: (error: unknown) => void;
  /** Told of events that left the database before they could be sent. */
  readonly onMissing?: (missing: Missing) => void;
}

const POLL_MS = 500;
const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 15_000;
const MAX_LINES = 2_000;
const MEASURE_MS = 5_000;
const TIMEOUTS: SessionTimeouts = { connectMs: 5_000, statementMs: 60_000, graceMs: 1_000 };
const START: Position = { seq: 0, atMicros: 0n };

/**
 * Sends the record to a target, and goes on as it grows: every event at least once, each chain in its order, and the
 * checkpoints behind what they fix. A target that is away is tried again for as long as it takes. Of all that run on
 * one database one sends. Never throws; decisions never wait for it.
 */
export function exportEvents(options: SendingOptions): { stop(): Promise<void> } {
  const { readUrl, name, pollMs = POLL_MS, onFault = () => {} } = options;
  const leading = { url: readUrl, name: 'ideogate-export', lock: exportLock(name), lookMs: pollMs, onFault };
  return runAsLeader(leading, (session, over) => new Sending(options, session, over).follow());
}

/**
 * Sends what the record holds now, and ends.
 * @throws TargetError, also when somebody else sends under this name; what Postgres or the network says
 */
export function exportEventsOnce(options: SendingOptions, over: AbortSignal): Promise<void> {
  return withLock(options, (session) => new Sending(options, session, over).once());
}

/** As `exportEvents`, for whoever waits for its end: until `over` aborts. @throws as `exportEventsOnce`, when it can't begin */
export function exportEventsUntil(options: SendingOptions, over: AbortSignal): Promise<void> {
  return withLock(options, (session) => new Sending(options, session, over).follow());
}

function withLock(
  { readUrl, name }: SendingOptions,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  return withSession(readUrl, 'ideogate-export', TIMEOUTS, async (session) => {
    if (!(await tryLock(session, exportLock(name))))
      throw new TargetError('another process sends the record there already');
    await work(session);
  });
}

/** Of all that send under one name, one holds it. */
export function exportLock(name: string): AdvisoryLock {
  return [Buffer.from('ideo').readInt32BE(), createHash('sha256').update(name).digest().readInt32BE()];
}

/** One time of being the one who sends. */
class Sending {
  readonly #options: SendingOptions;
  readonly #session: Session;
  readonly #over: AbortSignal;
  readonly #chains = new Map<string, Position>();
  /** Chains that are out, and that nothing follows in. */
  readonly #done = new Set<string>();
  #maxLines = MAX_LINES;
  #checkpoint = 0;
  #measuredAt = 0;

  constructor(options: SendingOptions, session: Session, over: AbortSignal) {
    this.#options = options;
    this.#session = session;
    this.#over = over;
  }

  follow(): Promise<void> {
    return this.#during(async () => {
      while (!this.#over.aborted) {
        const sent = await this.#round();
        if (sent === 0) await pause(this.#options.pollMs ?? POLL_MS, this.#over);
      }
    });
  }

  once(): Promise<void> {
    return this.#during(async () => {
      await this.#round();
    });
  }

  async #during(work: () => Promise<void>): Promise<void> {
    try {
      await this.#begin();
      await work();
    } finally {
      await this.#options.target.end();
    }
  }

  async #begin(): Promise<void> {
    for (const [writer, position] of await this.#options.target.begin(this.#session)) {
      if (writer === CHECKPOINTS) this.#checkpoint = position.seq;
      else this.#chains.set(writer, position);
    }
    for (const writer of await beheadedChains(this.#session))
      if (!this.#chains.has(writer)) this.#chains.set(writer, START);
  }

  /** All that the record holds at its beginning. @returns how many lines were sent */
  async #round(): Promise<number> {
    // Before the chains' ends: a checkpoint goes out behind everything that it fixes.
    const last = await lastCheckpoint(this.#session);
    const ends = await this.#ends();
    const sent = (await this.#drain(ends)) + (await this.#sendCheckpoints(last));
    for (const { writer, seq, closed } of ends)
      if (closed && this.#position(writer).seq >= seq) this.#finish(writer);
    await this.#measure();
    return sent;
  }

  async #ends(): Promise<readonly ChainEnd[]> {
    const asked = [...this.#chains].map(([writer, position]) => ({ writer, ...position }));
    const ends = await chainEnds(this.#session, asked, [...this.#done]);
    const found = new Set(ends.map(({ writer }) => writer));
    // Its last months were archived.
    for (const writer of this.#chains.keys()) if (!found.has(writer)) this.#finish(writer);
    for (const { writer } of ends) if (!this.#chains.has(writer)) this.#chains.set(writer, START);
    return ends;
  }

  /** Sends what lies before these ends. */
  async #drain(ends: readonly ChainEnd[]): Promise<number> {
    let sent = 0;
    let backlog = this.#backlog(ends);
    while (backlog.length > 0 && !this.#over.aborted) {
      const batch = await readBatch(this.#session, backlog, this.#maxLines, (missing) =>
        this.#options.onMissing?.(missing),
      );
      if (batch.lines.length === 0) break;
      if ((await this.#deliver(batch)) === 'delivered') {
        sent += batch.lines.length;
        for (const [writer, position] of batch.positions) this.#chains.set(writer, position);
      }
      backlog = this.#backlog(ends);
      if (performance.now() - this.#measuredAt > MEASURE_MS) await this.#measure();
    }
    return sent;
  }

  /** Those up to this number. @returns how many were sent */
  async #sendCheckpoints(upTo: number): Promise<number> {
    let sent = 0;
    while (this.#checkpoint < upTo && !this.#over.aborted) {
      const batch = await readCheckpoints(this.#session, this.#checkpoint, upTo, this.#maxLines);
      if (batch.lines.length === 0) break;
      if ((await this.#deliver(batch)) !== 'delivered') continue;
      this.#checkpoint = batch.positions.get(CHECKPOINTS)?.seq ?? upTo;
      sent += batch.lines.length;
    }
    return sent;
  }

  #backlog(ends: readonly ChainEnd[]): readonly Backlog[] {
    return ends
      .filter(({ writer, seq }) => seq > this.#position(writer).seq)
      .map(({ writer, seq }) => ({ writer, from: this.#position(writer), upTo: seq }));
  }

  /** Tries for as long as it takes; `smaller` when another, smaller batch is to be read in its place. */
  async #deliver(batch: Batch): Promise<'delivered' | 'smaller' | 'over'> {
    const { target, onFault, firstBackoffMs = FIRST_BACKOFF_MS } = this.#options;
    for (let attempt = 0; !this.#over.aborted; attempt++) {
      try {
        await target.deliver(batch, this.#over);
        this.#maxLines = Math.min(MAX_LINES, this.#maxLines * 2);
        return 'delivered';
      } catch (error) {
        if (error instanceof TooLargeError) {
          this.#maxLines = Math.max(1, Math.floor(batch.lines.length / 2));
          return 'smaller';
        }
        if (error instanceof TargetError) throw error;
        if (!this.#over.aborted) onFault?.(error);
      }
      await this.#measure();
      await pause(Math.min(firstBackoffMs * 2 ** attempt, MAX_BACKOFF_MS), this.#over);
    }
    return 'over';
  }

  async #measure(): Promise<void> {
    const { onLag, now } = this.#options;
    this.#measuredAt = performance.now();
    if (onLag === undefined) return;
    const backlog = this.#backlog(await this.#ends());
    const events = backlog.reduce((sum, { from, upTo }) => sum + upTo - from.seq, 0);
    const oldest = await oldestOf(this.#session, backlog);
    onLag({ events, seconds: oldest === null ? 0 : Math.max(0, Number(now() - oldest) / 1e6) });
  }

  #position(writer: string): Position {
    return this.#chains.get(writer) ?? START;
  }

  #finish(writer: string): void {
    this.#chains.delete(writer);
    this.#done.add(writer);
  }
}

/** The time of the oldest event that is to be read, microseconds since the Unix epoch. */
async function oldestOf(session: Session, backlog: readonly Backlog[]): Promise<bigint | null> {
  if (backlog.length === 0) return null;
  const [row] = await session.rows<{ at_micros: string | null }>(
    `SELECT (extract(epoch FROM min(e.at)) * 1000000)::bigint::text AS at_micros
      FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS f (chain, after, after_micros)
      CROSS JOIN LATERAL (
        SELECT at FROM ideogate.audit_event
        WHERE writer = f.chain AND seq > f.after
          AND at >= 'epoch'::timestamptz + f.after_micros * interval '1 microsecond'
        ORDER BY seq LIMIT 1
      ) e`,
    [
      backlog.map(({ writer }) => writer),
      backlog.map(({ from }) => from.seq),
      backlog.map(({ from }) => from.atMicros.toString()),
    ],
  );
  return row === undefined || row.at_micros === null ? null : BigInt(row.at_micros);
}
