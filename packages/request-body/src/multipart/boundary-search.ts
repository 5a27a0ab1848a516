const CR = 0x0d;
const LF = 0x0a;
const DASH = 0x2d;

/**
 * Finds the delimiter that ends a part's content, in chunks of any size. Looks at each byte a bounded number of times,
 * whatever the bytes are (Knuth, Morris and Pratt, 1977).
 */
export class BoundarySearch {
  /** Two dashes and the boundary. */
  readonly pattern: Uint8Array;
  /** Length of the longest prefix of the pattern that ends before each position. */
  readonly #fallback: readonly number[];
  /** Bytes of the pattern matched so far. */
  #matched = 0;
  /** Whether the match in progress began right after a CRLF of the content. */
  #atLineStart = false;
  /** The two bytes before the chunk, within the content. */
  #last = 0;
  #lastButOne = 0;

  /** @param delimiter two dashes and the boundary, ASCII */
  constructor(delimiter: string) {
    this.pattern = new TextEncoder().encode(delimiter);
    this.#fallback = fallbackOf(this.pattern);
  }

  /** The content of a part begins with the next byte. */
  restart(): void {
    this.#matched = 0;
    this.#atLineStart = false;
    this.#last = 0;
    this.#lastButOne = 0;
  }

  /** Whether the last push ended with the whole delimiter. */
  get found(): boolean {
    return this.#matched === this.pattern.length;
  }

  /** Whether the delimiter that was found stands at the start of a line. */
  get atLineStart(): boolean {
    return this.#atLineStart;
  }

  /** Looks from `start` on. Position after the next whole delimiter, or the end of the chunk. */
  push(chunk: Uint8Array, start: number): number {
    const { pattern } = this;
    let at = start;
    // Locals: this loop sees every byte of every upload.
    const fallback = this.#fallback;
    let matched = this.#matched;
    let atLineStart = this.#atLineStart;
    while (at < chunk.length && matched < pattern.length) {
      if (matched === 0) {
        at = chunk.indexOf(DASH, at);
        if (at < 0) {
          at = chunk.length;
          break;
        }
        const before = at > start ? chunk[at - 1] : this.#last;
        const beforeThat = at > start + 1 ? chunk[at - 2] : at > start ? this.#last : this.#lastButOne;
        atLineStart = before === LF && beforeThat === CR;
        matched = 1;
        at++;
        continue;
      }
      const byte = chunk[at];
      while (matched > 0 && byte !== pattern[matched]) {
        matched = fallback[matched] ?? 0;
        // What begins later begins after a byte of the pattern, which is no line end.
        atLineStart = false;
      }
      if (matched > 0) {
        matched++;
        at++;
      } else if (byte !== DASH) at++;
    }
    this.#atLineStart = atLineStart;
    this.#matched = matched;
    this.#lastButOne = at - start > 1 ? (chunk[at - 2] ?? 0) : this.#last;
    this.#last = chunk[at - 1] ?? 0;
    return at;
  }
}

function fallbackOf(pattern: Uint8Array): readonly number[] {
  const fallback = [0, 0];
  let length = 0;
  for (let at = 1; at < pattern.length; at++) {
    while (length > 0 && pattern[at] !== pattern[length]) length = fallback[length] ?? 0;
    if (pattern[at] === pattern[length]) length++;
    fallback[at + 1] = length;
  }
  return fallback;
}
