import { isLoopback } from '@ideogate/contract';
import { FaultsError } from './faults-error.ts';

/** Each `Algorithm`, for those who check a name. */
export const ALGORITHMS = ['ES256', 'ES384', 'EdDSA', 'PS256', 'RS256'] as const;

/** JWS algorithms a trusted issuer may sign with (RFC 7518 section 3.1, RFC 8037): asymmetric ones only. */
export type Algorithm = (typeof ALGORITHMS)[number];

/** Who may sign tokens for this gateway, with what, and where its public keys are. */
export interface TrustedIssuer {
  /** Compared with `iss` character for character. An https URL, or http on loopback. */
  readonly issuer: string;
  readonly algorithms: readonly Algorithm[];
  /** `discovery`: OpenID Connect Discovery 4, then RFC 8414. `file`: a JWK Set on this machine's disk. */
  readonly keys: { readonly discovery: true } | { readonly jwksUri: string } | { readonly file: string };
}

/** Whose tokens are taken, whom they must be for, and the bounds. */
export interface VerifierConfig {
  readonly issuers: readonly TrustedIssuer[];
  /** This gateway's identifier in this environment: what `aud` must hold (RFC 9068 section 4). */
  readonly audience: string;
  /** Longest `exp` minus `iat` in seconds, 1 to 900: short-lived is enforced here, whatever the issuer does. */
  readonly maxLifetimeSeconds: number;
  /** Clock skew granted to issuers in seconds, 0 to 60. */
  readonly skewSeconds: number;
  /** Longest token in characters; longer ones are refused before they are decoded. */
  readonly maxTokenLength: number;
  /** Most verified tokens remembered. 0 turns the cache off. */
  readonly cacheSize: number;
  /** A withdrawn key is refused, and a changed set noticed, within this many seconds. */
  readonly keySetFreshSeconds: number;
  /** Known keys stay usable for this many seconds after the last good fetch; then tokens are `unavailable`. */
  readonly keySetTrustSeconds: number;
  /** Fewest seconds between the starts of two fetches of one issuer's keys, failed ones included. */
  readonly keySetCooldownSeconds: number;
  /** Longest time for one whole fetch (discovery and key set) in milliseconds. */
  readonly fetchTimeoutMs: number;
  /** Largest discovery document or key set in bytes. */
  readonly maxKeySetBytes: number;
}

/** What applies where nothing else is configured. Units as in `VerifierConfig`. */
export const DEFAULT_VERIFIER = {
  maxLifetimeSeconds: 900,
  skewSeconds: 30,
  maxTokenLength: 8192,
  cacheSize: 10_000,
  keySetFreshSeconds: 300,
  keySetTrustSeconds: 3600,
  keySetCooldownSeconds: 10,
  fetchTimeoutMs: 3000,
  maxKeySetBytes: 262_144,
} as const satisfies Omit<VerifierConfig, 'issuers' | 'audience'>;

/** The configuration, or a key set it names, can't be used. `faults` has every fault found, one sentence each. */
export class ConfigError extends FaultsError {
  override readonly name = 'ConfigError';
}

const RANGES = {
  maxLifetimeSeconds: [1, 900],
  skewSeconds: [0, 60],
  maxTokenLength: [256, 65_536],
  cacheSize: [0, 1_000_000],
  keySetFreshSeconds: [1, 86_400],
  keySetTrustSeconds: [1, 604_800],
  keySetCooldownSeconds: [1, 3600],
  fetchTimeoutMs: [1, 60_000],
  maxKeySetBytes: [64, 16_777_216],
} as const satisfies Record<keyof typeof DEFAULT_VERIFIER, readonly [number, number]>;

/** Every fault of a configuration; empty when it can be used. */
export function configFaults(config: VerifierConfig): string[] {
  const faults: string[] = [];
  if (config.audience === '') faults.push('audience: is empty; it must be the identifier of this gateway');
  for (const [name, [min, max]] of Object.entries(RANGES)) {
    const value = config[name as keyof typeof RANGES]; // as: Object.entries widens the key
    if (!Number.isInteger(value) || value < min || value > max) {
      faults.push(`${name}: ${value} is not a whole number from ${min} to ${max}`);
    }
  }
  if (config.keySetTrustSeconds < config.keySetFreshSeconds) {
    faults.push('keySetTrustSeconds: is less than keySetFreshSeconds');
  }
  if (config.keySetCooldownSeconds > config.keySetFreshSeconds) {
    faults.push('keySetCooldownSeconds: is more than keySetFreshSeconds, which could then not be kept');
  }
  if (config.issuers.length === 0) faults.push('issuers: none is trusted, so no token could be accepted');
  const seen = new Set<string>();
  for (const trusted of config.issuers) {
    if (seen.has(trusted.issuer)) faults.push(`issuer ${trusted.issuer}: is listed twice`);
    seen.add(trusted.issuer);
    faults.push(...issuerFaults(trusted).map((fault) => `issuer ${trusted.issuer}: ${fault}`));
  }
  return faults;
}

function issuerFaults({ issuer, algorithms, keys }: TrustedIssuer): string[] {
  const faults: string[] = [];
  const address = addressFault(issuer);
  if (address !== undefined) faults.push(address);
  else if (/[?#]/.test(issuer)) faults.push('has a query or a fragment (RFC 8414 section 2)');
  if (algorithms.length === 0) faults.push('algorithms: none is listed');
  for (const algorithm of algorithms) {
    if (!(ALGORITHMS as readonly string[]).includes(algorithm)) {
      faults.push(`algorithms: ${algorithm} is not one of ${ALGORITHMS.join(', ')}`);
    }
  }
  if ('jwksUri' in keys) {
    const fault = addressFault(keys.jwksUri);
    if (fault !== undefined) faults.push(`jwksUri: ${fault}`);
  } else if ('file' in keys && keys.file === '') {
    faults.push('keys file: no path is given');
  }
  return faults;
}

/** Why keys may not be fetched from an address, or undefined. https, or http to loopback; no user info. */
export function addressFault(address: string): string | undefined {
  const url = URL.parse(address);
  if (url === null) return 'is not an absolute URL';
  if (url.username !== '' || url.password !== '') return 'has a user name or password';
  if (url.protocol === 'https:') return undefined;
  if (url.protocol !== 'http:') return `is ${url.protocol}, not https:`;
  return isLoopback(url.hostname) ? undefined : 'is plain http to a host that is not loopback; use https';
}
