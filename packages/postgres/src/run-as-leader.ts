import { setTimeout as delay } from 'node:timers/promises';
import { type AdvisoryLock, noticeLostHosts, tryLock } from './advisory-lock.ts';
import { type Session, withSession } from './session.ts';

/** Where, and by which lock, a leader is elected. */
export interface LeaderOptions {
  /** Any login: a lock needs no right. */
  readonly url: string;
  /** Names the session, for whoever looks at the server. */
  readonly name: string;
  /** Who holds this lock leads, of all that run on one database. */
  readonly lock: AdvisoryLock;
  /** How often is looked whether the lock is free, milliseconds. */
  readonly lookMs: number;
  /** How long the database may take for one statement of a term, milliseconds. */
  readonly statementMs?: number;
  /** Told what a term failed of; another is begun. */
  readonly onFault: (error: unknown) => void;
}

const STOP_TIMEOUT_MS = 5_000;

/**
 * Runs `term` while nobody else does, for as long as the process runs. A term ends when `over` aborts; one that throws
 * is begun again, here or by another process. One that is stopped at once has its first term all the same, if the lock
 * is free. The lock is the session's: whatever ends the one lets go of the other. A
 * term asks the session something at least once a minute, or loses it. Never throws.
 */
export function runAsLeader(
  { url, name, lock, lookMs, statementMs = 30_000, onFault }: LeaderOptions,
  term: (session: Session, over: AbortSignal) => Promise<void>,
): { stop(): Promise<void> } {
  const over = new AbortController();
  const timeouts = { connectMs: 2_000, statementMs, graceMs: 1_000 };
  const done = run();

  async function run(): Promise<void> {
    while (!over.signal.aborted) {
      await withSession(url, name, timeouts, lead).catch(onFault);
      await pause(lookMs, over.signal);
    }
  }

  async function lead(session: Session): Promise<void> {
    await noticeLostHosts(session);
    // A process that was stopped, and holds its connection, must not keep the lead from the others.
    await session.query({ text: `SET idle_session_timeout = '90s'` });
    do {
      if (await tryLock(session, lock)) return term(session, over.signal);
      await pause(lookMs, over.signal);
    } while (!over.signal.aborted);
  }

  return {
    async stop() {
      over.abort();
      // A database that is away must not hold up the stop.
      await Promise.race([done, delay(STOP_TIMEOUT_MS, undefined, { ref: false })]);
    },
  };
}

/** Ends early when `signal` aborts; keeps no process alive. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal, ref: false }).catch(() => {});
}
