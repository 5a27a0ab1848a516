import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { ByteBuffer } from '@ideogate/request-body';
import { READ_AHEAD } from './listen.ts';

/*
 * Node's parser takes `RTSP/1.1` and `ICE/1.1` in a request line for HTTP/1.1, and tells nobody (STACK trap 40). So the
 * bytes of a connection are followed ahead of it, just far enough to see each request line as it came: over each head to
 * its empty line, then, with the framing that the parser has found, over the body.
 *
 * The parser gets each head and each message by itself, and nothing more once the connection is held back: of a piece of
 * 64 KiB it would else make two thousand requests in one turn of the event loop.
 */

type State =
  /** Between two messages, or in a request line. */
  | 'line'
  | 'head'
  /** Behind a head: the parser is about to say how its body is framed. */
  | 'framing'
  | 'length'
  | 'chunk-size'
  | 'chunk'
  | 'trailer'
  /** The parser and we don't agree, or what follows isn't for it: it gets nothing more. */
  | 'lost';

type Listener = (piece: Buffer) => void;

const CR = 0x0d;
const LF = 0x0a;

/** Bytes that come while a connection is held back before it isn't read any more. */
const MOST_HELD = 65_536;

/** Of a line that is longer no request is made, whatever the parser reads without end. */
const MOST_OF_LINE = 65_536;

/** The request lines of one connection, and what of it is held back. */
export class RequestLines {
  readonly #socket: Socket;
  readonly #parsers: Listener[];
  #state: State = 'line';
  /** The unfinished line, as far as it is kept. */
  #text = '';
  /** The request line of the head that was read last. */
  #line: string | null = null;
  /** Bytes of the body, or of a chunk and its line end, still to come. */
  #left = 0;
  /** A body is to come, and nothing of it was given to the parser, which copies it. */
  #untouched = false;
  /** What came while the connection is held back; null while it is not. */
  #held: ByteBuffer | null = null;
  /** As much is held as may be, and the connection isn't read. */
  #full = false;

  /** To be made when Node's own listeners for the connection are in place, and before its first byte. */
  constructor(socket: Socket) {
    this.#socket = socket;
    this.#parsers = socket.listeners('data') as Listener[]; // as: the stream is of bytes
    socket.removeAllListeners('data');
    socket.on('data', (piece: Buffer) => this.#feed(piece));
  }

  /** Gives the parser nothing more; the connection is read on for a while, or nobody would see its caller leave. */
  holdBack(): void {
    // why one block: pieces of a byte each would take hundreds of times what is counted
    this.#held ??= new ByteBuffer(Number.POSITIVE_INFINITY, 0);
  }

  /** A request of the connection waits for one ahead of it. */
  get isHeldBack(): boolean {
    return this.#held !== null;
  }

  /** Goes on with what was held back. */
  goOn(): void {
    if (this.#held === null) return;
    const { buffer, byteOffset, byteLength } = this.#held.bytes();
    const isFull = this.#full;
    this.#held = null;
    this.#full = false;
    // Who has ended the connection leaves: nothing of it can be put back any more.
    if (byteLength > 0 && !this.#socket.readableEnded)
      this.#socket.unshift(Buffer.from(buffer, byteOffset, byteLength));
    if (isFull) this.#socket.resume();
  }

  /** What comes on the connection is for no parser any more: it is read, or nobody would see its caller leave, and dropped. */
  stop(): void {
    this.#state = 'lost';
    this.#text = '';
  }

  /**
   * The line of the request whose head the parser has just read: to be called in the event that tells of it, once for each
   * request. Null when it was not seen.
   */
  take({ headers }: IncomingMessage): string | null {
    if (this.#state !== 'framing') {
      this.#state = 'lost';
      return null;
    }
    const line = this.#line;
    this.#line = null;
    if (headers['transfer-encoding'] !== undefined) this.#state = 'chunk-size';
    else {
      this.#left = Number(headers['content-length'] ?? 0);
      this.#state = this.#left > 0 ? 'length' : 'line';
    }
    this.#untouched = this.#state !== 'line';
    return line;
  }

  #feed(piece: Buffer): void {
    const socket = this.#socket;
    let at = 0;
    // Node pauses a connection whose answers nobody takes, and must not be given more of it then.
    while (at < piece.length && !(at > 0 && socket.isPaused())) {
      // The parser has not told of the head before this: it sees another one than we do, or the first half of what HTTP/2
      // begins with (RFC 9113 section 3.4), whose other half it takes for a fault.
      if (this.#state === 'framing') {
        if (this.#line?.startsWith('PRI ')) this.#state = 'line';
        else this.stop();
      }
      if (this.#state === 'lost') return;
      if (this.#held !== null) return this.#hold(this.#held, piece.subarray(at));
      const end = this.#follow(piece, at);
      for (const parse of this.#parsers) parse(piece.subarray(at, end));
      at = end;
      // Nobody can have begun to read it in the same turn: it comes again when somebody does.
      if (this.#untouched && piece.length - at > READ_AHEAD) socket.pause();
      this.#untouched = false;
    }
    if (at < piece.length) socket.unshift(piece.subarray(at));
  }

  #hold(held: ByteBuffer, piece: Buffer): void {
    held.add(piece);
    this.#full = held.bytes().length >= MOST_HELD;
    if (this.#full) this.#socket.pause();
  }

  #lineSoFar(piece: Buffer, from: number, to: number): string {
    const text = this.#text;
    return text.length < MOST_OF_LINE ? text + piece.toString('latin1', from, to) : text;
  }

  /** Follows the bytes to the end of a head or of a message, or of the piece. @returns where that is */
  #follow(piece: Buffer, from: number): number {
    let at = from;
    for (;;) {
      switch (this.#state) {
        case 'length':
        case 'chunk': {
          const passed = Math.min(this.#left, piece.length - at);
          at += passed;
          this.#left -= passed;
          if (this.#left > 0) return at;
          this.#state = this.#state === 'chunk' ? 'chunk-size' : 'line';
          if (this.#state === 'line') return at;
          break;
        }
        default: {
          if (this.#state === 'line') at = this.#behindEmptyLines(piece, at);
          const end = piece.indexOf(LF, at);
          if (end === -1) {
            this.#text = this.#lineSoFar(piece, at, piece.length);
            return piece.length;
          }
          const text = this.#lineSoFar(piece, at, end);
          this.#text = '';
          at = end + 1;
          if (this.#isLast(text.endsWith('\r') ? text.slice(0, -1) : text)) return at;
        }
      }
    }
  }

  /**
   * Empty lines before a request are passed over (RFC 9112 section 2.2), at no more cost than that of the bytes. Of returns
   * that end none of them, which the parser passes over too, so many are kept that the line behind them is seen not to be one.
   */
  #behindEmptyLines(piece: Buffer, from: number): number {
    let text = this.#text;
    if (!/^\r*$/.test(text)) return from;
    let at = from;
    for (; piece[at] === CR || piece[at] === LF; at++) {
      if (piece[at] === CR) text = text === '' ? '\r' : '\r\r';
      else if (text === '\r') text = '';
    }
    this.#text = text;
    return at;
  }

  /** @returns whether the line ends a head or a message, or all that is for the parser */
  #isLast(line: string): boolean {
    switch (this.#state) {
      case 'line':
        this.#line = line;
        this.#state = 'head';
        return false;
      case 'head':
        if (line === '') this.#state = 'framing';
        return line === '';
      case 'trailer':
        if (line === '') this.#state = 'line';
        return line === '';
      default: {
        const size = Number.parseInt(line, 16);
        if (Number.isNaN(size)) this.#state = 'lost';
        else if (size === 0) this.#state = 'trailer';
        else {
          this.#left = size + 2;
          this.#state = 'chunk';
        }
        return this.#state === 'lost';
      }
    }
  }
}

/** What is wrong with a request line, in the words of the record; null when nothing is. */
export function requestLineFault(
  line: string | null,
  { method, url, httpVersion }: IncomingMessage,
): 'protocol' | 'request-line' | null {
  // why 0.9 too: its line has no version at all, and `readRawHead` says so
  if (line === `${method} ${url} HTTP/${httpVersion}` || line === `${method} ${url}`) return null;
  const protocol = /(\S+)$/.exec(line ?? '')?.[1] ?? '';
  return line === null || /^HTTP\/[0-9.]+$/.test(protocol) ? 'request-line' : 'protocol';
}
