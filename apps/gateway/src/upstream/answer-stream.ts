import { Readable } from 'node:stream';
import type { LeakScan } from '@ideogate/upstream-keys';
import type { Answer } from './answer.ts';
import { UpstreamProblem } from './upstream-problem.ts';

/** Answers longer than this are not read for images and ids; they pass through all the same. */
const READ_LIMIT = 1024 * 1024;

/** What the caller is told, if its answer has not begun yet. */
const PROBLEMS_OF = {
  cut: new UpstreamProblem('upstream-ended-early', 'answer-ended-early'),
  large: new UpstreamProblem('upstream-invalid', 'answer-too-large'),
  leak: new UpstreamProblem('upstream-leak', 'key-in-body'),
  left: new UpstreamProblem('upstream-ended-early', 'caller-left'),
} as const;

export interface AnswerStreamOptions {
  readonly upstream: Readable;
  readonly answer: Answer;
  readonly scan: LeakScan;
  /** When the caller leaves: read on to the end (a paid call), or let the upstream go. */
  readonly readOn: () => boolean;
  /** Bound on the whole body, in bytes. */
  readonly maxBytes: number;
  /** Bound on what is read for nobody, in bytes. */
  readonly maxUnreadBytes: number;
  /**
   * The upstream side is done. `leak`: the body held a key; `large`: it broke its bound; `cut`: it ended too soon,
   * `why` if anything said so.
   */
  readonly done: (how: 'complete' | 'cut' | 'large' | 'leak' | 'left', why: Error | null) => void;
}

/**
 * The upstream's body on its way to the caller: watched for the key, counted, and read to its end for the record
 * even when the caller of a paid call has gone.
 */
export class AnswerStream extends Readable {
  readonly #options: AnswerStreamOptions;
  readonly #text: Buffer[] = [];
  #callerGone = false;
  #over = false;
  #unread = 0;

  constructor(options: AnswerStreamOptions) {
    super();
    this.#options = options;
    const { upstream } = options;
    upstream.on('data', (chunk: Buffer) => this.#take(chunk));
    upstream.once('end', () => this.#complete());
    upstream.once('error', (error) => this.#fail('cut', error));
    upstream.once('close', () => this.#fail('cut'));
    upstream.pause();
    this.on('error', () => undefined);
  }

  override _read(): void {
    this.#options.upstream.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#callerGone = true;
    if (!this.#over) {
      if (this.#options.readOn()) this.#options.upstream.resume();
      else this.#fail('left');
    }
    callback(error);
  }

  #take(chunk: Buffer): void {
    const { answer, scan, upstream } = this.#options;
    answer.bytes += chunk.length;
    if (answer.bytes > this.#options.maxBytes) {
      this.#fail('large');
      return;
    }
    const safe = scan.push(chunk);
    if (safe === 'leak') {
      this.#fail('leak');
      return;
    }
    if (answer.json && answer.bytes <= READ_LIMIT) this.#text.push(chunk);
    if (this.#callerGone) {
      this.#unread += chunk.length;
      if (this.#unread > this.#options.maxUnreadBytes) this.#fail('left');
      return;
    }
    if (safe.length > 0 && !this.push(safe)) upstream.pause();
  }

  #complete(): void {
    if (this.#over) return;
    this.#over = true;
    const { answer, scan } = this.#options;
    answer.complete = true;
    if (answer.json && answer.bytes <= READ_LIMIT) answer.text = Buffer.concat(this.#text).toString();
    const rest = scan.end();
    if (!this.#callerGone) {
      if (rest.length > 0) this.push(rest);
      this.push(null);
    }
    this.#options.done('complete', null);
  }

  #fail(how: 'cut' | 'large' | 'leak' | 'left', why: Error | null = null): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.upstream.destroy();
    this.#options.done(how, why);
    this.destroy(PROBLEMS_OF[how]);
  }
}
