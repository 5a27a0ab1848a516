import type { IncomingHttpHeaders } from 'node:http';
import { AnswerReader } from '@ideogate/ideogram';
import type { LeakScan } from '@ideogate/upstream-keys';
import type { Dispatcher } from 'undici';
import type { Answer, Decided } from '../call.ts';
import { cutAnswer } from '../edge/cut-answer.ts';
import { type BrokenEnd, breakAnswer, upstreamDone } from '../finish/finish-call.ts';
import type { ToldRefusal } from '../refusal.ts';
import type { Gateway } from '../context.ts';
import { killSwitchRefusal } from '../admission/kill-switch.ts';
import { codingsOf, DecodedCopy } from './coded-answer.ts';
import { problemOfError, UpstreamProblem } from './upstream-problem.ts';
import { BodyRefused } from './inspected-body.ts';

/** Answers longer than this are not read for images and ids; they pass through all the same. */
const READ_LIMIT = 1024 * 1024;

/** What http-proxy is told: the head of an answer that may be passed on, or why there is none. */
export type HeadCallback = (
  problem: Error | null,
  head?: { readonly statusCode: number; readonly headers: IncomingHttpHeaders; readonly body: Exchange },
) => void;

/**
 * One call's exchange with the upstream. The answer goes from the upstream's socket to the caller's with nothing in
 * between but this: watched for the key, counted, held back while the caller is slow, and read to its end for the
 * record even when the caller of a paid call has gone.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #call: Decided;
  readonly #gateway: Gateway;
  readonly #onHead: HeadCallback;
  readonly #scan: LeakScan;
  readonly #whole: NodeJS.Timeout;
  /** Reads JSON for the record while it goes by; null when there is nothing to read. */
  #reader: AnswerReader | null = null;
  #readBytes = 0;
  #coded: CodedAnswer | null = null;
  #controller: Dispatcher.DispatchController | null = null;
  #cancelled: UpstreamProblem | BodyRefused | null = null;
  /** Head of the answer, sent with its first byte: until then a problem can still take its place. */
  #head: { status: number; fields: Readonly<Record<string, string>> } | null = null;
  #callerGone = false;
  #over = false;
  #onOver: () => void = () => undefined;
  #unread = 0;

  constructor(call: Decided, gateway: Gateway, onHead: HeadCallback) {
    this.#call = call;
    this.#gateway = gateway;
    this.#onHead = onHead;
    this.#scan = gateway.keys.scanBody();
    this.#whole = setTimeout(() => this.#timeIsUp(), gateway.config.upstream.wholeMs);
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** Called when nothing is to be expected of the upstream any more, and nothing goes there. */
  whenOver(act: () => void): void {
    if (this.#over) act();
    else this.#onOver = act;
  }

  /** Its first byte is about to go out. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    const stopped = killSwitchRefusal(this.#call, this.#gateway);
    if (stopped !== null) {
      controller.abort(new UpstreamProblem(stopped.problem, stopped.reason));
      return;
    }
    this.#controller = controller;
    if (this.#cancelled !== null) controller.abort(this.#cancelled);
  }

  /** Of a streamed body its own stream knows better: what is here may still wait in it. */
  onRequestSent(): void {
    const { body } = this.#call;
    if (body !== null && !Buffer.isBuffer(body)) return;
    this.#call.bodySent = true;
    this.#call.bytesSent = body?.length ?? 0;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (status < 200 || this.#over) return;
    const answer: Answer = {
      status,
      startedAt: performance.now(),
      json: isJson(headers['content-type']),
      bytes: 0,
      read: null,
    };
    this.#call.answer = answer;
    const { operation } = this.#call;
    if (answer.json) this.#reader = new AnswerReader(operation, status);
    const problem = this.#problemOfHead(status, headers);
    if (problem !== null) {
      controller.abort(problem);
      return;
    }
    const codings = codingsOf(headers['content-encoding']);
    if (codings !== null && codings.length > 0) this.#coded = this.#decodeBeside(codings);
    this.#onHead(null, { statusCode: status, headers, body: this });
  }

  /** The head as http-proxy has rewritten it: it goes out with the first byte. */
  deliver(status: number, fields: Readonly<Record<string, string>>): void {
    this.#head = { status, fields };
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { answer } = this.#call;
    if (this.#over || answer === null) return;
    answer.bytes += chunk.length;
    if (answer.bytes > this.#gateway.config.limits.maxAnswerBytes) return this.#breakOff('large');
    const safe = this.#scan.push(chunk);
    if (safe === 'leak') return this.#breakOff('leak');
    if (this.#coded === null) {
      this.#readForRecord(chunk);
      return this.#pass(controller, chunk, safe);
    }
    controller.pause();
    void this.#passDecoded(controller, this.#coded, chunk, safe);
  }

  /** The answer as the record reads it, as long as it is short enough. */
  #readForRecord(bytes: Buffer): void {
    this.#readBytes += bytes.length;
    if (this.#readBytes <= READ_LIMIT) this.#reader?.push(bytes);
    else this.#reader = null;
  }

  /** Sends on what is safe of a chunk. */
  #pass(controller: Dispatcher.DispatchController, chunk: Buffer, safe: Buffer): void {
    const { response } = this.#call;
    if (this.#callerGone) {
      this.#unread += chunk.length;
      if (this.#unread > this.#gateway.config.limits.maxBodyBytes) this.#letGo();
      else controller.resume();
      return;
    }
    if (safe.length > 0) {
      this.#sendHead();
      if (!response.write(safe)) {
        controller.pause();
        response.once('drain', () => controller.resume());
        return;
      }
    }
    controller.resume();
  }

  #decodeBeside(codings: readonly string[]): CodedAnswer {
    const scan = this.#gateway.keys.scanBody();
    const coded: CodedAnswer = {
      scan,
      bytes: 0,
      leak: false,
      waiting: [],
      waitingBytes: 0,
      last: Buffer.alloc(0),
      copy: new DecodedCopy(codings, this.#gateway.config.limits.maxAnswerBytes, (bytes) => {
        coded.bytes += bytes.length;
        this.#readForRecord(bytes);
        if (scan.push(bytes) !== 'leak') return;
        coded.leak = true;
        coded.copy.destroy();
      }),
    };
    return coded;
  }

  /** Nothing goes out before what is in it has been searched: the caller can decode it too. */
  async #passDecoded(
    controller: Dispatcher.DispatchController,
    coded: CodedAnswer,
    chunk: Buffer,
    safe: Buffer,
  ): Promise<void> {
    const fault = await coded.copy.push(chunk);
    if (this.#over) return;
    if (coded.leak) return this.#breakOff('leak');
    if (fault !== null) return this.#breakOff(fault === 'large' ? 'large' : 'coding');
    coded.waiting.push({ bytes: safe, decoded: coded.bytes });
    coded.waitingBytes += safe.length;
    const searched = coded.copy.isLate ? -1 : coded.bytes - coded.scan.held;
    const passing = [coded.last];
    for (
      let next = coded.waiting[0];
      next !== undefined && next.decoded <= searched;
      next = coded.waiting[0]
    ) {
      passing.push(next.bytes);
      coded.waitingBytes -= next.bytes.length;
      coded.waiting.shift();
    }
    if (coded.waitingBytes > READ_LIMIT) return this.#breakOff('large');
    const bytes = Buffer.concat(passing);
    coded.last = bytes.subarray(-1);
    return this.#pass(controller, chunk, bytes.subarray(0, -1));
  }

  onResponseEnd(): void {
    const { answer } = this.#call;
    if (this.#over || answer === null) return;
    if (this.#coded === null) this.#finish(this.#scan.end());
    else void this.#finishDecoded(this.#coded);
  }

  async #finishDecoded(coded: CodedAnswer): Promise<void> {
    const fault = await coded.copy.end();
    if (this.#over) return;
    if (coded.leak) return this.#breakOff('leak');
    if (this.#cancelled !== null) return this.#breakOff(endOfCut(this.#cancelled));
    if (fault !== null) return this.#breakOff(fault === 'large' ? 'large' : 'coding');
    const waiting = coded.waiting.map(({ bytes }) => bytes);
    return this.#finish(Buffer.concat([coded.last, ...waiting, this.#scan.end()]));
  }

  /** All of it has come: the rest that was held back goes out. */
  #finish(rest: Buffer): void {
    const { answer, response } = this.#call;
    if (answer === null) return;
    this.#end();
    answer.read = this.#reader?.end() ?? null;
    if (!this.#callerGone) {
      this.#sendHead();
      response.end(rest);
    }
    upstreamDone(this.#call, 'complete', this.#gateway);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#over) return;
    const problem = problemOfError(error, this.#call, this.#controller !== null);
    if (this.#head !== null) return this.#breakOff(endOfCut(problem));
    this.#fail(problem);
  }

  /** The caller has gone. A paid call that was sent is read to its end; anything else is let go. */
  clientDisconnected(): void {
    if (this.#over || this.#callerGone) return;
    this.#callerGone = true;
    const { bodySent, operation } = this.#call;
    if (this.#controller === null || !bodySent || operation.capability !== 'write') this.#letGo();
    else this.#controller.resume();
  }

  /** As http-proxy calls it when the caller had gone before the head came. */
  destroy(): void {
    this.clientDisconnected();
  }

  /** Ends the exchange, whatever its state. */
  cancel(reason: UpstreamProblem | BodyRefused): void {
    if (this.#over) return;
    this.#cancelled = reason;
    if (this.#controller !== null) this.#controller.abort(reason);
    else this.#fail(reason);
  }

  /** Ends it for a reason that lies in neither side. */
  stop(why: ToldRefusal): void {
    this.cancel(new UpstreamProblem(why.problem, why.reason, why));
  }

  /** The call has had its time: the upstream's answer, or a caller who does not take what is left of it. */
  #timeIsUp(): void {
    if (!this.#over) return this.cancel(new UpstreamProblem('upstream-timeout', 'whole-call'));
    if (this.#call.upstreamEnd === 'complete') this.#call.upstreamEnd = 'slow';
    return cutAnswer(this.#call);
  }

  /** Nobody waits for it, and nothing was bought. */
  #letGo(): void {
    if (this.#over) return;
    this.#end();
    this.#drop(new UpstreamProblem('upstream-ended-early', 'caller-left'));
    upstreamDone(this.#call, 'left', this.#gateway);
  }

  #breakOff(end: BrokenEnd): void {
    if (this.#over) return;
    this.#end();
    this.#drop(new UpstreamProblem('upstream-ended-early', 'answer-broken-off'));
    upstreamDone(this.#call, end, this.#gateway);
    breakAnswer(this.#call, end, this.#gateway);
  }

  #fail(problem: UpstreamProblem | BodyRefused): void {
    if (this.#over) return;
    this.#end();
    this.#onHead(problem);
  }

  #end(): void {
    this.#over = true;
    this.#coded?.copy.destroy();
    this.#onOver();
    const { body, response } = this.#call;
    if (this.#controller === null) {
      // It never went out: what its body has let go of so far went nowhere.
      this.#call.bodySent = false;
      this.#call.bytesSent = 0;
      if (body !== null && !Buffer.isBuffer(body)) body.destroy();
    }
    if (response.closed) clearTimeout(this.#whole);
    else response.once('close', () => clearTimeout(this.#whole));
  }

  #drop(reason: UpstreamProblem): void {
    this.#cancelled ??= reason;
    this.#controller?.abort(this.#cancelled);
  }

  #sendHead(): void {
    const { request, response } = this.#call;
    if (response.headersSent || this.#head === null) return;
    const { status, fields } = this.#head;
    // The rest of an unread request would be taken for the next one (RFC 9112 section 9.3).
    const close = !request.complete;
    response.writeHead(status, close ? { ...fields, connection: 'close' } : fields);
  }

  /**
   * The answers that are not passed on as they are: our key refused, a redirect, the key in a header, and a status
   * that is none (RFC 9110 section 15).
   */
  #problemOfHead(status: number, headers: IncomingHttpHeaders): UpstreamProblem | null {
    const { keys, config, metrics } = this.#gateway;
    if (keys.inHeaders(Object.values(headers))) return new UpstreamProblem('upstream-leak', 'key-in-header');
    const { key, operation } = this.#call;
    if (operation.keyRefusedStatus.includes(status)) {
      if (key !== null) {
        metrics.keyRefused(key.id);
        keys.refused(key);
      }
      return new UpstreamProblem('upstream-key-refused', `status-${status}`);
    }
    if (status < 300) {
      if (key !== null) keys.accepted(key);
    } else if (status < 400) return new UpstreamProblem('upstream-redirect', `status-${status}`);
    // What nobody here can undo, nobody here can search (RFC 9110 section 8.4, RFC 9112 section 6.1).
    const codings = codingsOf(headers['content-encoding']);
    if (codings === null || !isPlainTransfer(headers['transfer-encoding']))
      return new UpstreamProblem('upstream-invalid', 'answer-coding-unknown');
    if (!DecodedCopy.hasRoom(codings)) return new UpstreamProblem('upstream-invalid', 'coded-answers-full');
    if (Number(headers['content-length']) > config.limits.maxAnswerBytes)
      return new UpstreamProblem('upstream-invalid', 'answer-too-large');
    return status > 599 ? new UpstreamProblem('upstream-invalid', `status-${status}`) : null;
  }
}

/** Why an answer broke off: a body that broke a bound, the time that was up, or the upstream itself. */
function endOfCut(problem: UpstreamProblem | BodyRefused): BrokenEnd {
  if (problem instanceof BodyRefused) return { failed: problem.refusal, byBody: true };
  return problem.problem === 'upstream-timeout' ? 'slow' : 'cut';
}

/** An answer in a coding that nobody asked for, while it is decoded beside its stream. */
interface CodedAnswer {
  readonly copy: DecodedCopy;
  readonly scan: LeakScan;
  /** So much has been decoded. */
  bytes: number;
  leak: boolean;
  /** Pieces as they came, and how much was decoded with each: they go out once that has been searched. */
  readonly waiting: { readonly bytes: Buffer; readonly decoded: number }[];
  waitingBytes: number;
  /** The last byte that could go: it stays until the end is known to be right, or a broken answer would look whole. */
  last: Buffer;
}

function isPlainTransfer(encoding: string | readonly string[] | undefined): boolean {
  return encoding === undefined || String(encoding).trim().toLowerCase() === 'chunked';
}

function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/json\b/i.test(contentType);
}
