import { isJsonObject, type JsonObject, type JsonValue, parseStrictJsonBytes } from '@ideogate/contract';
import { type CryptoKey, importJWK } from 'jose';
import { isCanonical } from './compact-token.ts';
import type { Algorithm } from './config.ts';
import { FaultsError } from './faults-error.ts';
import { hasRocaFingerprint } from './roca.ts';

/** One public key and the one algorithm it serves (RFC 8725 section 3.1). */
interface VerificationKey {
  readonly algorithm: Algorithm;
  readonly key: CryptoKey;
  /** The same key as a JWK of its public numbers alone. */
  readonly jwk: Material;
}

/** The keys of an issuer that may verify, all of them sound. */
export interface KeySet {
  /** By exact `kid`. A Map, so that no `kid` can reach a property of an object. */
  readonly keys: ReadonlyMap<string, VerificationKey>;
  /** Equal for two sets that verify the same tokens. */
  readonly fingerprint: string;
}

/** A key set that came whole but can't be trusted. `faults` names keys and what is wrong, never key bytes. */
export class KeySetRefused extends FaultsError {
  override readonly name = 'KeySetRefused';
  constructor(faults: readonly string[]) {
    super(faults, '; ');
  }
}

/** RFC 7518 sections 6.2.2, 6.3.2, 6.4.1, and `priv` of the AKP keys: nothing of these belongs in a public set. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'] as const;
const MIN_RSA_BITS = 2048;
/** Verifying costs time that grows with the modulus; nobody needs more. */
const MAX_RSA_BITS = 8192;
const MAX_KEYS = 100;

/**
 * Reads a JWK Set (RFC 7517 section 5) strictly. A set is refused as a whole when anything in it shows that its
 * publisher can't be relied on: secrets or private parts, repeated or missing ids, weak keys, one key for two
 * algorithms. Keys that are merely for something else (`use: enc`, another `key_ops`, an algorithm this issuer
 * isn't trusted with, a key type we don't know) are never used, and don't spoil the rest: identity providers
 * publish encryption keys in the same set.
 *
 * @throws KeySetRefused with every fault.
 */
export async function readKeySet(bytes: Uint8Array, algorithms: readonly Algorithm[]): Promise<KeySet> {
  const jwks = readJwks(bytes);
  const faults: string[] = [];
  const seen = new Set<string>();
  const algorithmOf = new Map<string, Algorithm>();
  const keys = new Map<string, VerificationKey>();
  const prints: string[] = [];
  for (const [index, jwk] of jwks.entries()) {
    const kid = jwk['kid'];
    const label = typeof kid === 'string' && kid !== '' ? `key ${JSON.stringify(kid)}` : `key ${index + 1}`;
    const secret = secretFault(jwk);
    if (secret !== undefined) faults.push(`${label} ${secret}`);
    if (typeof kid !== 'string' || kid === '') {
      faults.push(`${label} has no key id`);
      continue;
    }
    if (seen.has(kid)) faults.push(`${label} is there twice`);
    seen.add(kid);
    if (secret !== undefined || !isForVerifying(jwk)) continue;
    const read = readPublicKey(jwk, algorithms);
    if (read.kind === 'not-ours') continue;
    if (read.kind === 'refused') {
      faults.push(`${label} ${read.fault}`);
      continue;
    }
    const material = JSON.stringify(read.material);
    if ((algorithmOf.get(material) ?? read.algorithm) !== read.algorithm) {
      faults.push(`${label} is the same key as another one, under another algorithm`);
      continue;
    }
    algorithmOf.set(material, read.algorithm);
    try {
      const key = await importJWK(read.material, read.algorithm, { extractable: false });
      if (key instanceof Uint8Array) throw new TypeError('not a public key');
      keys.set(kid, { algorithm: read.algorithm, key, jwk: read.material });
      prints.push(JSON.stringify([kid, read.algorithm, material]));
    } catch {
      faults.push(`${label} can't be used: its numbers are no ${read.algorithm} key`);
    }
  }
  if (faults.length > 0) throw new KeySetRefused(faults);
  if (keys.size === 0) {
    throw new KeySetRefused([`no key in it verifies ${algorithms.join(' or ')} signatures`]);
  }
  return { keys, fingerprint: prints.sort().join('\n') };
}

function readJwks(bytes: Uint8Array): JsonObject[] {
  let value: JsonValue;
  try {
    value = parseStrictJsonBytes(bytes);
  } catch {
    throw new KeySetRefused(['it is not JSON with one meaning']);
  }
  const list = isJsonObject(value) ? value['keys'] : undefined;
  if (!Array.isArray(list) || !list.every(isJsonObject)) {
    throw new KeySetRefused(['it is not a JWK Set: "keys" must be a list of objects']);
  }
  if (list.length > MAX_KEYS) throw new KeySetRefused([`it holds more than ${MAX_KEYS} keys`]);
  return list;
}

function secretFault(jwk: JsonObject): string | undefined {
  if (jwk['kty'] === 'oct') return 'is a shared secret, which has no place beside public keys';
  if (PRIVATE_MEMBERS.some((member) => member in jwk)) return 'has private parts: it must be replaced';
  return undefined;
}

function isForVerifying(jwk: JsonObject): boolean {
  const { use, key_ops: operations } = jwk;
  if (use !== undefined && use !== 'sig') return false;
  return operations === undefined || (Array.isArray(operations) && operations.includes('verify'));
}

type Material = { readonly kty: string; readonly [member: string]: string };

type PublicKey =
  | { readonly kind: 'usable'; readonly algorithm: Algorithm; readonly material: Material }
  | { readonly kind: 'not-ours' }
  | { readonly kind: 'refused'; readonly fault: string };

const NOT_OURS: PublicKey = { kind: 'not-ours' };

/** Which algorithm each curve can serve (RFC 7518 section 3.4, RFC 8037 section 3.1). */
const CURVES: Readonly<Record<string, { kty: string; algorithm: Algorithm; members: readonly string[] }>> = {
  'P-256': { kty: 'EC', algorithm: 'ES256', members: ['x', 'y'] },
  'P-384': { kty: 'EC', algorithm: 'ES384', members: ['x', 'y'] },
  Ed25519: { kty: 'OKP', algorithm: 'EdDSA', members: ['x'] },
};

function readPublicKey(jwk: JsonObject, algorithms: readonly Algorithm[]): PublicKey {
  const { kty, alg } = jwk;
  if (alg !== undefined && typeof alg !== 'string') return refused('has an algorithm that is not text');
  if (kty === 'RSA') return readRsaKey(jwk, alg, algorithms);
  if (kty !== 'EC' && kty !== 'OKP') return NOT_OURS;
  const { crv } = jwk;
  const curve = typeof crv === 'string' && Object.hasOwn(CURVES, crv) ? CURVES[crv] : undefined;
  if (curve === undefined) {
    return isListed(alg, algorithms) ? refused(`says ${alg}, but its curve is another`) : NOT_OURS;
  }
  if (curve.kty !== kty) return refused('has a curve of another key type');
  if (alg !== undefined && alg !== curve.algorithm) {
    // `alg` may also name an encryption (ECDH-ES) or a newer spelling: not for us, unless it claims one of ours.
    return isListed(alg, algorithms) ? refused(`says ${alg}, but its curve is another`) : NOT_OURS;
  }
  if (!algorithms.includes(curve.algorithm)) return NOT_OURS;
  const material = pick(jwk, ['crv', ...curve.members]);
  return material === undefined
    ? refused('lacks one of its numbers, or spells it wrongly')
    : { kind: 'usable', algorithm: curve.algorithm, material: { kty, ...material } };
}

function readRsaKey(jwk: JsonObject, alg: string | undefined, algorithms: readonly Algorithm[]): PublicKey {
  const rsa = algorithms.filter((algorithm) => algorithm === 'PS256' || algorithm === 'RS256');
  const [only, other] = rsa;
  // An RSA key fits several algorithms. Without `alg` it may serve only where the configuration leaves just one.
  if (alg === undefined && other !== undefined)
    return refused('is an RSA key that does not state its algorithm');
  const algorithm = rsa.find((listed) => listed === (alg ?? only));
  const material = pick(jwk, ['n', 'e']);
  if (material === undefined) return refused('lacks one of its numbers, or spells it wrongly');
  const modulus = bigint(material['n']);
  const bits = modulus.toString(2).length;
  if (bits < MIN_RSA_BITS)
    return refused(`is an RSA key of ${bits} bits; at least ${MIN_RSA_BITS} are needed`);
  if (bits > MAX_RSA_BITS) return refused(`is an RSA key of ${bits} bits; at most ${MAX_RSA_BITS} are taken`);
  if (hasRocaFingerprint(modulus))
    return refused(
      'is an RSA key of a kind that can be factored (ROCA, CVE-2017-15361): it must be replaced',
    );
  const exponent = bigint(material['e']);
  if (exponent < 3n || exponent % 2n === 0n)
    return refused('is an RSA key with an exponent that protects nothing');
  if (algorithm !== undefined) return { kind: 'usable', algorithm, material: { kty: 'RSA', ...material } };
  return isListed(alg, algorithms) ? refused(`says ${alg}, but is an RSA key`) : NOT_OURS;
}

function isListed(alg: string | undefined, algorithms: readonly Algorithm[]): boolean {
  return (algorithms as readonly string[]).includes(alg ?? '');
}

/** The named members, each canonical base64url (`crv` excepted), or undefined. */
function pick(jwk: JsonObject, members: readonly string[]): Record<string, string> | undefined {
  const picked: Record<string, string> = {};
  for (const member of members) {
    const value = jwk[member];
    if (typeof value !== 'string' || (member !== 'crv' && !isCanonical(value))) return undefined;
    picked[member] = value;
  }
  return picked;
}

function bigint(base64url: string | undefined): bigint {
  return BigInt(`0x0${Buffer.from(base64url ?? '', 'base64url').toString('hex')}`);
}

function refused(fault: string): PublicKey {
  return { kind: 'refused', fault };
}
