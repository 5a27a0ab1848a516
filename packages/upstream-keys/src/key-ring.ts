import type { Capability, EnvironmentName } from '@ideogate/contract';
import { HeldKey, type UpstreamKey } from './held-key.ts';
import { KeyError } from './key-fault.ts';
import { KeySearch } from './key-search.ts';
import { type LeakScan, scanWith } from './leak-scan.ts';

/** What a key may be used for; each has a slot of its own. */
export type KeySlot = Exclude<Capability, 'none'>;

/** Both slots, in the order in which they are listed. */
export const KEY_SLOTS: readonly KeySlot[] = ['read', 'write'];

/** The keys of one slot. */
export interface SlotKeys {
  /** Null: calls of this slot are refused. */
  readonly current: HeldKey | null;
  /** A new key that some calls go out with, and of a hundred how many. */
  readonly trial?: { readonly key: HeldKey; readonly share: number } | undefined;
  /** What takes over when the upstream refuses the current key: the one before it, while that still holds. */
  readonly fallback?: HeldKey | undefined;
}

/** The upstream refused a key. */
export interface KeyRefusal {
  readonly slot: KeySlot;
  readonly id: string;
  /** Id of the key that took over, or null when there is no other. */
  readonly instead: string | null;
}

/** Keys given for one environment. `both` fills whichever of the two slots is not given. */
export interface KeySource {
  readonly environment: EnvironmentName;
  readonly read?: string | undefined;
  readonly write?: string | undefined;
  readonly both?: string | undefined;
  /** Secret of this installation under which key ids are made, so that an id reveals nothing about its key. */
  readonly fingerprintSecret: string;
  /** Monotonic milliseconds; default: the process's own clock. */
  readonly now?: () => number;
}

/**
 * How long a refusal counts, milliseconds. A gateway that is not ready gets no calls, and without calls nothing
 * would ever show that the key works again.
 */
const SUSPECT_MS = 60_000;
const NOTHING = new Uint8Array(0);

/**
 * The keys of one environment: it says which one a call goes out with, and knows all of them again in what comes
 * back. A key that was replaced stays known until its last call is over.
 */
export class KeyRing {
  readonly environment: EnvironmentName;
  /** Told when the upstream refuses a key; set by whoever looks after the keys. */
  onRefused: (refusal: KeyRefusal) => void = () => undefined;
  readonly #now: () => number;
  readonly #slots: Record<KeySlot, SlotKeys> = { read: { current: null }, write: { current: null } };
  /** How far each slot is on its way to the next call for the trial key: a hundred is one call. */
  readonly #turn: Record<KeySlot, number> = { read: 0, write: 0 };
  #tooOld: ReadonlySet<string> = new Set();
  readonly #suspects = new Map<string, number>();
  /** Those of the slots, and those that were replaced and may still be in what comes back. */
  #known: readonly HeldKey[] = [];
  readonly #search = new KeySearch();

  constructor(environment: EnvironmentName, now: () => number = () => performance.now()) {
    this.environment = environment;
    this.#now = now;
  }

  /** The key a call goes out with, for all of its life; or why there is none. */
  pick(slot: KeySlot): UpstreamKey | 'missing' | 'too-old' {
    const key = this.#next(slot);
    if (key === null) return 'missing';
    return this.#tooOld.size > 0 && this.#tooOld.has(key.id) ? 'too-old' : key;
  }

  /** From now on no call goes out with these keys. */
  refuseTooOld(ids: readonly string[]): void {
    this.#tooOld = new Set(ids);
  }

  #next(slot: KeySlot): HeldKey | null {
    const { current, trial } = this.#slots[slot];
    if (trial === undefined) return current;
    const turn = this.#turn[slot] + trial.share;
    this.#turn[slot] = turn % 100;
    return turn >= 100 ? trial.key : current;
  }

  /** Slots in which there is no key to use. */
  missing(): readonly KeySlot[] {
    return KEY_SLOTS.filter((slot) => this.#slots[slot].current === null);
  }

  /** Ids of the keys that calls may go out with. */
  ids(slot: KeySlot): readonly string[] {
    const { current, trial } = this.#slots[slot];
    return [current, trial?.key].flatMap((key) => key?.id ?? []);
  }

  /** True when these header values hold any key of this ring: in one of them, or its halves in two, in any order. */
  inHeaders(values: Iterable<string | readonly string[] | undefined>): boolean {
    const texts: string[] = [];
    for (const value of values) {
      if (typeof value === 'string') texts.push(value);
      else if (value !== undefined) texts.push(...value);
    }
    return this.#isInTexts(texts) || (texts.length > 1 && this.#isInTexts(texts.reverse()));
  }

  #isInTexts(texts: readonly string[]): boolean {
    const bytes = Buffer.from(`"${texts.join('"')}"`, 'latin1');
    return this.#search.in(bytes, NOTHING, Number.POSITIVE_INFINITY).leak;
  }

  /** Watches a body for every key of this ring, across chunk borders. */
  scanBody(): LeakScan {
    return scanWith(this.#search);
  }

  /**
   * The upstream refused this key. Where another can take over, it does from this moment: calls after this one go out
   * with it.
   */
  refused({ id }: UpstreamKey): void {
    const since = this.#suspects.get(id);
    this.#suspects.set(id, this.#now());
    // Calls come by the hundred: with no other key, one of them tells for a minute.
    const told = since !== undefined && this.#now() - since < SUSPECT_MS;
    for (const slot of KEY_SLOTS) {
      const { current, trial, fallback } = this.#slots[slot];
      if (trial?.key.id === id) {
        this.#put(slot, { current });
        this.onRefused({ slot, id, instead: current?.id ?? null });
      } else if (current?.id === id) {
        if (fallback !== undefined) this.#put(slot, { current: fallback });
        if (fallback !== undefined || !told) this.onRefused({ slot, id, instead: fallback?.id ?? null });
      }
    }
  }

  /** The upstream took this key: it is no suspect any more. */
  accepted({ id }: UpstreamKey): void {
    if (this.#suspects.size > 0) this.#suspects.delete(id);
  }

  /** Ids of keys in use that the upstream refused when they were last used, within the last minute. */
  suspects(): readonly string[] {
    const used = new Set(KEY_SLOTS.flatMap((slot) => this.ids(slot)));
    return [...this.#suspects]
      .filter(([id, since]) => used.has(id) && this.#now() - since < SUSPECT_MS)
      .map(([id]) => id);
  }

  /**
   * Changes the keys of one slot. Calls that have picked a key keep it.
   * @returns keys that no slot uses: for `forget`, when the last call that may have picked them is over
   */
  fill(slot: KeySlot, keys: SlotKeys): readonly HeldKey[] {
    this.#put(slot, keys);
    return this.#known.filter((key) => !this.#isUsed(key));
  }

  /** Destroys the plain text of a key, unless a slot uses it again. */
  forget(key: HeldKey): void {
    if (this.#isUsed(key) || !this.#known.includes(key)) return;
    this.#know(this.#known.filter((known) => known !== key));
    key.destroy();
  }

  #isUsed(key: HeldKey): boolean {
    return KEY_SLOTS.some((slot) => keysOf(this.#slots[slot]).includes(key));
  }

  #put(slot: KeySlot, keys: SlotKeys): void {
    this.#slots[slot] = keys;
    const known = [...new Set([...this.#known, ...keysOf(keys)])];
    if (known.length > this.#known.length) this.#know(known);
  }

  #know(keys: readonly HeldKey[]): void {
    this.#known = keys;
    HeldKey.seek(keys, this.#search);
  }
}

function keysOf({ current, trial, fallback }: SlotKeys): readonly HeldKey[] {
  return [current, trial?.key, fallback].filter((key) => key !== null && key !== undefined);
}

/**
 * A ring of keys that are given as they are, one a slot.
 * @throws KeyError when a slot is empty, or holds a placeholder, a token, or something no header can carry.
 */
export function createKeyRing(source: KeySource): KeyRing {
  const ring = new KeyRing(source.environment, source.now);
  for (const slot of KEY_SLOTS) {
    const where = `the ${slot} key of ${source.environment}`;
    const key = source[slot] ?? source.both;
    if (key === undefined) throw new KeyError(`${where} is missing`);
    ring.fill(slot, { current: new HeldKey(Buffer.from(key, 'latin1'), source.fingerprintSecret, where) });
  }
  return ring;
}
