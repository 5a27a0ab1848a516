import { checkPrimeSync, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { KeySetRefused, readKeySet } from '../src/read-key-set.ts';
import { hasRocaFingerprint } from '../src/roca.ts';

/** Product of the first primes, as the library had it for keys of this size (CVE-2017-15361). */
const M = primesBelow(702).reduce((product, prime) => product * BigInt(prime), 1n);

/** Two primes of that library's form make a modulus that has it too. Made here, for nobody: nothing is signed with it. */
function fakeRocaModulus(): bigint {
  return fakePrime(3n) * fakePrime(5n);
}

function fakePrime(exponent: bigint): bigint {
  const residue = power(65537n, exponent * 1000n + 7n);
  // The top two bits are set, so that the product has 2048.
  for (let k = (3n << 1022n) / M + exponent; ; k++) {
    const candidate = k * M + residue;
    if (checkPrimeSync(candidate)) return candidate;
  }
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let left = exponent, square = base; left > 0n; left >>= 1n, square = (square * square) % M)
    if (left % 2n === 1n) result = (result * square) % M;
  return result;
}

function primesBelow(limit: number): readonly number[] {
  const numbers = Array.from({ length: limit - 2 }, (_, at) => at + 2);
  return numbers.filter((one) => !numbers.some((other) => other * other <= one && one % other === 0));
}

const jwks = (modulus: bigint) => {
  const hex = modulus.toString(16);
  const n = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url');
  return Buffer.from(
    JSON.stringify({ keys: [{ kty: 'RSA', kid: 'fake-roca', alg: 'RS256', n, e: 'AQAB' }] }),
  );
};

describe('keys that can be factored, as ROCA found (A.15)', () => {
  const modulus = fakeRocaModulus();

  it('has a test key of 2048 bits whose modulus is a power of 65537 modulo each small prime', () => {
    expect(modulus.toString(2)).toHaveLength(2048);
    expect(hasRocaFingerprint(modulus)).toBe(true);
  });

  it('refuses a key set with one of them, and says why', async () => {
    const refused = await readKeySet(jwks(modulus), ['RS256']).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(KeySetRefused);
    expect(String(refused)).toMatch(/key "fake-roca" is an RSA key of a kind that can be factored \(ROCA/);
  });

  it('takes ordinary keys', async () => {
    for (let made = 0; made < 3; made++) {
      const { n = '' } = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
        format: 'jwk',
      });
      const ordinary = BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`);
      expect(hasRocaFingerprint(ordinary)).toBe(false);
      expect((await readKeySet(jwks(ordinary), ['RS256'])).keys.size).toBe(1);
    }
  });

  it('is not misled by a modulus that has the form for some primes only', () => {
    expect(hasRocaFingerprint(modulus + 2n)).toBe(false);
    expect(hasRocaFingerprint(power(65537n, 5n) + 11n * 13n)).toBe(false);
  });
});
