import { setTimeout as delay } from 'node:timers/promises';
import { openSession, type Session, type SessionTimeouts } from './session.ts';

export interface SoleDutyOptions {
  /** The read login: a lock needs no right. */
  readonly readUrl: string;
  /** Names the session, for whoever looks at the server. */
  readonly name: string;
  /** Who holds this lock does the duty, of all that run on one database. */
  readonly lock: readonly [number, number];
  /** How often is looked whether the lock is free, milliseconds. */
  readonly lookMs: number;
  /** Told what a turn failed of; it is tried again. */
  readonly onFault: (error: unknown) => void;
}

const TIMEOUTS: SessionTimeouts = { connectMs: 2_000, statementMs: 30_000, graceMs: 1_000 };
const STOP_TIMEOUT_MS = 5_000;

/**
 * Does `turn` while nobody else does, for as long as it runs. A turn ends when `over` aborts; one that throws is begun
 * again, here or by another process. The lock is the session's: whatever ends the one lets go of the other. A turn asks
 * the session something at least once a minute, or loses it.
 */
export function soleDuty(
  options: SoleDutyOptions,
  turn: (session: Session, over: AbortSignal) => Promise<void>,
): { stop(): Promise<void> } {
  const { readUrl, name, lock, lookMs, onFault } = options;
  const over = new AbortController();
  const done = run();

  async function run(): Promise<void> {
    while (!over.signal.aborted) {
      await alone().catch(onFault);
      await pause(lookMs, over.signal);
    }
  }

  async function alone(): Promise<void> {
    const session = await openSession(readUrl, name, TIMEOUTS);
    try {
      await noticeLostHosts(session);
      // A process that was stopped, and holds its connection, must not keep the duty from the others.
      await session.query({ text: `SET idle_session_timeout = '90s'` });
      while (!over.signal.aborted) {
        if (await tryLock(session, lock)) return await turn(session, over.signal);
        await pause(lookMs, over.signal);
      }
    } finally {
      await session.end();
    }
  }

  return {
    async stop() {
      over.abort();
      // A database that is away must not hold up the stop.
      await Promise.race([done, delay(STOP_TIMEOUT_MS, undefined, { ref: false })]);
    },
  };
}

/** Without this the server would hold the locks of a host that lost its power for two hours. */
export async function noticeLostHosts(session: Session): Promise<void> {
  await session.query({
    text: `SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3`,
  });
}

export async function tryLock(session: Session, lock: readonly [number, number]): Promise<boolean> {
  const { rows } = await session.query({
    text: 'SELECT pg_try_advisory_lock($1::int, $2::int) AS mine',
    values: [...lock],
  });
  const [row] = rows as { mine: boolean }[]; // as: the column selected above
  return row?.mine === true;
}

/** Two keys out of words of four letters, so that no single-key lock of ours meets it. */
export function lockNamed(first: string, second: string): readonly [number, number] {
  return [Buffer.from(first).readInt32BE(), Buffer.from(second).readInt32BE()];
}

/** Ends early when `signal` aborts; keeps no process alive. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal, ref: false }).catch(() => {});
}
