import { type ChainEnd, chainEnds } from '../checkpoints/checkpoint-store.ts';
import { lockNamed, pause, runAsLeader, type Session } from '@ideogate/postgres';
import { advancePositions, type Position, positionsOf } from '../export/cursors.ts';
import type { GapReason } from '../append/event-columns.ts';
import type { AuditWriter } from '../append/audit-writer.ts';
import { writersWithLease } from '../append/writer-lease.ts';
import { boundIn } from './bound-of-writer.ts';
import { openDecisions } from './open-decisions.ts';

/** Whose calls are closed, and when they are overdue. */
export interface ClosingOptions {
  /** The append login: keeps how far it has come. */
  readonly appendUrl: string;
  /** The read login. */
  readonly readUrl: string;
  /** The writer that the closing outcomes are written by. */
  readonly record: AuditWriter;
  /** The longest time from a decision to its outcome, milliseconds; a writer that allows its calls more is given it. */
  readonly callsEndWithinMs: number;
  /**
   * What is added to it, milliseconds: for clocks, and for writers that come back together with the database. So long
   * nothing is closed after the database came back, either.
   */
  readonly marginMs: number;
  /** How often is looked, milliseconds. */
  readonly everyMs?: number;
  /** The gateway's clock, microseconds since the Unix epoch. */
  readonly now: () => bigint;
  /** Told how many gaps were closed in one look, and why. */
  readonly onClosed?: (count: number, reason: GapReason) => void;
  /** Told what a look failed of; it is tried again. */
  readonly onFault?: (error: unknown) => void;
}

/** The reader's name, by which its positions are kept. */
export const GAPS_READER = 'gaps';

const LOCK = lockNamed('ideo', 'gaps');
const EVERY_MS = 10_000;
const KEEP_EVERY_MS = 60_000;
const FLUSH_MS = 2_000;
const START: Position = { seq: 0, atMicros: 0n };

/**
 * Closes the decisions whose outcome will not come: with an outcome `unknown` that says why, through `record`. A
 * true outcome may follow all the same, and counts instead. Of all that run on one database one does it, and another
 * takes its place when it stops or dies. Never throws; decisions never wait for it.
 */
export function closeGaps(options: ClosingOptions): { stop(): Promise<void> } {
  const { readUrl, marginMs, everyMs = Math.min(EVERY_MS, marginMs), onFault = () => {} } = options;
  return runAsLeader(
    { url: readUrl, name: 'ideogate-gaps', lock: LOCK, lookMs: everyMs, onFault },
    async (session, over) => {
      // Whoever was cut off from the database together with this process has shown itself by then.
      await settle(session, marginMs, over);
      const closer = new Closer(options, session, await positionsOf(session, GAPS_READER));
      while (!over.aborted) {
        await closer.look(over);
        await pause(everyMs, over);
      }
      await closer.keep();
    },
  );
}

/** Waits, and keeps the session meanwhile. */
async function settle(session: Session, milliseconds: number, over: AbortSignal): Promise<void> {
  const until = performance.now() + milliseconds;
  while (performance.now() < until && !over.aborted) {
    await session.query({ text: 'SELECT 1' });
    await pause(Math.min(EVERY_MS, Math.max(0, until - performance.now())), over);
  }
}

/** One chain, as far as it is known here. */
interface Followed {
  position: Position;
  /** Milliseconds. */
  callsEndWithin: number;
  /** `callsEndWithin` is what its writer said, too. */
  asked: boolean;
  /** Calls whose closing outcomes are on their way into the record. */
  closing: ReadonlySet<string>;
}

/** One time of being the one who closes gaps. */
class Closer {
  readonly #options: ClosingOptions;
  readonly #session: Session;
  readonly #chains = new Map<string, Followed>();
  /** Chains that nothing is left to look at in, and nothing follows in. */
  readonly #done = new Set<string>();
  #moved = new Map<string, Position>();
  #keptAt = performance.now();

  constructor(options: ClosingOptions, session: Session, known: ReadonlyMap<string, Position>) {
    this.#options = options;
    this.#session = session;
    for (const [writer, position] of known) this.#chains.set(writer, this.#followed(position));
  }

  async look(over: AbortSignal): Promise<void> {
    const ends = await this.#ends();
    const living = await writersWithLease(this.#session, [...this.#chains.keys()]);
    for (const end of ends) {
      if (over.aborted) return;
      await this.#lookAt(end, living.has(end.writer), over);
    }
    if (performance.now() - this.#keptAt >= KEEP_EVERY_MS) await this.keep();
  }

  /** So that the next one need not look at all of it again. */
  async keep(): Promise<void> {
    const moved = this.#moved;
    this.#moved = new Map();
    this.#keptAt = performance.now();
    await advancePositions(this.#options.appendUrl, GAPS_READER, moved);
  }

  async #ends(): Promise<readonly ChainEnd[]> {
    const asked = [...this.#chains].map(([writer, { position }]) => ({
      writer,
      seq: position.seq,
      atMicros: position.atMicros,
    }));
    const ends = await chainEnds(this.#session, asked, [...this.#done]);
    const found = new Set(ends.map(({ writer }) => writer));
    // Its last months were archived: nothing is left to look at.
    for (const writer of this.#chains.keys()) if (!found.has(writer)) this.#finish(writer);
    for (const { writer } of ends)
      if (!this.#chains.has(writer)) this.#chains.set(writer, this.#followed(START));
    await this.#askForBounds();
    return ends;
  }

  /** A writer whose first event was archived is long past any bound. */
  async #askForBounds(): Promise<void> {
    const fresh = [...this.#chains].filter(([, { asked }]) => !asked).map(([writer]) => writer);
    const bounds = await callsEndWithin(this.#session, fresh);
    for (const writer of fresh) {
      const chain = this.#chains.get(writer);
      if (chain === undefined) continue;
      chain.asked = true;
      chain.callsEndWithin = Math.max(chain.callsEndWithin, bounds.get(writer) ?? 0);
    }
  }

  #followed(position: Position): Followed {
    return {
      position,
      callsEndWithin: this.#options.callsEndWithinMs,
      asked: false,
      closing: new Set(),
    };
  }

  async #lookAt(end: ChainEnd, living: boolean, over: AbortSignal): Promise<void> {
    const chain = this.#chains.get(end.writer);
    if (chain === undefined) return;
    const { now, marginMs } = this.#options;
    const until = now() - BigInt(chain.callsEndWithin + marginMs) * 1_000n;
    for (let more = true; more && !over.aborted; ) {
      const stretch = await openDecisions(this.#session, end.writer, chain.position, until);
      const reason: GapReason = living || end.closed ? 'database-away' : 'writer-died';
      let closed = 0;
      for (const { call } of stretch.open) {
        if (chain.closing.has(call.callId)) continue;
        this.#options.record.closeGap(call, reason);
        closed += 1;
      }
      if (closed > 0) this.#options.onClosed?.(closed, reason);
      chain.closing = new Set(stretch.open.map(({ call }) => call.callId));
      if (stretch.settled !== null) {
        chain.position = stretch.settled;
        this.#moved.set(end.writer, stretch.settled);
      }
      // They are many: the next ones follow as soon as these have their rows.
      more = closed > 0 ? await this.#options.record.flush(FLUSH_MS) : stretch.more;
    }
    if (end.closed && chain.position.seq >= end.seq) this.#finish(end.writer);
  }

  #finish(writer: string): void {
    this.#chains.delete(writer);
    this.#done.add(writer);
  }
}

/** What writers said of their calls when they opened, milliseconds; those that said nothing aren't in it. */
async function callsEndWithin(
  session: Session,
  writers: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (writers.length === 0) return new Map();
  const list = await session.rows<{ writer: string; detail: string }>(
    `SELECT writer, detail FROM ideogate.audit_event
      WHERE seq = 1 AND writer = ANY ($1::uuid[]) AND kind = 'notice' AND detail IS NOT NULL`,
    [writers],
  );
  return new Map(list.map(({ writer, detail }) => [writer, boundIn(detail) ?? 0]));
}
