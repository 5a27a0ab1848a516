import { keyIdOf, type KnownKeys } from '@ideogate/upstream-keys';

/** Where a known key begins, and which one it is. */
interface ExactFind {
  readonly start: number;
  readonly keyId: string;
}

const MIN = 16;
const MAX = 512;

/**
 * What a key could stand as: a word of letters and digits; one with the signs of base64 and of paths, and padding; all
 * between two quotes or blanks. One text is a candidate of several kinds when it holds signs of several.
 */
const WORD = /[A-Za-z0-9_-]{16,}/g;
const BASE64 = /[A-Za-z0-9_.~+/-]{16,}={0,2}/g;
const UNBROKEN = /[\x21\x23-\x26\x28-\x5f\x61-\x7e]{16,}/g;

/**
 * Finds keys without having any: each text that could be one is fingerprinted under the secret that key ids are made
 * with, and the id is looked up. So a hit is certain, and a list of ids is all that a scan needs to be given.
 */
export class ExactFinder {
  readonly #known: readonly KnownKeys[];

  constructor(known: readonly KnownKeys[]) {
    this.#known = known.filter(({ ids }) => ids.size > 0);
  }

  /** How many keys it can recognise. */
  get size(): number {
    return this.#known.reduce((sum, { ids }) => sum + ids.size, 0);
  }

  /** @param text one character a byte */
  find(text: string): ExactFind[] {
    if (this.#known.length === 0) return [];
    const found = new Map<number, string>();
    for (const { 0: word, index } of text.matchAll(WORD)) this.#look(word, index, found);
    for (const { 0: run, index } of text.matchAll(BASE64)) {
      // Without a sign of its own it was looked at as a word.
      if (!/^[A-Za-z0-9_-]+$/.test(run)) this.#look(run, index, found);
    }
    for (const { 0: run, index } of text.matchAll(UNBROKEN)) {
      if (/^[A-Za-z0-9_.~+/-]+={0,2}$/.test(run)) continue;
      // Bare, without what ends a clause, and behind a name: `key=…`, `Api-Key:…`.
      const bare = run.replace(/[,;:.)\]}>]+$/, '');
      this.#look(run, index, found);
      if (bare !== run) this.#look(bare, index, found);
      const value = bare.search(/[=:]/) + 1;
      if (value > 0) this.#look(bare.slice(value), index + value, found);
    }
    return [...found].map(([start, keyId]) => ({ start, keyId }));
  }

  #look(candidate: string, start: number, found: Map<number, string>): void {
    if (candidate.length < MIN || candidate.length > MAX) return;
    const bytes = Buffer.from(candidate, 'latin1');
    for (const { fingerprintSecret, ids } of this.#known) {
      const id = keyIdOf(bytes, fingerprintSecret);
      if (ids.has(id)) found.set(start, id);
    }
  }
}
