import type { KeyObject } from 'node:crypto';
import type { CallId, EnvironmentName } from '@ideogate/contract';
import { type Session, SHORT_TIMEOUTS, withSession } from '@ideogate/postgres';
import { type Month, monthOf, monthsFrom } from '../month.ts';
import { sealPrompt } from './sealed-prompt.ts';
import { type MonthKey, newWrappedKey, openWrappedKey, type Wrapping, wrappingOf } from './wrapped-key.ts';

/** By which login keys are asked for, and what they are wrapped with. */
export interface MonthKeysOptions {
  /** The append login, which may ask for keys and no more. */
  readonly appendUrl: string;
  /** What the keys are wrapped with; the same in every replica, and not in the database. */
  readonly secret: string;
  readonly environment: EnvironmentName;
  /** The gateway's clock, microseconds since the Unix epoch. */
  readonly now: () => bigint;
  /** Told of each time the keys couldn't be had; they are asked for again. */
  readonly onFault: (error: unknown) => void;
}

/** The keys of the months that an event can be dated into now, in memory. */
export interface MonthKeys {
  /** The key for digests of what happened at this time; null when there is none in memory. Never waits. */
  digestKey(atMicros: bigint): KeyObject | null;
  /** A call's prompt as the record may keep it; null when the month has no key in memory. Never waits. */
  sealPrompt(atMicros: bigint, callId: CallId, prompt: string): string | null;
  stop(): Promise<void>;
}

/** A month's key doesn't open with this installation's secret. */
export class MonthKeyError extends Error {
  override readonly name = 'MonthKeyError';
}

const MINUTE_MS = 60_000;
const RETRY_MS = 1_000;
const DAY_MICROS = 86_400_000_000n;
/**
 * Fetches the keys for this month and the next, making those that are missing, and goes on doing so ahead of each
 * month's change. Replicas agree on one key a month. The database need not be up: it is asked again.
 * @throws MonthKeyError when a key was wrapped with another secret
 */
export async function openMonthKeys(options: MonthKeysOptions): Promise<MonthKeys> {
  const { appendUrl, environment, now, onFault } = options;
  const wrapping = wrappingOf(options.secret, environment);
  const keys = new Map<Month, MonthKey | null>();
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let refreshing = Promise.resolve();

  async function refresh() {
    const wanted = monthsInReach(now());
    for (const month of keys.keys()) if (!wanted.has(month)) keys.delete(month);
    const missing = [...wanted].filter((month) => !keys.has(month));
    if (missing.length === 0) return;
    await withSession(appendUrl, 'ideogate-month-keys', SHORT_TIMEOUTS, async (session) => {
      for (const month of missing) keys.set(month, await agreedKey(session, wrapping, month));
    });
  }

  function again(afterMs: number) {
    if (stopped) return;
    timer = setTimeout(() => {
      refreshing = refresh().then(
        () => again(MINUTE_MS),
        (error: unknown) => {
          onFault(error);
          again(RETRY_MS);
        },
      );
    }, afterMs).unref();
  }

  try {
    await refresh();
    again(MINUTE_MS);
  } catch (error) {
    if (error instanceof MonthKeyError) throw error;
    onFault(error);
    again(RETRY_MS);
  }
  return {
    digestKey: (atMicros) => keys.get(monthOf(atMicros))?.digests ?? null,
    sealPrompt(atMicros, callId, prompt) {
      const month = monthOf(atMicros);
      const key = keys.get(month);
      return key ? sealPrompt(key, month, callId, prompt) : null;
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await refreshing;
    },
  };
}

/** This month and the next; on a month's first day the one before too, for a clock that is set back. */
function monthsInReach(nowMicros: bigint): ReadonlySet<Month> {
  const month = monthOf(nowMicros);
  return new Set([monthOf(nowMicros - DAY_MICROS), month, monthsFrom(month, 1)]);
}

/** Null when the month's key was destroyed. */
async function agreedKey(session: Session, wrapping: Wrapping, month: Month): Promise<MonthKey | null> {
  const [row] = await session.rows<{ wrapped: Buffer | null }>(
    'SELECT ideogate.month_key_of($1::date, $2) AS wrapped',
    [`${month}-01`, newWrappedKey(wrapping, month)],
  );
  if (row?.wrapped == null) return null;
  const key = openWrappedKey(wrapping, month, row.wrapped);
  if (key !== null) return key;
  throw new MonthKeyError(
    `the key of ${month} was wrapped with another secret: every replica on this database needs the same one`,
  );
}
