import { setTimeout as delay } from 'node:timers/promises';
import { pause, SHORT_TIMEOUTS, withSession } from '@ideogate/postgres';
import { newestVerified } from './verified-checkpoint.ts';
import type { VerifierKey } from './note.ts';

/** The newest checkpoint that one of the record's keys signed, as it was last seen in the database. */
export interface LastCheckpoint {
  readonly number: number;
  /** By the signer's clock or since it was first seen here, whichever is more: a clock that is ahead hides nothing. */
  readonly ageSeconds: number;
}

/** A watch on the checkpoints of a record, whoever signs them. */
export interface CheckpointWatch {
  /** Null before the first one was seen. */
  last(): LastCheckpoint | null;
  /** Whether somebody signs: false when the last checkpoint is older than the bound. `detail` holds no address. */
  ready(): { readonly ok: boolean; readonly detail: string };
  stop(): Promise<void>;
}

/** What is watched, by whose word, and how often. */
export interface WatchOptions {
  /** The read login. */
  readonly readUrl: string;
  /** Keys whose word counts, asked for at each look: they are changed while this runs. */
  readonly keys: () => readonly VerifierKey[];
  /** The gateway's clock, microseconds since the Unix epoch. */
  readonly now: () => bigint;
  /** How old the last checkpoint may be, milliseconds. */
  readonly oldAfterMs?: number;
  /** How often is looked, milliseconds. */
  readonly everyMs?: number;
  /** Told what a look failed of; it is tried again. */
  readonly onFault?: (error: unknown) => void;
}

/** Five times what lies between two checkpoints when all is well. */
const OLD_AFTER_MS = 150_000;
const EVERY_MS = 15_000;
/** At the start, when the signer has just begun too. */
const FIRST_LOOKS_MS = 1_000;
const STOP_TIMEOUT_MS = 2_000;

/**
 * Looks whether checkpoints go on, in every process and at a slow pace: who signs can be another, or somebody who holds
 * the signer's lock and signs nothing. Never throws; no call waits for it.
 */
export function watchCheckpoints(options: WatchOptions): CheckpointWatch {
  const { readUrl, keys, now, oldAfterMs = OLD_AFTER_MS, everyMs = EVERY_MS, onFault = () => {} } = options;
  const over = new AbortController();
  const began = performance.now();
  let seen: { readonly number: number; readonly atMicros: bigint; readonly firstSeen: number } | null = null;
  const done = run();

  async function run(): Promise<void> {
    while (!over.signal.aborted) {
      await look().catch(onFault);
      await pause(isOld() ? Math.min(FIRST_LOOKS_MS, everyMs) : everyMs, over.signal);
    }
  }

  async function look(): Promise<void> {
    await withSession(readUrl, 'ideogate-checkpoint-watch', SHORT_TIMEOUTS, async (session) => {
      const newest = await newestVerified(session, keys());
      // A number that went down is a database that was put back: the age goes on.
      if (newest === null || newest.number <= (seen?.number ?? 0)) return;
      seen = { number: newest.number, atMicros: newest.atMicros, firstSeen: performance.now() };
    });
  }

  function last(): LastCheckpoint | null {
    if (seen === null) return null;
    const sinceSeen = (performance.now() - seen.firstSeen) / 1_000;
    return {
      number: seen.number,
      ageSeconds: Math.max(sinceSeen, Number(now() - seen.atMicros) / 1_000_000),
    };
  }

  function isOld(): boolean {
    const age = last()?.ageSeconds;
    return age === undefined || age * 1_000 > oldAfterMs;
  }

  return {
    last,
    ready() {
      const checkpoint = last();
      // What a stop left old is signed anew within a moment of the start.
      if (isOld() && performance.now() - began > oldAfterMs) {
        const since =
          checkpoint === null
            ? 'at all'
            : `for ${Math.round(checkpoint.ageSeconds)} s, after ${checkpoint.number}`;
        return {
          ok: false,
          detail: `no checkpoint was signed ${since}: does any process sign, or does a session hold the signer's lock?`,
        };
      }
      return {
        ok: true,
        detail:
          checkpoint === null ? 'none yet' : `the last one is ${Math.round(checkpoint.ageSeconds)} s old`,
      };
    },
    async stop() {
      over.abort();
      await Promise.race([done, delay(STOP_TIMEOUT_MS, undefined, { ref: false })]);
    },
  };
}
