import { setTimeout as delay } from 'node:timers/promises';
import type { FollowingGateway, KeyStore, StoredKey } from '../store/key-store.ts';
import { RotationError } from './rotation-error.ts';
import { reload, type Transitions, tryKey } from './transition.ts';

const FOLLOW_MS = 10_000;
const LOOK_MS = 50;

/**
 * Waits until every gateway acts on the newest change.
 * @returns milliseconds it took, and the gateways
 * @throws RotationError that names those that don't
 */
export async function waitForGateways(
  store: KeyStore,
): Promise<{ ms: number; gateways: readonly FollowingGateway[] }> {
  const newest = await store.newest();
  const began = performance.now();
  for (;;) {
    const gateways = await store.gateways();
    const behind = gateways.filter(({ followed }) => followed < newest);
    const ms = Math.round(performance.now() - began);
    if (behind.length === 0 && gateways.length > 0) return { ms, gateways };
    if (ms > FOLLOW_MS)
      throw new RotationError(
        'not-followed',
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
const RECORD_LOOK_MS = 500;

/** Use of a key by one writer of the record. */
interface UseByWriter {
  readonly writer: string;
  readonly lastUse: Date;
  /** Calls with it whose end is not in the record. */
  readonly open: number;
}

/** What proves that nobody uses a key. */
export interface IdleProof {
  readonly gateways: readonly string[];
  /** Of each writer that used it lately. */
  readonly lastUses: readonly { readonly writer: string; readonly at: string; readonly open: number }[];
}

/**
 * Waits until the record shows a draining key idle: every gateway follows, no call with it is open, and for a while there
 * was no new one.
 * @param usesSince asks the record for the uses of the key
 * @throws RotationError when that takes longer than `withinMs`, or the key is no longer draining
 */
export async function waitUntilIdle(
  store: KeyStore,
  key: StoredKey,
  usesSince: (since: Date) => Promise<readonly UseByWriter[]>,
  withinMs: number,
): Promise<IdleProof> {
  const until = performance.now() + withinMs;
  let last = '';
  let since = performance.now();
  for (;;) {
    const { gateways } = await waitForGateways(store);
    const now = await reload(store, key);
    if (now.state !== 'draining')
      throw new RotationError(
        'moved-on',
        `${key.id} is ${now.state} again: a gateway or a person went back to it.`,
      );
    const uses = await usesSince(new Date(key.since.getTime() - LONGEST_CALL_MS));
    const alive = new Set(gateways.map(({ writer }) => writer));
    const open = uses.filter((use) => use.open > 0 && alive.has(use.writer));
    const sign = JSON.stringify(uses);
    if (sign !== last || open.length > 0) [last, since] = [sign, performance.now()];
    if (performance.now() - since >= QUIET_MS) return proofOf(gateways, uses);
    if (performance.now() > until)
      throw new RotationError(
        'in-use',
        `${key.id} is still in use: ${open.reduce((sum, use) => sum + use.open, 0)} calls are open. Give the same command again: it goes on here.`,
      );
    await delay(RECORD_LOOK_MS);
  }
}

function proofOf(gateways: readonly FollowingGateway[], uses: readonly UseByWriter[]): IdleProof {
  return {
    gateways: gateways.map(({ instance }) => instance),
    lastUses: uses.map(({ writer, lastUse, open }) => ({ writer, at: lastUse.toISOString(), open })),
  };
}

const RECHECK_MS = 2_000;

/**
 * Waits until Ideogram refuses a key, which a person revokes there.
 * @returns how Ideogram said so
 * @throws RotationError when that takes longer than `withinMs`
 */
export async function waitUntilRevoked(by: Transitions, key: StoredKey, withinMs: number): Promise<string> {
  const until = performance.now() + withinMs;
  for (;;) {
    const { answer, detail } = await tryKey(by, key);
    if (answer === 'refused') return detail;
    if (performance.now() > until)
      throw new RotationError(
        'in-use',
        `${key.id} is not known to be dead (${detail}): revoke it at Ideogram, then give the same command again.`,
      );
    await delay(RECHECK_MS);
  }
}
