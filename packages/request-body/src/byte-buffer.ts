/** Of a block that is too small: each is copied into the next, and is garbage that the collector is in no hurry for. */
const GROWTH = 4;

/** Collects bytes up to a limit, in one block that grows: many tiny chunks cost no more than one large one. */
export class ByteBuffer {
  readonly #limit: number;
  #block: Uint8Array;
  #length = 0;

  /** @param first bytes that the first block takes: more than most need, and little beside what may be refused early */
  constructor(limit: number, first = 1024) {
    this.#limit = limit;
    this.#block = new Uint8Array(Math.min(limit, first));
  }

  /** False, and nothing is added, when the limit would be passed. */
  add(bytes: Uint8Array): boolean {
    const length = this.#length + bytes.length;
    if (length > this.#limit) return false;
    if (length > this.#block.length) {
      const grown = new Uint8Array(Math.min(this.#limit, Math.max(length, this.#block.length * GROWTH)));
      grown.set(this.#block.subarray(0, this.#length));
      this.#block = grown;
    }
    this.#block.set(bytes, this.#length);
    this.#length = length;
    return true;
  }

  /** How many more bytes it takes. */
  get room(): number {
    return this.#limit - this.#length;
  }

  /** The bytes so far, less `dropped` from the end. A view, good until the next `add`. */
  bytes(dropped = 0): Uint8Array {
    return this.#block.subarray(0, Math.max(0, this.#length - dropped));
  }
}
