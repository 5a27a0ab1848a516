import { setTimeout as delay } from 'node:timers/promises';
import { openSession, type Session } from '@ideogate/postgres';
import type { KeySlot } from '../key-ring.ts';
import type { KeyBinding } from '../sealing.ts';
import { STORE_TIMEOUTS } from './store-timeouts.ts';

/** Where a key stands on its way in and out. */
export type KeyState = 'pending' | 'verified' | 'active' | 'draining' | 'revoked';

/** A key of the sealed store, as those see it who may not open it. */
export interface StoredKey {
  readonly id: string;
  readonly slot: KeySlot;
  readonly state: KeyState;
  /** Of a hundred calls, how many go out with it before it is active. */
  readonly share: number;
  readonly addedAt: Date;
  /** Since when it is in its state. */
  readonly since: Date;
  /** Since when a draining key is known to be used by nobody; nothing goes back to it. */
  readonly idleAt: Date | null;
}

/** How Ideogram answered when a gateway tried a key. `unclear`: it did not say. */
export type CheckAnswer = 'accepted' | 'refused' | 'unclear';

/** A gateway that follows the store, and how far. */
export interface FollowingGateway {
  readonly writer: string;
  readonly instance: string;
  readonly followed: number;
  readonly silentMs: number;
}

const STEP_FAULTS = {
  stale: 'its state changed while you looked; see keys list',
  idle: 'no gateway goes back to it any more: it may be revoked at Ideogram already',
  'in use': 'it is not known to be idle',
  'no such step': 'there is no such step from its state',
} as const;

const PUT_FAULTS = {
  environment: 'the store belongs to another environment',
  known: 'this key is in the slot already, or was there and is revoked',
  occupied: 'the slot has a key on its way in or out already; end that rotation first',
} as const;

/** The store did not do what was asked, and why. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}

/** The sealed store, for those who put keys and move them on. Opens nothing. */
export interface KeyStore {
  /** Every key that was ever added, newest first. */
  list(): Promise<readonly StoredKey[]>;
  /** @throws StoreError */
  put(binding: KeyBinding, sealed: Buffer, who: string): Promise<void>;
  /**
   * Moves a key on, if it is still in the state in which it was seen.
   * @throws StoreError
   */
  step(key: StoredKey, to: KeyState, who: string, options?: { share?: number; why?: string }): Promise<void>;
  /** Asks a gateway to try the key, and waits for its answer; null when none came in time. */
  check(
    key: Pick<StoredKey, 'id' | 'slot'>,
    who: string,
    waitMs: number,
  ): Promise<{ readonly answer: CheckAnswer; readonly detail: string } | null>;
  /** Number of the newest change: gateways that follow as far know all. */
  newest(): Promise<number>;
  /** Gateways that were seen within the last 10 seconds. */
  gateways(): Promise<readonly FollowingGateway[]>;
  end(): Promise<void>;
}

const POLL_MS = 50;

/** @param putUrl the login that may put keys */
export async function openKeyStore(putUrl: string): Promise<KeyStore> {
  const session = await openSession(putUrl, 'ideogate-keys-put', STORE_TIMEOUTS);
  return {
    list: () => list(session),
    async put({ environment, id, slot }, sealed, who) {
      const said = await word(session, 'SELECT ideogate_keys.put_key($1, $2, $3, $4, $5) AS word', [
        environment,
        id,
        slot,
        sealed,
        who,
      ]);
      if (said !== 'done') throw new StoreError(faultIn(PUT_FAULTS, said));
    },
    async step({ id, slot, state }, to, who, { share = 0, why } = {}) {
      const said = await word(session, 'SELECT ideogate_keys.step($1, $2, $3, $4, $5, $6, $7) AS word', [
        id,
        slot,
        state,
        to,
        share,
        who,
        why ?? null,
      ]);
      if (said !== 'done') throw new StoreError(faultIn(STEP_FAULTS, said));
    },
    async newest() {
      const [row] = await session.rows<{ n: string | null }>('SELECT max(n) AS n FROM ideogate_keys.history');
      return Number(row?.n ?? 0);
    },
    async check({ id, slot }, who, waitMs) {
      const until = performance.now() + waitMs;
      const [asked] = await session.rows<{ n: string }>('SELECT ideogate_keys.ask_check($1, $2, $3) AS n', [
        id,
        slot,
        who,
      ]);
      while (performance.now() < until) {
        const [row] = await session.rows<{ answer: CheckAnswer | null; detail: string | null }>(
          'SELECT answer, detail FROM ideogate_keys.key_check WHERE n = $1',
          [asked?.n],
        );
        if (row?.answer) return { answer: row.answer, detail: row.detail ?? '' };
        await delay(POLL_MS);
      }
      return null;
    },
    async gateways() {
      const rows = await session.rows<{
        writer: string;
        instance: string;
        followed: string;
        silent: number;
      }>(
        `SELECT writer, instance, followed, (extract(epoch FROM clock_timestamp() - seen_at) * 1000)::int AS silent
         FROM ideogate_keys.gateway WHERE seen_at > clock_timestamp() - interval '10 seconds' ORDER BY instance`,
      );
      return rows.map(({ writer, instance, followed, silent }) => ({
        writer,
        instance,
        followed: Number(followed),
        silentMs: silent,
      }));
    },
    end: () => session.end(),
  };
}

async function list(session: Session): Promise<readonly StoredKey[]> {
  const rows = await session.rows<{
    id: string;
    slot: KeySlot;
    state: KeyState;
    share: number;
    added_at: Date;
    since: Date;
    idle_at: Date | null;
  }>(
    `SELECT id, slot, state, share, added_at, since, idle_at FROM ideogate_keys.upstream_key
     ORDER BY slot, added_at DESC`,
  );
  return rows.map(({ added_at, idle_at, ...row }) => ({ ...row, addedAt: added_at, idleAt: idle_at }));
}

async function word(session: Session, text: string, values: readonly unknown[]): Promise<string> {
  const [row] = await session.rows<{ word: string }>(text, values);
  return row?.word ?? '';
}

function faultIn(faults: Readonly<Record<string, string>>, said: string): string {
  return faults[said] ?? `the store answered ${said}`;
}
