import { createPublicKey, type KeyObject } from 'node:crypto';
import { DEFAULT_VERIFIER } from './config.ts';
import { createIssuerKeys } from './key-set-cache.ts';
import { readKeySet } from './read-key-set.ts';
import { loadKeySet } from './key-source.ts';

/** Answer to "which key has this id?", as for tokens. */
type FoundSigningKey =
  | { readonly kind: 'found'; readonly key: KeyObject }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unavailable'; readonly retryAfterSeconds: number };

/** Keys for signatures that are on no token, by their id. */
export interface SigningKeys {
  /** Never rejects. Waits for a fetch only when the keys in hand can't answer. */
  find(keyId: string): Promise<FoundSigningKey>;
  /** Stops fetching. */
  close(): void;
}

/**
 * The Ed25519 public keys at one address, for signatures that are on no token: fetched, kept and renewed as the keys of
 * an issuer are, with the same bounds (REQUIREMENTS A.16 to A.18). Nothing is fetched before the first question.
 *
 * @param jwksUri https, or http to loopback
 * @param deps `now` in milliseconds since 1970
 */
export function openSigningKeys(jwksUri: string, deps: { now(): number }): SigningKeys {
  const { fetchTimeoutMs, maxKeySetBytes: maxBytes } = DEFAULT_VERIFIER;
  const { keySetFreshSeconds, keySetTrustSeconds, keySetCooldownSeconds } = DEFAULT_VERIFIER;
  const keys = createIssuerKeys(
    async (closing) => {
      const signal = AbortSignal.any([closing, AbortSignal.timeout(fetchTimeoutMs)]);
      const bytes = await loadKeySet(
        { issuer: jwksUri, algorithms: ['EdDSA'], keys: { jwksUri } },
        { maxBytes, signal },
      );
      return readKeySet(bytes, ['EdDSA']);
    },
    {
      freshMs: keySetFreshSeconds * 1000,
      trustMs: keySetTrustSeconds * 1000,
      cooldownMs: keySetCooldownSeconds * 1000,
    },
    () => deps.now(),
  );
  return {
    async find(keyId) {
      const found = await keys.find(keyId, keys.fetchesBegun());
      if (found.kind === 'ambiguous') return { kind: 'absent' };
      if (found.kind !== 'found') return found;
      return { kind: 'found', key: createPublicKey({ key: found.key.jwk, format: 'jwk' }) };
    },
    close: () => keys.close(),
  };
}
