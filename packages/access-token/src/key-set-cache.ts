import { type KeySet, KeySetRefused } from './read-key-set.ts';

type VerificationKey = NonNullable<ReturnType<KeySet['keys']['get']>>;

/** What a token says of its key: an id, or nothing but the algorithm that the key must serve. */
type WantedKey = string | { readonly algorithm: string };

/** Answer to "which key is it?". `generation` changes whenever the issuer's key set does. */
type FoundKey =
  | {
      readonly kind: 'found';
      readonly keyId: string;
      readonly key: VerificationKey;
      readonly generation: number;
    }
  /** No id was given, and several keys fit. */
  | { readonly kind: 'ambiguous' }
  /** A fetch begun after the question was asked doesn't have it. */
  | { readonly kind: 'absent' }
  /** Nobody knows now. */
  | { readonly kind: 'unavailable'; readonly retryAfterSeconds: number };

/** The keys of one issuer: fetched, kept, renewed. */
export interface IssuerKeys {
  /** Generation of the keys in hand if they may be used without waiting, else undefined. Renews in the background. */
  usableGeneration(): number | undefined;
  /** How many fetches have begun: taken when a call arrives, it tells `find` which fetches came after. */
  fetchesBegun(): number;
  /** Never rejects. Waits for a fetch only when the keys in hand can't answer. `before`: as `fetchesBegun` was. */
  find(wanted: WantedKey, before: number): FoundKey | Promise<FoundKey>;
  /** Fetches unless a fetch was begun within the cool-down. */
  load(): Promise<void>;
  status(): { readonly ok: boolean; readonly detail: string; readonly refused: readonly string[] };
  renewIfDue(): void;
  close(): void;
}

interface Timing {
  readonly freshMs: number;
  readonly trustMs: number;
  readonly cooldownMs: number;
}

interface InHand {
  readonly set: KeySet;
  readonly generation: number;
  /** Start of the fetch that brought it, and its number. */
  readonly at: number;
  readonly fetch: number;
}

/**
 * A cache around `load` with what `createRemoteJWKSet` lacks: its cool-down counts from the last success only, and
 * after its cache age every valid token fails. Here one fetch runs at a time, the cool-down counts failed ones too,
 * a refused set leaves the old keys in place, and known keys stay usable for a stated time (REQUIREMENTS A.16, A.17).
 *
 * @param load fetches and reads the key set; aborted through its signal.
 * @param now milliseconds.
 */
export function createIssuerKeys(
  load: (signal: AbortSignal) => Promise<KeySet>,
  { freshMs, trustMs, cooldownMs }: Timing,
  now: () => number,
): IssuerKeys {
  let inHand: InHand | undefined;
  let begun = 0;
  let begunAt = Number.NEGATIVE_INFINITY;
  let flight: Promise<void> | undefined;
  let failure: { readonly text: string; readonly refused: readonly string[] } | undefined;
  const closing = new AbortController();

  const age = (): number => {
    if (inHand === undefined) return Number.POSITIVE_INFINITY;
    const past = now() - inHand.at;
    return past < 0 ? freshMs / 2 : past; // the clock went back: usable still, but due
  };
  const mayFetch = (): boolean =>
    flight === undefined && !closing.signal.aborted && Math.abs(now() - begunAt) >= cooldownMs;

  function fetch(): Promise<void> {
    begun += 1;
    begunAt = now();
    flight = run(begun, begunAt).finally(() => {
      flight = undefined;
    });
    return flight;
  }

  async function run(fetch: number, at: number): Promise<void> {
    try {
      const set = await load(closing.signal);
      const changed = set.fingerprint !== inHand?.set.fingerprint;
      const generation = changed ? fetch : inHand?.generation;
      inHand = { set, generation: generation ?? fetch, at, fetch };
      failure = undefined;
    } catch (cause) {
      failure = {
        text: cause instanceof Error ? cause.message : 'it could not be had',
        refused: cause instanceof KeySetRefused ? cause.faults : [],
      };
    }
  }

  function renewIfDue(): void {
    // At half the time, so that the keys in hand are never older than `freshMs` while the issuer answers.
    if (age() >= freshMs / 2 && mayFetch()) void fetch();
  }

  function usableGeneration(): number | undefined {
    renewIfDue();
    const old = age();
    if (inHand === undefined || old >= trustMs) return undefined;
    // Older than `freshMs` though no fetch has failed: the process slept. A key may be withdrawn; ask first.
    if (old >= freshMs && failure === undefined && flight !== undefined) return undefined;
    return inHand.generation;
  }

  function known(wanted: WantedKey): FoundKey | undefined {
    if (inHand === undefined || age() >= trustMs) return undefined;
    const { set, generation } = inHand;
    if (typeof wanted !== 'string') {
      const fitting = [...set.keys].filter(([, { algorithm }]) => algorithm === wanted.algorithm);
      const [only] = fitting;
      if (fitting.length > 1) return { kind: 'ambiguous' };
      return only && { kind: 'found', keyId: only[0], key: only[1], generation };
    }
    const key = set.keys.get(wanted);
    return key && { kind: 'found', keyId: wanted, key, generation };
  }

  function find(wanted: WantedKey, before: number): FoundKey | Promise<FoundKey> {
    const found = usableGeneration() === undefined ? undefined : known(wanted);
    return found ?? ask(wanted, before);
  }

  /** A fetch up to number `before` began before the question: it may bring the key, but can't prove its absence. */
  async function ask(wanted: WantedKey, before: number): Promise<FoundKey> {
    await flight;
    let found = known(wanted);
    if (found !== undefined) return found;
    if (begun === before && mayFetch()) void fetch();
    await flight;
    found = known(wanted);
    if (found !== undefined) return found;
    if (inHand !== undefined && inHand.fetch > before) return { kind: 'absent' };
    const wait = Math.ceil((begunAt + cooldownMs - now()) / 1000);
    return { kind: 'unavailable', retryAfterSeconds: Math.max(1, wait) };
  }

  return {
    usableGeneration,
    fetchesBegun: () => begun,
    find,
    load: async () => {
      if (mayFetch()) void fetch();
      await flight;
    },
    status: () => {
      const ok = inHand !== undefined && age() < trustMs;
      const detail =
        failure?.text ?? (inHand === undefined ? 'not fetched yet' : `${inHand.set.keys.size} keys`);
      return { ok, detail, refused: failure?.refused ?? [] };
    },
    renewIfDue,
    close: () => closing.abort(),
  };
}
