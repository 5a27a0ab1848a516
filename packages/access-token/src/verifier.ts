import type { ScopeName } from '@ideogate/contract';
import { compactVerify } from 'jose';
import { readClaims, ruleFault, timeFault } from './claims.ts';
import { readCompactToken } from './compact-token.ts';
import { type Algorithm, ConfigError, configFaults, type VerifierConfig } from './config.ts';
import { createIssuerKeys, type IssuerKeys } from './key-set-cache.ts';
import { readKeySet } from './read-key-set.ts';
import { loadKeySet } from './key-source.ts';
import { createTokenCache } from './token-cache.ts';
import type { TokenFault } from './token-fault.ts';

/** What a good token proves. Times in seconds since 1970. */
export interface Verified {
  readonly ok: true;
  readonly issuer: string;
  readonly subject: string;
  readonly clientId: string;
  /** `jti`: with `issuer` it names the token; its text doesn't (a signature has more than one spelling). */
  readonly tokenId: string;
  /** Known plain scopes only: wildcards, unknown words and odd spellings grant nothing. */
  readonly scopes: ReadonlySet<ScopeName>;
  /** The `scope` claim as it stands, for the record. */
  readonly scopeText: string;
  readonly expiresAt: number;
  /** More for the record; nothing is decided on these. */
  readonly claims: {
    readonly audience: readonly string[];
    readonly issuedAt: number;
    readonly notBefore: number | null;
    /** Subject of the outermost `act` (RFC 8693 section 4.1). */
    readonly actor: string | null;
    readonly keyId: string;
    readonly algorithm: string;
  };
}

/** What a token says whose signature is genuine although it may not be used: the issuer's words, for its holder. */
export type Genuine = Omit<Verified, 'ok'>;

/**
 * `invalid`: 401 `invalid_token`. `unavailable`: 503 with `Retry-After`, because the token may well be good.
 * `reason` is for the record; only with `genuine` may the caller learn it.
 */
export interface Rejected {
  readonly ok: false;
  readonly kind: 'invalid' | 'unavailable';
  readonly reason: TokenFault;
  /** The token's own words, where its signature is genuine and its claims can be read. */
  readonly genuine?: Genuine;
  /** With `unavailable`: whole seconds, at least 1. */
  readonly retryAfterSeconds?: number;
}

/** How the keys of an issuer stand. */
export interface IssuerReadiness {
  readonly issuer: string;
  /** The issuer's keys are in hand and may be used. */
  readonly ok: boolean;
  /** How many keys, or what failed last. Names no address. */
  readonly detail: string;
}

/** Verifies access tokens of trusted issuers (RFC 9068, RFC 8725). */
export interface TokenVerifier {
  /** Never throws or rejects. Answers at once, without a promise, for a token verified before. */
  verify(token: string): Verified | Rejected | Promise<Verified | Rejected>;
  /** What is known of a token that was verified before, as long as it still is valid; null: it must be verified. */
  remembered(token: string): Verified | null;
  /** The state of each issuer's keys, fetched first where there are none yet. */
  ready(): Promise<IssuerReadiness[]>;
  /**
   * Fetches every issuer's keys. An issuer that can't be reached is no error (`ready` shows it).
   * @throws ConfigError when a key set came but was refused: weak, secret or repeated keys.
   */
  warm(): Promise<void>;
  /** Stops renewing; verifying goes on with the keys in hand. */
  close(): void;
}

interface Issuer {
  readonly algorithms: readonly Algorithm[];
  readonly keys: IssuerKeys;
}

interface Remembered {
  readonly verified: Verified;
  readonly issuer: Issuer;
  /** Of the key set that verified it: another one, and the token is verified anew. */
  readonly generation: number;
}

/**
 * Verifies access tokens as RFC 9068 section 4 and RFC 8725 tell, for several trusted issuers.
 * @param deps `now` in milliseconds since 1970.
 * @throws ConfigError with every fault of the configuration.
 */
export function createTokenVerifier(config: VerifierConfig, deps: { now(): number }): TokenVerifier {
  const faults = configFaults(config);
  if (faults.length > 0) throw new ConfigError(faults);
  const issuers = new Map(
    config.issuers.map((trusted) => [trusted.issuer, openIssuer(trusted, config, deps)]),
  );
  const cache = createTokenCache<Remembered>(config.cacheSize);

  // Traffic renews keys too; this keeps a quiet gateway's keys from growing old.
  const renewal = setInterval(
    () => {
      for (const { keys } of issuers.values()) keys.renewIfDue();
    },
    (config.keySetFreshSeconds * 1000) / 4,
  ).unref();

  function recall(token: string, remembered: Remembered): Verified | Rejected | undefined {
    const { verified, issuer, generation } = remembered;
    if (issuer.keys.usableGeneration() !== generation) return undefined;
    const fault = timeFault({ ...verified.claims, expiresAt: verified.expiresAt }, config, deps.now() / 1000);
    if (fault === undefined) return verified;
    cache.delete(token);
    return invalid(fault, verified);
  }

  async function verifyAnew(token: string, fetchesBefore?: number): Promise<Verified | Rejected> {
    const read = readCompactToken(token);
    if (typeof read === 'string') return invalid(read);
    const { algorithm, keyId } = read;
    // Not verified yet: this only chooses whose keys may verify it.
    const { iss } = read.claims;
    const issuer = typeof iss === 'string' ? issuers.get(iss) : undefined;
    if (issuer === undefined) return invalid('token-issuer-unknown');
    if (!(issuer.algorithms as readonly string[]).includes(algorithm)) {
      return invalid('token-algorithm-not-allowed');
    }

    const wanted = keyId ?? { algorithm };
    const found = await issuer.keys.find(wanted, fetchesBefore ?? issuer.keys.fetchesBegun());
    if (found.kind === 'absent') return invalid('token-key-unknown');
    if (found.kind === 'ambiguous') return invalid('token-key-id-missing');
    if (found.kind === 'unavailable') {
      const { retryAfterSeconds } = found;
      return { ok: false, kind: 'unavailable', reason: 'key-set-unavailable', retryAfterSeconds };
    }
    if (found.key.algorithm !== algorithm) return invalid('token-key-algorithm-mismatch');
    if (!(await isSigned(token, found.key))) return invalid('token-signature-invalid');

    // From here on the claims are the issuer's words.
    const claims = readClaims(read.claims);
    if (typeof claims === 'string') return invalid(claims);
    const { audience, issuedAt, notBefore, actor, ...rest } = claims;
    const verified: Verified = Object.freeze({
      ok: true,
      ...rest,
      claims: Object.freeze({ audience, issuedAt, notBefore, actor, keyId: found.keyId, algorithm }),
    });
    const fault = ruleFault(claims, read.claims, config) ?? timeFault(claims, config, deps.now() / 1000);
    if (fault !== undefined) return invalid(fault, verified);
    cache.set(token, { verified, issuer, generation: found.generation });
    return verified;
  }

  return {
    verify(token) {
      // Before anything looks at it: hashing and decoding cost time that a stranger must not choose.
      if (token.length > config.maxTokenLength) return invalid('token-too-long');
      const remembered = cache.get(token);
      if (remembered === undefined) return verifyAnew(token);
      const fetchesBefore = remembered.issuer.keys.fetchesBegun();
      return recall(token, remembered) ?? verifyAnew(token, fetchesBefore);
    },
    remembered(token) {
      const remembered = token.length > config.maxTokenLength ? undefined : cache.get(token);
      const known = remembered === undefined ? undefined : recall(token, remembered);
      return known?.ok === true ? known : null;
    },
    async ready() {
      const states = [...issuers].map(async ([issuer, { keys }]) => {
        if (!keys.status().ok) await keys.load();
        const { ok, detail } = keys.status();
        return { issuer, ok, detail };
      });
      return Promise.all(states);
    },
    async warm() {
      await Promise.all([...issuers.values()].map(({ keys }) => keys.load()));
      const refused = [...issuers].flatMap(([issuer, { keys }]) =>
        keys.status().refused.map((fault) => `issuer ${issuer}: key set: ${fault}`),
      );
      if (refused.length > 0) throw new ConfigError(refused);
    },
    close() {
      clearInterval(renewal);
      for (const { keys } of issuers.values()) keys.close();
    },
  };
}

function openIssuer(
  trusted: VerifierConfig['issuers'][number],
  config: VerifierConfig,
  deps: { now(): number },
): Issuer {
  const { fetchTimeoutMs, maxKeySetBytes } = config;
  const load = async (closing: AbortSignal) => {
    const signal = AbortSignal.any([closing, AbortSignal.timeout(fetchTimeoutMs)]);
    return readKeySet(await loadKeySet(trusted, { signal, maxBytes: maxKeySetBytes }), trusted.algorithms);
  };
  const timing = {
    freshMs: config.keySetFreshSeconds * 1000,
    trustMs: config.keySetTrustSeconds * 1000,
    cooldownMs: config.keySetCooldownSeconds * 1000,
  };
  return { algorithms: trusted.algorithms, keys: createIssuerKeys(load, timing, () => deps.now()) };
}

type VerificationKey = Extract<Awaited<ReturnType<IssuerKeys['find']>>, { kind: 'found' }>['key'];

async function isSigned(token: string, { key, algorithm }: VerificationKey): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: [algorithm] });
    return true;
  } catch {
    return false; // jose's text may quote the token, so it goes no further
  }
}

function invalid(reason: TokenFault, genuine?: Genuine): Rejected {
  return { ok: false, kind: 'invalid', reason, ...(genuine === undefined ? {} : { genuine }) };
}
