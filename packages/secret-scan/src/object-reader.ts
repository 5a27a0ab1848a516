import type { Readable } from 'node:stream';

interface Head {
  readonly object: string;
  readonly type: string;
  readonly size: number;
  readonly path: string;
}

/** Reads what `git cat-file --batch` writes: a line that says what comes, its bytes, a line break; and so on. */
export class ObjectReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);
  /** Bytes of the object under way that were not handed out, its line break included. */
  #left = 0;

  #missing = 0;

  constructor(stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>; // as: no encoding is set
  }

  /** How many objects were asked for so far and are not there. */
  get missing(): number {
    return this.#missing;
  }

  /** The next object that is there, or null at the end. */
  async head(): Promise<Head | null> {
    for (;;) {
      const line = await this.#line();
      if (line === null) return null;
      const [, object = '', type = '', size = '', path = ''] =
        /^([0-9a-f]+) (\w+) (\d+) ?(.*)$/s.exec(line) ?? [];
      // Of a clone without all objects, one that is missing has a line and nothing more.
      if (size === '') {
        this.#missing += 1;
        continue;
      }
      this.#left = Number(size) + 1;
      return { object, type, size: Number(size), path };
    }
  }

  /** The bytes of the object whose head was read; may be left before its end. */
  async *body(): AsyncGenerator<Buffer> {
    while (this.#left > 1) {
      const chunk = await this.#some();
      if (chunk === null) return;
      const part = chunk.subarray(0, this.#left - 1);
      this.#held = chunk.subarray(part.length);
      this.#left -= part.length;
      if (part.length > 0) yield part;
    }
  }

  /** Goes on to the next head. */
  async skipRest(): Promise<void> {
    while (this.#left > 0) {
      const chunk = await this.#some();
      if (chunk === null) return;
      const skipped = Math.min(chunk.length, this.#left);
      this.#held = chunk.subarray(skipped);
      this.#left -= skipped;
    }
  }

  async #line(): Promise<string | null> {
    for (;;) {
      const end = this.#held.indexOf(10);
      if (end !== -1) {
        const line = this.#held.toString('utf8', 0, end);
        this.#held = this.#held.subarray(end + 1);
        return line;
      }
      const { value, done } = await this.#chunks.next();
      if (done === true) return null;
      this.#held = Buffer.concat([this.#held, value]);
    }
  }

  /** What is held, else the next chunk; null at the end. */
  async #some(): Promise<Buffer | null> {
    if (this.#held.length > 0) return this.#held;
    const { value, done } = await this.#chunks.next();
    return done === true ? null : value;
  }
}
