import { type Claim, FairPool } from '@ideogate/fair-share';

/** What is shared out between callers: a closed set, for metrics, refusals and the record. */
export type PoolName =
  | 'unauthenticated-calls'
  | 'calls'
  | 'body-memory'
  | 'read-connections'
  | 'write-connections'
  | 'webhooks';

/** What is told of everything that callers share, in its units. */
export interface SharedResource {
  readonly name: PoolName | 'parsing';
  readonly size: number;
  readonly held: number;
  /** By whoever holds most. */
  readonly mostHeld: number;
  /** Of each of those who hold or want some, while others want it. */
  readonly share: number;
  /** How many wait for some. */
  readonly waiting: number;
}

/** Why a pool gave nothing. */
export interface PoolRefusal {
  readonly pool: PoolName;
  /** `share`: who asked holds its share. `full`: others hold all of it. `left`: the claim was released while it waited. */
  readonly because: 'share' | 'full' | 'left';
  /** Units it held, its share, and all there are. */
  readonly held: number;
  readonly share: number;
  readonly size: number;
  readonly waitedMs: number;
}

/** Size and pace of a pool. */
export interface PoolOptions {
  readonly size: number;
  /**
   * The longest a claim waits, milliseconds; 0: it never waits. Each waits up to a tenth less than that, or what came together
   * would all be refused, and come again, together.
   */
  readonly waitMs: number;
  /** From 0 to 1; how much of that tenth is left out. */
  readonly random?: () => number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  /** Told how a claim went and how long it waited, milliseconds. */
  readonly onDone?: (how: 'granted' | 'share' | 'full' | 'left' | 'revoked', waitedMs: number) => void;
}

/** What was taken from a pool, or waits to be. */
export class Lease implements Claim {
  readonly key: string;
  readonly units: number;
  readonly isRevocable: () => boolean;
  /** Called when it is taken back: by then it holds nothing. */
  readonly onRevoked: () => void;
  readonly replacesOwn: boolean;
  readonly #pool: SharedPool;

  constructor(
    pool: SharedPool,
    key: string,
    units: number,
    { isRevocable = () => false, onRevoked = () => undefined, replacesOwn = false }: Revocation = {},
  ) {
    this.#pool = pool;
    this.key = key;
    this.units = units;
    this.isRevocable = isRevocable;
    this.onRevoked = onRevoked;
    this.replacesOwn = replacesOwn;
  }

  /** Goes on with fewer units. */
  shrink(units: number): void {
    this.#pool.shrink(this, units);
  }

  /** Gives it back, or waits no more. Does nothing the second time. */
  release(): void {
    this.#pool.release(this);
  }
}

/** Whether, and how, what was taken may be taken back. */
export interface Revocation {
  /** Asked while somebody else needs it: whether it may be taken back now, without harm. */
  readonly isRevocable?: () => boolean;
  readonly onRevoked?: () => void;
  /** Where nothing else is to be had, what its own key took before may be taken back for it. */
  readonly replacesOwn?: boolean;
}

interface Waiting {
  readonly since: number;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (refusal: PoolRefusal | null) => void;
}

/** A pool of one gateway: fair shares, with a bounded wait. */
export class SharedPool implements SharedResource {
  readonly name: PoolName;
  readonly #fair: FairPool<Lease>;
  readonly #waitMs: number;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #onDone: NonNullable<PoolOptions['onDone']>;
  readonly #waiting = new Map<Lease, Waiting>();

  constructor(name: PoolName, options: PoolOptions) {
    this.name = name;
    this.#fair = new FairPool(options.size);
    this.#waitMs = options.waitMs;
    this.#now = options.now ?? (() => performance.now());
    this.#random = options.random ?? Math.random;
    this.#onDone = options.onDone ?? (() => undefined);
  }

  get size(): number {
    return this.#fair.size;
  }

  get held(): number {
    return this.#fair.held;
  }

  get waiting(): number {
    return this.#fair.waiting;
  }

  /** Units of whoever holds most. */
  get mostHeld(): number {
    return this.#fair.mostHeld;
  }

  /** Units that each of those who hold or want something may have while others want them. */
  get share(): number {
    return this.#fair.standing('').share;
  }

  /** Null once the lease holds what it asks for; at once when that is to be had. Never rejects. */
  acquire(lease: Lease): PoolRefusal | null | Promise<PoolRefusal | null> {
    const { granted, revoked } = this.#fair.claim(lease);
    for (const victim of revoked) {
      this.#onDone('revoked', 0);
      victim.onRevoked();
    }
    if (granted) {
      this.#onDone('granted', 0);
      return null;
    }
    if (this.#waitMs === 0 || this.#isQueueFull(lease)) {
      const refusal = this.#refusal(lease, 0);
      this.#fair.release(lease);
      this.#onDone(refusal.because, 0);
      return refusal;
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#stopWaiting(lease), this.#waitMs * (1 - this.#random() / 10));
      this.#waiting.set(lease, { since: this.#now(), timer, resolve });
    });
  }

  release(lease: Lease): void {
    const waiting = this.#waiting.get(lease);
    if (waiting !== undefined) {
      const refusal = { ...this.#refusal(lease, this.#now() - waiting.since), because: 'left' } as const;
      this.#fair.release(lease);
      this.#settle(lease, waiting, refusal);
    } else this.#fair.release(lease);
    this.#grantWaiting();
  }

  shrink(lease: Lease, units: number): void {
    this.#fair.shrink(lease, units);
    this.#grantWaiting();
  }

  #grantWaiting(): void {
    for (const next of this.#fair.grantWaiting()) {
      const granted = this.#waiting.get(next);
      if (granted !== undefined) this.#settle(next, granted, null);
    }
  }

  /** Nobody waits in the last quarter of the queue but those who have nothing else in it. */
  #isQueueFull({ key }: Lease): boolean {
    const { waiting } = this.#fair.standing(key);
    return this.#fair.waiting > (waiting > 1 ? (MOST_WAITING * 3) / 4 : MOST_WAITING);
  }

  #stopWaiting(lease: Lease): void {
    const waiting = this.#waiting.get(lease);
    if (waiting === undefined) return;
    const refusal = this.#refusal(lease, this.#now() - waiting.since);
    this.#fair.release(lease);
    this.#settle(lease, waiting, refusal);
    // Those behind it may fit where it didn't.
    this.#grantWaiting();
  }

  #settle(lease: Lease, { since, timer, resolve }: Waiting, refusal: PoolRefusal | null): void {
    clearTimeout(timer);
    this.#waiting.delete(lease);
    this.#onDone(refusal?.because ?? 'granted', this.#now() - since);
    resolve(refusal);
  }

  #refusal({ key, units }: Lease, waitedMs: number): PoolRefusal & { because: 'share' | 'full' } {
    const { held, share } = this.#fair.standing(key);
    return {
      pool: this.name,
      because: held > 0 && held + units > share ? 'share' : 'full',
      held,
      share,
      size: this.#fair.size,
      waitedMs,
    };
  }
}

/** Claims that may wait for one pool. */
const MOST_WAITING = 1000;
