/*
 * Keys that a widespread library of smart cards and TPMs made until 2017 have primes of one form: k·M + (65537^a mod M),
 * where M is the product of the first primes. So the modulus, too, is a power of 65537 modulo each of those primes, and
 * can be factored from that (Nemec et al., "The Return of Coppersmith's Attack", CCS 2017; CVE-2017-15361).
 */

/** The odd primes below 168: they divide the M of every size of key. By chance a modulus passes them all once in 2^27. */
const PRIMES = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107,
  109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

const POWERS = PRIMES.map((prime) => [BigInt(prime), powersOf65537(prime)] as const);

/** Whether an RSA modulus is a power of 65537 modulo every small prime, as those of that library are. */
export function hasRocaFingerprint(modulus: bigint): boolean {
  return POWERS.every(([prime, powers]) => powers.has(Number(modulus % prime)));
}

/** The subgroup that 65537 generates modulo a prime. */
function powersOf65537(prime: number): ReadonlySet<number> {
  const powers = new Set<number>();
  for (let power = 1; !powers.has(power); power = (power * (65537 % prime)) % prime) powers.add(power);
  return powers;
}
