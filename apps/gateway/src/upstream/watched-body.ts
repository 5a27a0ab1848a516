import { Transform, type TransformCallback } from 'node:stream';
import type { BodyReader } from '@ideogate/policy';
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
const NOTHING = Buffer.alloc(0);

/** Passes a multipart body on unchanged while a reader watches it. Memory is one chunk, whatever the size. */
export class WatchedBody extends Transform {
  readonly #call: Call;
  readonly #reader: BodyReader;
  readonly #maxBytes: number;
  #size = 0;
  #held: Buffer = NOTHING;

  constructor(call: Call, reader: BodyReader, maxBytes: number) {
    super();
    this.#call = call;
    this.#reader = reader;
    this.#maxBytes = maxBytes;
    // Without a listener of its own an error here would end the process.
    this.on('error', () => undefined);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#size += chunk.length;
    if (this.#size > this.#maxBytes) {
      const detail = `The limit is ${this.#maxBytes} bytes.`;
      done(new BodyRefused({ problem: 'body-too-large', reason: 'body-size', detail }));
      return;
    }
    const fault = this.#reader.push(chunk);
    if (fault !== null) {
      done(new BodyRefused(refusalOf(fault, this.#call.allowed?.rule ?? null)));
      return;
    }
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const cut = Math.max(0, bytes.length - HELD_BACK);
    this.#held = bytes.subarray(cut);
    if (cut > 0) this.#pass(bytes.subarray(0, cut));
    done();
  }

  override _flush(done: TransformCallback): void {
    const fault = this.#reader.end();
    if (fault !== null) {
      done(new BodyRefused(refusalOf(fault, this.#call.allowed?.rule ?? null)));
      return;
    }
    this.#call.fields = this.#reader.fields();
    this.#pass(this.#held);
    this.#held = NOTHING;
    this.#call.bodySent = true;
    done();
  }

  #pass(bytes: Buffer): void {
    this.#call.bytesSent += bytes.length;
    this.push(bytes);
  }
}
