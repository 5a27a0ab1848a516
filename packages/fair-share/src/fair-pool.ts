/** A wish for units of a pool; whoever makes one is told of it by the pool's answers. */
export interface Claim {
  /** Who wants them. */
  readonly key: string;
  /** How many; 1 or more. */
  readonly units: number;
  /** Whether what was granted may be taken back now, without harm. Left out: never. */
  readonly isRevocable?: () => boolean;
  /**
   * Where nothing else is to be had, the oldest revocable claims of its own key give way to it: for keys behind which there
   * may be others than who fills the pool. Left out: they don't.
   */
  readonly replacesOwn?: boolean;
}

/** How one key stands in a pool. */
export interface Standing {
  /** Units it holds. */
  readonly held: number;
  /** Units it may hold while others want them. */
  readonly share: number;
  /** Claims of its that wait. */
  readonly waiting: number;
}

interface Holder<C extends Claim> {
  held: number;
  /** Oldest first, with the units that each holds. */
  readonly granted: Map<C, number>;
  readonly waiting: C[];
}

/**
 * Says who of many gets the next part of a bounded pool. Pure: no clock and no promise, so that it can decide for one
 * process or, over a table, for many.
 *
 * - Every key that holds or wants something has the same share, and so has one that is still to come.
 * - What is idle may be borrowed by anyone, but for the last quarter: that is for keys within their share.
 * - Who waits is served in the order of what it holds, least first, and not of arrival.
 * - A key within its share that finds the pool empty gets what can be taken back from the key that holds most: the oldest
 *   of its revocable claims.
 */
export class FairPool<C extends Claim> {
  readonly size: number;
  /** Units that nobody beyond its share may take. */
  readonly #reserve: number;
  readonly #holders = new Map<string, Holder<C>>();
  #held = 0;
  #waiting = 0;

  /** @param size units in all */
  constructor(size: number) {
    this.size = size;
    this.#reserve = Math.floor(size / 4);
  }

  /** Units held by all. */
  get held(): number {
    return this.#held;
  }

  /** Claims that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Keys that hold or want something. */
  get keys(): number {
    return this.#holders.size;
  }

  /** Units of the key that holds most. */
  get mostHeld(): number {
    let most = 0;
    for (const { held } of this.#holders.values()) if (held > most) most = held;
    return most;
  }

  standing(key: string): Standing {
    const holder = this.#holders.get(key);
    return {
      held: holder?.held ?? 0,
      share: this.#share(holder === undefined ? 1 : 0),
      waiting: holder?.waiting.length ?? 0,
    };
  }

  /**
   * Grants the claim, or lets it wait. What had to be taken back for it is in `revoked`: those claims hold nothing any
   * more. A claim larger than the pool is granted when the pool is empty, as if it were as large as the pool.
   */
  claim(claim: C): { readonly granted: boolean; readonly revoked: readonly C[] } {
    const holder = this.#holderOf(claim.key);
    const fits = this.#fits(claim, holder);
    // Nobody overtakes those of its own, nor those who wait and hold less.
    if (fits && holder.waiting.length === 0 && !this.#isAnyoneBefore(holder)) {
      this.#grant(claim, holder);
      return { granted: true, revoked: NOTHING };
    }
    if (!fits && holder.waiting.length === 0) {
      const revoked = this.#takeBackFor(claim, holder);
      if (revoked.length > 0) {
        this.#grant(claim, this.#holderOf(claim.key));
        return { granted: true, revoked };
      }
    }
    this.#holderOf(claim.key).waiting.push(claim);
    this.#waiting++;
    return { granted: false, revoked: NOTHING };
  }

  /** Claims that wait and can be granted now, in order; they are granted with it. To be asked after each change. */
  grantWaiting(): readonly C[] {
    if (this.#waiting === 0) return NOTHING;
    const granted: C[] = [];
    for (;;) {
      const next = this.#nextInLine();
      if (next === null) return granted;
      const [claim] = next.waiting;
      if (claim === undefined) return granted;
      this.#dequeue(claim, next);
      this.#grant(claim, next);
      granted.push(claim);
    }
  }

  /** The claim waits no more, or gives back what it holds. Does nothing the second time. */
  release(claim: C): void {
    const holder = this.#holders.get(claim.key);
    if (holder === undefined) return;
    const units = holder.granted.get(claim);
    if (units !== undefined) {
      holder.granted.delete(claim);
      this.#giveBack(units, holder);
    } else if (holder.waiting.includes(claim)) this.#dequeue(claim, holder);
    this.#forget(claim.key, holder);
  }

  /** The claim goes on with fewer units than it was granted. Does nothing when it holds no more than that. */
  shrink(claim: C, units: number): void {
    const holder = this.#holders.get(claim.key);
    const before = holder?.granted.get(claim);
    if (holder === undefined || before === undefined || units >= before) return;
    holder.granted.set(claim, units);
    this.#giveBack(before - units, holder);
  }

  /** Units that a key may hold while others want them: one for each at least. */
  #share(newcomers: number): number {
    return Math.max(1, Math.floor(this.size / (this.#holders.size + newcomers + 1)));
  }

  #unitsOf({ units }: C): number {
    return Math.min(units, this.size);
  }

  #isWithinShare(claim: C, holder: Holder<C>): boolean {
    return holder.held === 0 || holder.held + this.#unitsOf(claim) <= this.#share(0);
  }

  #fits(claim: C, holder: Holder<C>): boolean {
    const left = this.size - this.#held - this.#unitsOf(claim);
    return left >= (this.#isWithinShare(claim, holder) ? 0 : this.#reserve);
  }

  #isAnyoneBefore(holder: Holder<C>): boolean {
    for (const other of this.#holders.values())
      if (other !== holder && other.waiting.length > 0 && other.held <= holder.held) return true;
    return false;
  }

  /** Of the keys that wait, the one that holds least, if its first claim fits; one that only the reserve bars is passed over. */
  #nextInLine(): Holder<C> | null {
    let next: Holder<C> | null = null;
    for (const holder of this.#holders.values()) {
      const [claim] = holder.waiting;
      if (claim === undefined || (next !== null && holder.held >= next.held)) continue;
      if (this.#isWithinShare(claim, holder) || this.#fits(claim, holder)) next = holder;
    }
    const claim = next?.waiting[0];
    return next !== null && claim !== undefined && this.#fits(claim, next) ? next : null;
  }

  /** Takes back what the claim needs, or nothing. */
  #takeBackFor(claim: C, holder: Holder<C>): readonly C[] {
    const others = this.#isWithinShare(claim, holder) ? this.#takeFromOthers(claim, holder) : NOTHING;
    if (others.length > 0 || claim.replacesOwn !== true) return others;
    const units = this.#unitsOf(claim);
    const own: C[] = [];
    let freed = 0;
    for (const [older, held] of holder.granted) {
      if (freed >= units) break;
      if (older.isRevocable?.() !== true) continue;
      own.push(older);
      freed += held;
    }
    if (freed < units) return NOTHING;
    for (const victim of own) this.release(victim);
    return own;
  }

  #takeFromOthers(claim: C, holder: Holder<C>): readonly C[] {
    const units = this.#unitsOf(claim);
    const revoked: C[] = [];
    let missing = units - (this.size - this.#held);
    // Found first and taken then: half of what it needs would be taken for nobody.
    const holds = new Map<Holder<C>, number>();
    while (missing > 0) {
      const found = this.#mostRevocable(holder, units, holds, revoked);
      if (found === null) return NOTHING;
      revoked.push(found.claim);
      const freed = found.holder.granted.get(found.claim) ?? 0;
      holds.set(found.holder, (holds.get(found.holder) ?? found.holder.held) - freed);
      missing -= freed;
    }
    for (const victim of revoked) this.release(victim);
    return revoked;
  }

  /**
   * The oldest claim that can be taken back from the key that holds most, and no less than the taker then would.
   * @param holds what keys would hold by now, where that is less than they do
   * @param taken claims that are found already
   */
  #mostRevocable(
    taker: Holder<C>,
    units: number,
    holds: ReadonlyMap<Holder<C>, number>,
    taken: readonly C[],
  ): { readonly holder: Holder<C>; readonly claim: C } | null {
    let most = 0;
    let found: { readonly holder: Holder<C>; readonly claim: C } | null = null;
    for (const holder of this.#holders.values()) {
      const held = holds.get(holder) ?? holder.held;
      if (holder === taker || held < taker.held + units || held <= most) continue;
      const claim = oldestRevocable(holder.granted.keys(), taken);
      if (claim === null) continue;
      most = held;
      found = { holder, claim };
    }
    return found;
  }

  #holderOf(key: string): Holder<C> {
    const known = this.#holders.get(key);
    if (known !== undefined) return known;
    const made: Holder<C> = { held: 0, granted: new Map(), waiting: [] };
    this.#holders.set(key, made);
    return made;
  }

  #grant(claim: C, holder: Holder<C>): void {
    const units = this.#unitsOf(claim);
    holder.granted.set(claim, units);
    holder.held += units;
    this.#held += units;
  }

  #giveBack(units: number, holder: Holder<C>): void {
    holder.held -= units;
    this.#held -= units;
  }

  #dequeue(claim: C, holder: Holder<C>): void {
    holder.waiting.splice(holder.waiting.indexOf(claim), 1);
    this.#waiting--;
  }

  #forget(key: string, holder: Holder<C>): void {
    if (holder.held === 0 && holder.granted.size === 0 && holder.waiting.length === 0)
      this.#holders.delete(key);
  }
}

const NOTHING: readonly never[] = [];

function oldestRevocable<C extends Claim>(granted: Iterable<C>, taken: readonly C[]): C | null {
  for (const claim of granted) if (claim.isRevocable?.() === true && !taken.includes(claim)) return claim;
  return null;
}
