import { Transform, type TransformCallback } from 'node:stream';
import type { BodyReader, RequestFault } from '@ideogate/request-body';
import { PARSING_LATE } from '../admission/admit.ts';
import type { Call } from '../call.ts';
import { type Refusal, refusalOf } from '../refusal.ts';

/** A streamed body broke a rule. The upstream never gets the end of it. */
export class BodyRefused extends Error {
  override readonly name = 'BodyRefused';
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.reason);
    this.refusal = refusal;
  }
}

/**
 * Bytes held back until the whole body has been checked. More than a closing multipart delimiter (RFC 2046 section
 * 5.1.1: at most 76 bytes with its line breaks), so a body that turns out bad at its end has not been ended.
 */
const HELD_BACK = 128;

/** What must be there of a body before a connection to the upstream is taken for it; bytes. */
const WORTH_SENDING = 65_536;

type Found = RequestFault | 'late' | null;

/**
 * Passes a multipart body on unchanged while a reader watches it: chunks as they came, none copied. Memory is what was
 * held back and one chunk, whatever the size.
 */
export class InspectedBody extends Transform {
  readonly #call: Call;
  readonly #read: (chunk: Buffer) => Found | Promise<Found>;
  readonly #reader: BodyReader;
  readonly #maxBytes: number;
  readonly #stopped: () => Error | null;
  #size = 0;
  /** The last chunks, and their bytes. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  readonly #worthSending = Promise.withResolvers<void>();

  /**
   * @param read has the reader look at a chunk
   * @param stopped why the body may not go out after all, or null: asked before its first byte goes, and before its last.
   *   An order that was confirmed meanwhile stops it, however slowly it comes in.
   */
  constructor(
    call: Call,
    read: (chunk: Buffer) => Found | Promise<Found>,
    reader: BodyReader,
    maxBytes: number,
    stopped: () => Error | null,
  ) {
    super({ readableHighWaterMark: WORTH_SENDING, writableHighWaterMark: 16_384 });
    this.#call = call;
    this.#read = read;
    this.#reader = reader;
    this.#maxBytes = maxBytes;
    this.#stopped = stopped;
    // Without a listener of its own an error here would end the process.
    this.on('error', () => undefined);
    this.once('close', () => this.#worthSending.resolve());
  }

  /** Resolves when 64 KiB of it are there, or all of it, or when it failed: then `errored` says why. */
  worthSending(): Promise<void> {
    return this.#worthSending.promise;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#size += chunk.length;
    if (this.#size > this.#maxBytes) {
      const detail = `The limit is ${this.#maxBytes} bytes.`;
      done(new BodyRefused({ problem: 'body-too-large', reason: 'body-size', detail }));
      return;
    }
    const stopped = this.#call.bytesSent === 0 ? this.#stopped() : null;
    if (stopped !== null) {
      done(stopped);
      return;
    }
    const found = this.#read(chunk);
    if (found instanceof Promise) found.then((late) => this.#pass(chunk, late, done), done);
    else this.#pass(chunk, found, done);
  }

  #pass(chunk: Buffer, found: Found, done: TransformCallback): void {
    if (found !== null) {
      const { allowed } = this.#call;
      done(new BodyRefused(found === 'late' ? PARSING_LATE : refusalOf(found, allowed)));
      return;
    }
    // Of the first chunk all goes that may: with it the upstream hears of the call.
    const cut = this.#call.bytesSent === 0 ? Math.max(0, chunk.length - HELD_BACK) : 0;
    for (const piece of [chunk.subarray(0, cut), chunk.subarray(cut)]) this.#hold(piece);
    while (this.#heldBytes - (this.#held[0]?.length ?? 0) >= HELD_BACK) this.#passFirst();
    if (this.#size >= WORTH_SENDING) this.#worthSending.resolve();
    done();
  }

  override _flush(done: TransformCallback): void {
    const fault = this.#reader.end();
    if (fault !== null) {
      done(new BodyRefused(refusalOf(fault, this.#call.allowed)));
      return;
    }
    const stopped = this.#stopped();
    if (stopped !== null) {
      done(stopped);
      return;
    }
    this.#call.fields = this.#reader.fields();
    while (this.#held.length > 0) this.#passFirst();
    this.#call.bodySent = true;
    this.#worthSending.resolve();
    done();
  }

  #hold(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
  }

  #passFirst(): void {
    const [first, ...rest] = this.#held;
    if (first === undefined) return;
    this.#held = rest;
    this.#heldBytes -= first.length;
    this.#call.bytesSent += first.length;
    this.push(first);
  }
}
