import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib';
import type { Transform } from 'node:stream';

type Decoder = Transform & { readonly bytesWritten: number };

/** By its first two bytes: some senders leave out the frame that the name asks for (RFC 9110 section 8.4.1.2). */
const inflate = ([first = 0, second = 0]: Uint8Array): Decoder =>
  (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0 ? createInflate() : createInflateRaw();

/** RFC 9110 section 8.4.1, RFC 7932, RFC 8878; and how an answer's first bytes are decoded. */
const DECODERS: Readonly<Record<string, (begin: Uint8Array) => Decoder>> = {
  gzip: () => createGunzip(),
  'x-gzip': () => createGunzip(),
  deflate: inflate,
  br: () => createBrotliDecompress(),
  // RFC 9659: no decoder needs to take a window of more than 8 MB.
  zstd: () => createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: 23 } }),
};

/** Each costs a decoder; nobody needs more. */
const MOST_CODINGS = 4;
/** Of all answers at a time: a decoder of br may take 16 MB, and one of zstd 8. */
const MOST_DECODERS = 16;
/** So much may come of however few bytes. */
const ANY_RATIO = 1024 * 1024;
/** What compresses better is made to. */
const MOST_RATIO = 100;

/** The codings of an answer in the order in which they are undone; null where they can't be. */
export function codingsOf(field: string | readonly string[] | undefined): readonly string[] | null {
  if (field === undefined) return [];
  const names = [field]
    .flat()
    .join(',')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
  const known = names.every((name) => Object.hasOwn(DECODERS, name));
  return known && names.length <= MOST_CODINGS ? names.reverse() : null;
}

/**
 * Why a copy can't be decoded: it isn't what it says, it ends too soon or goes on after its end; or it is or grows too
 * large.
 */
export type CodingFault = 'broken' | 'large';

/**
 * An answer in codings that were not asked for, decoded beside the stream: for the record and for the search for keys.
 * The work is done off the event loop, in small steps, and nothing of it is kept.
 */
export class DecodedCopy {
  /** Blocks of zstd are decoded when they are whole, but who reads closely has most of one before. */
  readonly isLate: boolean;
  readonly #stages: readonly Stage[];
  readonly #maxBytes: number;
  readonly #onBytes: (bytes: Buffer) => void;
  /** Pieces are decoded one after the other. */
  #last: Promise<void> = Promise.resolve();
  #taken = 0;
  #fault: CodingFault | null = null;
  #isHeld = true;

  /** How many decoders the answers under way hold, in all of the process: that is what has the memory. */
  static #decoders = 0;

  /** True when so many codings can be undone now. */
  static hasRoom(codings: readonly string[]): boolean {
    return codings.length === 0 || DecodedCopy.#decoders + codings.length <= MOST_DECODERS;
  }

  /** @param maxBytes how large it may become in any stage of being decoded */
  constructor(codings: readonly string[], maxBytes: number, onBytes: (bytes: Buffer) => void) {
    this.#stages = codings.map((coding) => new Stage(coding));
    DecodedCopy.#decoders += codings.length;
    this.#maxBytes = maxBytes;
    this.#onBytes = onBytes;
    this.isLate = codings.includes('zstd');
  }

  /** @returns once all of it is decoded that can be; never rejects */
  push(bytes: Buffer): Promise<CodingFault | null> {
    this.#taken += bytes.length;
    return this.#afterLast(() => this.#decode(0, bytes));
  }

  /** @returns once the rest is decoded; never rejects */
  end(): Promise<CodingFault | null> {
    return this.#afterLast(async () => {
      if (this.#taken === 0) return;
      for (const [at, stage] of this.#stages.entries()) await this.#read(at, stage.end());
    });
  }

  /** Lets go of the decoders. What waits for them comes to its end. */
  destroy(): void {
    this.#fault ??= 'broken';
    if (this.#isHeld) DecodedCopy.#decoders -= this.#stages.length;
    this.#isHeld = false;
    for (const stage of this.#stages) stage.destroy();
  }

  async #afterLast(work: () => Promise<void>): Promise<CodingFault | null> {
    this.#last = this.#last.then(work);
    await this.#last;
    return this.#fault;
  }

  async #decode(at: number, bytes: Buffer): Promise<void> {
    const stage = this.#stages[at];
    if (this.#fault !== null) return;
    if (stage === undefined) this.#onBytes(bytes);
    else await this.#read(at, stage.write(bytes));
  }

  /** Hands what comes out of a stage to the next one, until the stage has done its work. */
  async #read(at: number, outputs: AsyncIterable<Buffer | 'broken'>): Promise<void> {
    for await (const output of outputs) {
      if (output === 'broken') this.#fault ??= output;
      else {
        const given = this.#stages[at]?.given ?? 0;
        if (given > this.#maxBytes || (given > ANY_RATIO && given > MOST_RATIO * this.#taken))
          this.#fault ??= 'large';
        await this.#decode(at + 1, output);
      }
      if (this.#fault !== null) return;
    }
  }
}

/** One coding on its way to be undone. */
class Stage {
  given = 0;
  readonly #coding: string;
  #decoder: Decoder | null = null;
  /** What has come before the decoder can be chosen. */
  #begin: Buffer = Buffer.alloc(0);
  #taken = 0;
  #broken = false;
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(coding: string) {
    this.#coding = coding;
  }

  /** What comes out while these bytes go in. */
  async *write(bytes: Buffer): AsyncIterable<Buffer | 'broken'> {
    if (this.#decoder === null) {
      this.#begin = Buffer.concat([this.#begin, bytes]);
      if (this.#begin.length < 2) return;
      yield* this.#put(this.#open(), this.#begin);
    } else yield* this.#put(this.#decoder, bytes);
  }

  /** What comes out when nothing more goes in; nothing may be missing. */
  async *end(): AsyncIterable<Buffer | 'broken'> {
    if (this.#decoder === null) yield* this.#put(this.#open(), this.#begin);
    const decoder = this.#decoder;
    if (decoder === null) return;
    decoder.end();
    yield* this.#outputs(decoder, () => this.#ended);
  }

  destroy(): void {
    this.#broken = true;
    this.#decoder?.destroy();
    this.#wake();
  }

  async *#put(decoder: Decoder, bytes: Buffer): AsyncIterable<Buffer | 'broken'> {
    let written = false;
    this.#taken += bytes.length;
    decoder.write(bytes, () => {
      written = true;
      this.#wake();
    });
    yield* this.#outputs(decoder, () => written);
    // What follows after the end is left lying, and another reader might go on with it.
    if (!this.#broken && decoder.bytesWritten !== this.#taken) yield 'broken';
  }

  async *#outputs(decoder: Decoder, isDone: () => boolean): AsyncIterable<Buffer | 'broken'> {
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const done = isDone();
      for (let bytes = readFrom(decoder); bytes !== null; bytes = readFrom(decoder)) {
        this.given += bytes.length;
        yield bytes;
      }
      if (this.#broken) yield 'broken';
      if (done || this.#broken) return;
      await woken;
    }
  }

  #open(): Decoder {
    const decoder = (DECODERS[this.#coding] ?? inflate)(this.#begin);
    decoder.on('readable', () => this.#wake());
    decoder.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
    decoder.on('error', () => {
      this.#broken = true;
      this.#wake();
    });
    this.#decoder = decoder;
    return decoder;
  }
}

function readFrom(decoder: Decoder): Buffer | null {
  return decoder.read() as Buffer | null; // as: a stream of bytes without an encoding gives nothing else
}
