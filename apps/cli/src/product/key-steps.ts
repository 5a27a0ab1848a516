import { type KeyUse, keyUse, openReadPool } from '@ideogate/audit';
import {
  type FollowingGateway,
  type KeySlot,
  type KeyState,
  type StoredKey,
  StoreError,
} from '@ideogate/upstream-keys';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError, EXIT } from '../exit-codes.ts';
import type { KeyWork } from './key-store.ts';
import { noteDoing } from './record-read.ts';
import { whoever } from './whoever.ts';

/*
 * Steps of a key's life as commands take them. Each is told to the record before it is done, and is done only from the
 * state that was seen: whoever comes second is told so.
 */

/** @throws CommandError when the key is in another state by now */
export async function takeStep(
  { ready, store }: KeyWork,
  command: string,
  key: StoredKey,
  to: KeyState,
  options: { share?: number; why?: string; idle?: true } = {},
): Promise<StoredKey> {
  const { share = 0, why, idle } = options;
  const step = idle === true ? 'idle' : share > 0 ? `${to}, ${share} % of the calls` : to;
  const detail = { slot: key.slot, step, ...(why === undefined ? {} : { why }) };
  await noteDoing(ready, 'key-changed', command, detail, key.id);
  try {
    await store.step(key, to, whoever(), { share, ...(why === undefined ? {} : { why }) });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new CommandError(EXIT.failed, `${key.id} was not made ${step}: ${error.message}.`);
  }
  return seen(await store.list(), key);
}

/** The same key, as it is now. */
export function seen(keys: readonly StoredKey[], { id, slot }: Pick<StoredKey, 'id' | 'slot'>): StoredKey {
  const key = keys.find((each) => each.id === id && each.slot === slot);
  if (key === undefined) throw new CommandError(EXIT.failed, `The store has no key ${id} any more.`);
  return key;
}

/** Time for a gateway to take a check, try the key, and answer. */
const CHECK_MS = 25_000;

/**
 * Has a gateway try a key on the upstream.
 * @throws CommandError when none answers
 */
export async function checked(
  { ready, store }: KeyWork,
  command: string,
  key: StoredKey,
): Promise<{ readonly answer: 'accepted' | 'refused' | 'unclear'; readonly detail: string }> {
  await noteDoing(ready, 'key-changed', command, { slot: key.slot, step: 'checked' }, key.id);
  const answer = await store.check(key, whoever(), CHECK_MS);
  if (answer !== null) return answer;
  throw new CommandError(
    EXIT.failed,
    `No gateway tried ${key.id} within ${CHECK_MS / 1000} s: does one run with IDEOGATE_KEYS=sealed? Give the same command again.`,
  );
}

const FOLLOW_MS = 10_000;
const LOOK_MS = 50;
const RECORD_LOOK_MS = 500;

/**
 * Waits until every gateway acts on the newest change.
 * @returns milliseconds it took, and the gateways
 * @throws CommandError that names those that don't
 */
export async function allFollow({
  store,
}: KeyWork): Promise<{ ms: number; gateways: readonly FollowingGateway[] }> {
  const newest = await store.newest();
  const began = performance.now();
  for (;;) {
    const gateways = await store.gateways();
    const behind = gateways.filter(({ followed }) => followed < newest);
    const ms = Math.round(performance.now() - began);
    if (behind.length === 0 && gateways.length > 0) return { ms, gateways };
    if (ms > FOLLOW_MS)
      throw new CommandError(
        EXIT.failed,
        gateways.length === 0
          ? 'No gateway follows the store: does one run with IDEOGATE_KEYS=sealed?'
          : `These gateways do not follow: ${behind.map(({ instance }) => instance).join('; ')}. See their logs, then give the same command again.`,
      );
    await delay(LOOK_MS);
  }
}

/** Longer than a decision can be on its way to the record, with the key it picked. */
const QUIET_MS = 3_000;
/** Calls that began longer ago are over: twice what a call may take by default. */
const LONGEST_CALL_MS = 600_000;

/** What proves that nobody uses a key. */
export interface IdleProof {
  readonly gateways: readonly string[];
  /** Of each writer that used it lately. */
  readonly lastUses: readonly { readonly writer: string; readonly at: string; readonly open: number }[];
}

/**
 * Waits until the record shows a draining key idle: every gateway follows, no call with it is open, and for a while there
 * was no new one.
 * @throws CommandError when that takes longer than `withinMs`, or the key is no longer draining
 */
export async function provenIdle(work: KeyWork, key: StoredKey, withinMs: number): Promise<IdleProof> {
  const pool = openReadPool(work.ready.databaseUrl);
  const until = performance.now() + withinMs;
  let last = '';
  let since = performance.now();
  try {
    for (;;) {
      const { gateways } = await allFollow(work);
      const now = seen(await work.store.list(), key);
      if (now.state !== 'draining')
        throw new CommandError(
          EXIT.failed,
          `${key.id} is ${now.state} again: a gateway or a person went back to it.`,
        );
      const uses = await keyUse(pool, key.id, new Date(key.since.getTime() - LONGEST_CALL_MS));
      const alive = new Set(gateways.map(({ writer }) => writer));
      const open = uses.filter((use) => use.open > 0 && alive.has(use.writer));
      const sign = JSON.stringify(uses);
      if (sign !== last || open.length > 0) [last, since] = [sign, performance.now()];
      if (performance.now() - since >= QUIET_MS) return proofOf(gateways, uses);
      if (performance.now() > until)
        throw new CommandError(
          EXIT.failed,
          `${key.id} is still in use: ${open.reduce((sum, use) => sum + use.open, 0)} calls are open. Give the same command again: it goes on here.`,
        );
      await delay(RECORD_LOOK_MS);
    }
  } finally {
    await pool.end();
  }
}

function proofOf(gateways: readonly FollowingGateway[], uses: readonly KeyUse[]): IdleProof {
  return {
    gateways: gateways.map(({ instance }) => instance),
    lastUses: uses.map(({ writer, lastUse, open }) => ({ writer, at: lastUse.toISOString(), open })),
  };
}

/** The keys of a slot that are not revoked: the active one, and the one on its way in or out. */
export async function keysOfSlot(
  { store }: KeyWork,
  slot: KeySlot,
): Promise<{ readonly active: StoredKey | undefined; readonly changing: StoredKey | undefined }> {
  const keys = (await store.list()).filter((key) => key.slot === slot && key.state !== 'revoked');
  return {
    active: keys.find(({ state }) => state === 'active'),
    changing: keys.find(({ state }) => state !== 'active'),
  };
}
