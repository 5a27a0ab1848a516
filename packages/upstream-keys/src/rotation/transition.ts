import type { KeySlot } from '../key-ring.ts';
import {
  type CheckAnswer,
  type KeyState,
  type KeyStore,
  type StoredKey,
  StoreError,
} from '../store/key-store.ts';
import { RotationError } from './rotation-error.ts';

/*
 * Steps of a key's life. Each is told to the record before it is done, and is done only from the state that was seen:
 * whoever comes second is told so.
 */

/** What steps are taken with. */
export interface Transitions {
  readonly store: KeyStore;
  /** Who takes the steps: account and host. */
  readonly who: string;
  /**
   * Has on record what is about to be done with a key; nothing is done when it rejects.
   * @param detail slot, step, and why
   */
  readonly announce: (keyId: string, detail: Readonly<Record<string, string>>) => Promise<void>;
}

/** @throws RotationError when the key is in another state by now */
export async function transition(
  { store, who, announce }: Transitions,
  key: StoredKey,
  to: KeyState,
  options: { percent?: number; why?: string; idle?: true } = {},
): Promise<StoredKey> {
  const { percent = 0, why, idle } = options;
  const step = idle === true ? 'idle' : percent > 0 ? `${to}, ${percent} % of the calls` : to;
  const reason = why === undefined ? {} : { why };
  await announce(key.id, { slot: key.slot, step, ...reason });
  try {
    await store.step(key, to, who, { share: percent, ...reason });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new RotationError('moved-on', `${key.id} was not made ${step}: ${error.message}.`);
  }
  return reload(store, key);
}

/**
 * The same key, as it is now.
 * @throws RotationError when the store has it no more
 */
export async function reload(
  store: KeyStore,
  { id, slot }: Pick<StoredKey, 'id' | 'slot'>,
): Promise<StoredKey> {
  const key = (await store.list()).find((each) => each.id === id && each.slot === slot);
  if (key === undefined) throw new RotationError('moved-on', `The store has no key ${id} any more.`);
  return key;
}

/** The keys of a slot that are not revoked: the active one, and the one on its way in or out. */
export async function keysOfSlot(
  store: KeyStore,
  slot: KeySlot,
): Promise<{ readonly active: StoredKey | undefined; readonly changing: StoredKey | undefined }> {
  const keys = (await store.list()).filter((key) => key.slot === slot && key.state !== 'revoked');
  return {
    active: keys.find(({ state }) => state === 'active'),
    changing: keys.find(({ state }) => state !== 'active'),
  };
}

/** Time for a gateway to take a check, try the key, and answer. */
const CHECK_MS = 25_000;

/**
 * Has a gateway try a key on the upstream.
 * @throws RotationError when none answers
 */
export async function tryKey(
  { store, who, announce }: Transitions,
  key: StoredKey,
): Promise<{ readonly answer: CheckAnswer; readonly detail: string }> {
  await announce(key.id, { slot: key.slot, step: 'checked' });
  const answer = await store.check(key, who, CHECK_MS);
  if (answer !== null) return answer;
  throw new RotationError(
    'not-followed',
    `No gateway tried ${key.id} within ${CHECK_MS / 1000} s: does one run with IDEOGATE_KEYS=sealed? Give the same command again.`,
  );
}
