import type { EnvironmentName } from '@ideogate/contract';
import { type ChannelFollower, followChannel, type Session } from '@ideogate/postgres';
import type { HeldKey } from '../held-key.ts';
import { KeyError } from '../key-fault.ts';
import { KEY_SLOTS, type KeyRefusal, type KeyRing, type KeySlot } from '../key-ring.ts';
import { type KeyOpener, openKey } from '../sealing.ts';
import { STORE_TIMEOUTS } from './store-timeouts.ts';
import type { CheckAnswer } from './key-store.ts';

/** One gateway, as it follows the sealed store. */
export interface FollowOptions {
  /** The login that may read what is sealed. */
  readonly openUrl: string;
  readonly environment: EnvironmentName;
  readonly opener: KeyOpener;
  readonly fingerprintSecret: string;
  /** Filled with what the store says, now and whenever that changes. */
  readonly ring: KeyRing;
  /** This gateway's id in the record, and its name. */
  readonly writer: string;
  readonly instance: string;
  /** How long a call may go on with a key that was replaced, milliseconds. */
  readonly callsEndWithinMs: number;
  /** Tries a key on the upstream. */
  readonly check: (key: HeldKey) => Promise<{ readonly answer: CheckAnswer; readonly detail: string }>;
  /** What this gateway did about its keys by itself. */
  readonly onChange: (change: KeyChange) => void;
  /** Told once for each way in which following fails, and when it works again. */
  readonly onFault: (fault: unknown) => void;
}

/** What became of a key in one gateway. */
export type KeyChange =
  /** The ring was filled anew. */
  | { readonly what: 'followed'; readonly read: readonly string[]; readonly write: readonly string[] }
  /** The upstream refused a key; `wentBack` when this gateway was the one to move the store back. */
  | ({ readonly what: 'refused'; readonly wentBack: boolean } & KeyRefusal)
  /** A key was tried. */
  | { readonly what: 'checked'; readonly id: string; readonly slot: KeySlot; readonly answer: CheckAnswer };

/** A key that a gateway holds. */
export interface KeyInUse {
  readonly id: string;
  readonly slot: KeySlot;
  readonly state: 'verified' | 'active' | 'draining';
  readonly addedAt: Date;
}

interface Row {
  readonly id: string;
  readonly slot: KeySlot;
  readonly state: KeyInUse['state'];
  readonly share: number;
  readonly sealed: Buffer;
  readonly added_at: Date;
  readonly idle: boolean;
}

const POLL_MS = 400;
const RETRY_MS = 500;

/**
 * Keeps a ring as the sealed store says, for as long as the gateway runs. With the store away, the last known keys go
 * on serving.
 */
export class KeyFollower {
  readonly #options: FollowOptions;
  readonly #opened = new Map<string, HeldKey>();
  /** Keys that are in no slot any more, and whether the last call that may have picked them is over. */
  readonly #leaving = new Map<string, { readonly timer: NodeJS.Timeout; over: boolean }>();
  /** What the slots are being filled with. */
  #wanted: ReadonlySet<string> = new Set();
  /** Refusals that the store does not know yet: until it does, its word on these keys is older than ours. */
  readonly #refusals = new Map<string, KeyRefusal>();
  #keys: readonly KeyInUse[] = [];
  #checking: Promise<void> | null = null;
  #followed = 0;
  #filled = false;
  #channel: ChannelFollower | null = null;

  /**
   * Fills the ring, and follows from there on. A slot that has no active key stays empty.
   * @throws KeyError when a key of a slot can't be opened; what the network or Postgres says
   */
  static async start(options: FollowOptions): Promise<KeyFollower> {
    const follower = new KeyFollower(options);
    follower.#channel = await followChannel({
      url: options.openUrl,
      name: 'ideogate-keys-open',
      channel: 'ideogate_keys',
      timeouts: STORE_TIMEOUTS,
      pollMs: POLL_MS,
      retryMs: RETRY_MS,
      read: (session) => follower.#read(session),
      onFault: (fault) => options.onFault(fault),
    });
    options.ring.onRefused = (refusal) => follower.#refused(refusal);
    return follower;
  }

  private constructor(options: FollowOptions) {
    this.#options = options;
  }

  /** The keys at hand. */
  keys(): readonly KeyInUse[] {
    return this.#keys;
  }

  async stop(): Promise<void> {
    await this.#channel?.stop(async (session) => {
      await this.#checking;
      await session.rows('SELECT ideogate_keys.leave($1)', [this.#options.writer]);
    });
    await this.#checking;
    for (const key of this.#opened.values()) key.destroy();
  }

  async #read(session: Session): Promise<void> {
    const { writer, instance } = this.#options;
    const first = !this.#filled;
    for (const refusal of this.#refusals.values()) await this.#tellRefusal(session, refusal);
    const follow = async () => {
      const [row] = await session.rows<{ newest: string; checks: boolean }>(
        'SELECT newest, checks FROM ideogate_keys.follow($1, $2, $3)',
        [writer, instance, this.#followed],
      );
      return { newest: Number(row?.newest ?? 0), checks: row?.checks === true };
    };
    const { newest, checks } = await follow();
    if (newest !== this.#followed || first) {
      await this.#fill(session);
      await follow();
    }
    this.#filled = true;
    if (checks && !first && this.#checking === null) {
      this.#checking = this.#makeCheck(session)
        .catch((error: unknown) => this.#options.onFault(error))
        .finally(() => (this.#checking = null));
    }
  }

  /** What cannot be opened changes nothing: the slots go on with what they have. */
  async #fill(session: Session): Promise<void> {
    const { ring, onChange } = this.#options;
    // The number first: what is read after it is at least as new.
    const [newest] = await session.rows<{ n: string | null }>(
      'SELECT max(n) AS n FROM ideogate_keys.history',
    );
    const rows = await session.rows<Row>(
      `SELECT id, slot, state, share, sealed, added_at, idle_at IS NOT NULL AS idle
       FROM ideogate_keys.upstream_key WHERE state IN ('verified', 'active', 'draining')`,
    );
    this.#wanted = new Set(rows.map((row) => nameOf(row)));
    try {
      const open = await this.#openAll(rows);
      for (const slot of KEY_SLOTS) this.#fillSlot(slot, rows, open);
      this.#letGo(new Set(open.values()));
    } finally {
      this.#wanted = new Set();
      this.#destroyLeft();
    }
    this.#keys = rows.map(({ id, slot, state, added_at }) => ({ id, slot, state, addedAt: added_at }));
    this.#followed = Number(newest?.n ?? 0);
    onChange({ what: 'followed', read: ring.ids('read'), write: ring.ids('write') });
  }

  #fillSlot(slot: KeySlot, rows: readonly Row[], open: ReadonlyMap<Row, HeldKey>): void {
    const ofState = (state: Row['state']) => rows.find((row) => row.slot === slot && row.state === state);
    const [active, verified, draining] = [ofState('active'), ofState('verified'), ofState('draining')];
    const trial = verified && verified.share > 0 ? open.get(verified) : undefined;
    this.#options.ring.fill(slot, {
      current: (active && open.get(active)) ?? null,
      trial: trial && { key: trial, share: verified?.share ?? 0 },
      fallback: draining && !draining.idle ? open.get(draining) : undefined,
    });
  }

  /** Keys that are in no slot any more are destroyed, each when the last call that may have picked it is over. */
  #letGo(kept: ReadonlySet<HeldKey>): void {
    for (const [name, key] of this.#opened) {
      const leaving = this.#leaving.get(name);
      if (kept.has(key)) {
        // It came back: a key that was refused, and is verified again.
        clearTimeout(leaving?.timer);
        this.#leaving.delete(name);
      } else if (leaving === undefined) this.#leave(name);
    }
  }

  #leave(name: string): void {
    const timer = setTimeout(() => {
      leaving.over = true;
      this.#destroyLeft();
    }, this.#options.callsEndWithinMs).unref();
    const leaving = { timer, over: false };
    this.#leaving.set(name, leaving);
  }

  /** One that is wanted again may be in a slot in a moment. */
  #destroyLeft(): void {
    for (const [name, { over }] of this.#leaving) {
      const key = this.#opened.get(name);
      if (!over || key === undefined || this.#wanted.has(name)) continue;
      this.#leaving.delete(name);
      this.#opened.delete(name);
      this.#options.ring.forget(key);
      key.destroy();
    }
  }

  /** All or none: when one cannot be opened, those that were leaving go on leaving, and what was opened leaves too. */
  async #openAll(rows: readonly Row[]): Promise<ReadonlyMap<Row, HeldKey>> {
    const before = new Set(this.#opened.keys());
    try {
      const open = new Map<Row, HeldKey>();
      for (const row of rows) open.set(row, await this.#open(row));
      return open;
    } catch (error) {
      for (const name of this.#opened.keys()) if (!before.has(name)) this.#leave(name);
      throw error;
    }
  }

  async #open(row: Row): Promise<HeldKey> {
    const { environment, opener, fingerprintSecret } = this.#options;
    const opened = this.#opened.get(nameOf(row));
    if (opened !== undefined) return opened;
    const { id, slot, sealed } = row;
    const key = await openKey(opener, { environment, slot, id }, sealed, fingerprintSecret);
    this.#opened.set(nameOf(row), key);
    return key;
  }

  #refused(refusal: KeyRefusal): void {
    // The ring has gone back already; the store and the other gateways are told now.
    if (refusal.instead === null) {
      this.#options.onChange({ what: 'refused', wentBack: false, ...refusal });
      return;
    }
    this.#refusals.set(nameOf(refusal), refusal);
    this.#channel?.wake();
  }

  async #tellRefusal(session: Session, refusal: KeyRefusal): Promise<void> {
    const { slot, id } = refusal;
    const [row] = await session.rows<{ back: boolean }>('SELECT ideogate_keys.go_back($1, $2, $3) AS back', [
      id,
      slot,
      this.#options.instance,
    ]);
    this.#refusals.delete(nameOf(refusal));
    this.#options.onChange({ what: 'refused', wentBack: row?.back === true, ...refusal });
  }

  async #makeCheck(session: Session): Promise<void> {
    const { environment, opener, fingerprintSecret, check, onChange } = this.#options;
    const [asked] = await session.rows<{ n: string; id: string; slot: KeySlot; sealed: Buffer | null }>(
      'SELECT n, id, slot, sealed FROM ideogate_keys.take_check()',
    );
    if (asked === undefined) return;
    const { n, id, slot, sealed } = asked;
    let answer: CheckAnswer = 'unclear';
    let detail = 'its plain text was destroyed';
    if (sealed !== null) {
      try {
        const key = await openKey(opener, { environment, slot, id }, sealed, fingerprintSecret);
        ({ answer, detail } = await check(key));
        key.destroy();
      } catch (error) {
        if (!(error instanceof KeyError)) throw error;
        detail = error.message;
      }
    }
    await session.rows('SELECT ideogate_keys.answer_check($1, $2, $3)', [n, answer, detail]);
    onChange({ what: 'checked', id, slot, answer });
    this.#channel?.wake();
  }
}

function nameOf({ slot, id }: Pick<Row, 'slot' | 'id'>): string {
  return `${slot} ${id}`;
}
