/** Of this process, and told to nobody: whoever chooses the names cannot choose where they fall. */
const [SEED_A = 1, SEED_B = 2] = crypto.getRandomValues(new Uint32Array(2));

const LONG_S = 0x17f;
const KELVIN = 0x212a;

const SMALL = 16;

/**
 * Remembers which names were given, as a fingerprint of 53 bits each: a fixed few bytes however long the name. A name
 * given twice is always found; two of 20,000 names are taken for one by chance once in fifty million times.
 */
export class NameSet {
  readonly #foldCase: boolean;
  /** Fingerprints, each at the place its low bits name or the next free one; 0 where none is. At most half full. */
  #places = new Float64Array(SMALL);
  #size = 0;

  /** @param foldCase whether names are the same that differ in letter case only, as Go's encoding/json has it */
  constructor(foldCase: boolean) {
    this.#foldCase = foldCase;
  }

  /** False when the name was there already. */
  add(name: string): boolean {
    if (!put(this.#places, fingerprint(name, this.#foldCase))) return false;
    this.#size++;
    if (this.#size * 2 > this.#places.length) {
      const places = new Float64Array(this.#places.length * 2);
      for (const print of this.#places) if (print !== 0) put(places, print);
      this.#places = places;
    }
    return true;
  }

  clear(): void {
    if (this.#size === 0) return;
    if (this.#places.length > SMALL) this.#places = new Float64Array(SMALL);
    else this.#places.fill(0);
    this.#size = 0;
  }
}

/** False when it is there. */
function put(places: Float64Array, print: number): boolean {
  const mask = places.length - 1;
  // `|` takes the low 32 bits of a number of any size.
  let place = (print | 0) & mask;
  while (places[place] !== 0) {
    if (places[place] === print) return false;
    place = (place + 1) & mask;
  }
  places[place] = print;
  return true;
}

function fingerprint(name: string, foldCase: boolean): number {
  let a = SEED_A;
  let b = SEED_B;
  for (let at = 0; at < name.length; at++) {
    const unit = foldCase ? fold(name.charCodeAt(at)) : name.charCodeAt(at);
    a = Math.imul(a ^ unit, 0x85ebca6b);
    a ^= a >>> 15;
    b = Math.imul(b ^ unit, 0xc2b2ae35);
    b ^= b >>> 13;
  }
  return (mix(b) >>> 11) * 0x1_0000_0000 + (mix(a ^ name.length) >>> 0) || 1;
}

/** The letters that are one to a reader that ignores case: ASCII, and the two signs that Unicode folds into it. */
function fold(unit: number): number {
  if (unit >= 0x41 && unit <= 0x5a) return unit + 0x20;
  if (unit === LONG_S) return 0x73;
  return unit === KELVIN ? 0x6b : unit;
}

/** Murmur3's last step (Appleby): every bit of the outcome depends on every bit of the state. */
function mix(state: number): number {
  let mixed = state;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
