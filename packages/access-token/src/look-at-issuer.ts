import { DEFAULT_VERIFIER, type TrustedIssuer } from './config.ts';
import { KeySetRefused, readKeySet } from './read-key-set.ts';
import { loadKeySet } from './key-source.ts';

/** What came of fetching an issuer's key set once. */
export type IssuerLook =
  | { readonly ok: true; readonly keys: number }
  /** In words that name no address and no key. */
  | { readonly ok: false; readonly faults: readonly string[] };

/** Fetches the key set of an issuer and reads it, with the bounds and the rules of the verifier. Never rejects. */
export async function lookAtIssuer(trusted: TrustedIssuer): Promise<IssuerLook> {
  const { fetchTimeoutMs, maxKeySetBytes: maxBytes } = DEFAULT_VERIFIER;
  try {
    const bytes = await loadKeySet(trusted, { maxBytes, signal: AbortSignal.timeout(fetchTimeoutMs) });
    const { keys } = await readKeySet(bytes, trusted.algorithms);
    if (keys.size > 0) return { ok: true, keys: keys.size };
    return { ok: false, faults: [`the key set has no key for ${trusted.algorithms.join(', ')}`] };
  } catch (error) {
    if (error instanceof KeySetRefused) return { ok: false, faults: error.faults };
    return { ok: false, faults: [error instanceof Error ? error.message : 'it could not be had'] };
  }
}
