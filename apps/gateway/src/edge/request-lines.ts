import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ByteBuffer } from '@ideogate/request-body';
import { READ_AHEAD } from './lines.ts';

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

interface Reader {
  state: State;
  /** The unfinished line, as far as it is kept. */
  text: string;
  /** The request line of the head that was read last. */
  line: string | null;
  /** Bytes of the body, or of a chunk and its line end, still to come. */
  left: number;
  /** A body is to come, and nothing of it was given to the parser, which copies it. */
  untouched: boolean;
  /** What came while the connection is held back; null while it is not. */
  held: ByteBuffer | null;
  /** As much is held as may be, and the connection isn't read. */
  full: boolean;
}

type Listener = (piece: Buffer) => void;

const READERS = new WeakMap<Duplex, Reader>();
const CR = 0x0d;
const LF = 0x0a;

/** To be called when Node's own listeners for the connection are in place, and before its first byte. */
export function followRequestLines(socket: Socket): void {
  const parsers = socket.listeners('data') as Listener[]; // as: the stream is of bytes
  socket.removeAllListeners('data');
  const reader: Reader = {
    state: 'line',
    text: '',
    line: null,
    left: 0,
    untouched: false,
    held: null,
    full: false,
  };
  READERS.set(socket, reader);
  socket.on('data', (piece: Buffer) => feed(socket, reader, parsers, piece));
}

/** Gives the parser nothing more; the connection is read on for a while, or nobody would see its caller leave. */
export function holdBack(socket: Socket): void {
  const reader = READERS.get(socket);
  // why one block: pieces of a byte each would take hundreds of times what is counted
  if (reader !== undefined) reader.held ??= new ByteBuffer(Number.POSITIVE_INFINITY, 0);
}

/** A request of the connection waits for one ahead of it. */
export function isHeldBack(socket: Duplex): boolean {
  return (READERS.get(socket)?.held ?? null) !== null;
}

/** Goes on with what was held back. */
export function goOn(socket: Socket): void {
  const reader = READERS.get(socket);
  if (reader === undefined || reader.held === null) return;
  const { held, full } = reader;
  reader.held = null;
  reader.full = false;
  const { buffer, byteOffset, byteLength } = held.bytes();
  // Who has ended the connection leaves: nothing of it can be put back any more.
  if (byteLength > 0 && !socket.readableEnded) socket.unshift(Buffer.from(buffer, byteOffset, byteLength));
  if (full) socket.resume();
}

/** Bytes that come while a connection is held back before it isn't read any more. */
const MOST_HELD = 65_536;

/** What comes on the connection is for no parser any more: it is read, or nobody would see its caller leave, and dropped. */
export function stopFollowing(socket: Duplex): void {
  const reader = READERS.get(socket);
  if (reader === undefined) return;
  reader.state = 'lost';
  reader.text = '';
}

/**
 * The line of the request whose head the parser has just read: to be called in the event that tells of it, once for each
 * request. Null when it was not seen.
 */
export function takeRequestLine({ socket, headers }: IncomingMessage): string | null {
  const reader = READERS.get(socket);
  if (reader === undefined || reader.state !== 'framing') {
    if (reader !== undefined) reader.state = 'lost';
    return null;
  }
  const { line } = reader;
  reader.line = null;
  if (headers['transfer-encoding'] !== undefined) reader.state = 'chunk-size';
  else {
    reader.left = Number(headers['content-length'] ?? 0);
    reader.state = reader.left > 0 ? 'length' : 'line';
  }
  reader.untouched = reader.state !== 'line';
  return line;
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

function feed(socket: Socket, reader: Reader, parsers: readonly Listener[], piece: Buffer): void {
  let at = 0;
  // Node pauses a connection whose answers nobody takes, and must not be given more of it then.
  while (at < piece.length && !(at > 0 && socket.isPaused())) {
    // The parser has not told of the head before this: it sees another one than we do, or the first half of what HTTP/2
    // begins with (RFC 9113 section 3.4), whose other half it takes for a fault.
    if (reader.state === 'framing') {
      if (reader.line?.startsWith('PRI ')) reader.state = 'line';
      else stopFollowing(socket);
    }
    if (reader.state === 'lost') return;
    if (reader.held !== null) return hold(socket, reader, reader.held, piece.subarray(at));
    const end = follow(reader, piece, at);
    for (const parse of parsers) parse(piece.subarray(at, end));
    at = end;
    // Nobody can have begun to read it in the same turn: it comes again when somebody does.
    if (reader.untouched && piece.length - at > READ_AHEAD) socket.pause();
    reader.untouched = false;
  }
  if (at < piece.length) socket.unshift(piece.subarray(at));
}

function hold(socket: Socket, reader: Reader, held: ByteBuffer, piece: Buffer): void {
  held.add(piece);
  reader.full = held.bytes().length >= MOST_HELD;
  if (reader.full) socket.pause();
}

/** Of a line that is longer no request is made, whatever the parser reads without end. */
const MOST_OF_LINE = 65_536;

function lineSoFar({ text }: Reader, piece: Buffer, from: number, to: number): string {
  return text.length < MOST_OF_LINE ? text + piece.toString('latin1', from, to) : text;
}

/** Follows the bytes to the end of a head or of a message, or of the piece. @returns where that is */
function follow(reader: Reader, piece: Buffer, from: number): number {
  let at = from;
  for (;;) {
    switch (reader.state) {
      case 'length':
      case 'chunk': {
        const passed = Math.min(reader.left, piece.length - at);
        at += passed;
        reader.left -= passed;
        if (reader.left > 0) return at;
        reader.state = reader.state === 'chunk' ? 'chunk-size' : 'line';
        if (reader.state === 'line') return at;
        break;
      }
      default: {
        if (reader.state === 'line') at = behindEmptyLines(reader, piece, at);
        const end = piece.indexOf(LF, at);
        if (end === -1) {
          reader.text = lineSoFar(reader, piece, at, piece.length);
          return piece.length;
        }
        const text = lineSoFar(reader, piece, at, end);
        reader.text = '';
        at = end + 1;
        if (isLast(reader, text.endsWith('\r') ? text.slice(0, -1) : text)) return at;
      }
    }
  }
}

/**
 * Empty lines before a request are passed over (RFC 9112 section 2.2), at no more cost than that of the bytes. Of returns
 * that end none of them, which the parser passes over too, so many are kept that the line behind them is seen not to be one.
 */
function behindEmptyLines(reader: Reader, piece: Buffer, from: number): number {
  let { text } = reader;
  if (!/^\r*$/.test(text)) return from;
  let at = from;
  for (; piece[at] === CR || piece[at] === LF; at++) {
    if (piece[at] === CR) text = text === '' ? '\r' : '\r\r';
    else if (text === '\r') text = '';
  }
  reader.text = text;
  return at;
}

/** @returns whether the line ends a head or a message, or all that is for the parser */
function isLast(reader: Reader, line: string): boolean {
  switch (reader.state) {
    case 'line':
      reader.line = line;
      reader.state = 'head';
      return false;
    case 'head':
      if (line === '') reader.state = 'framing';
      return line === '';
    case 'trailer':
      if (line === '') reader.state = 'line';
      return line === '';
    default: {
      const size = Number.parseInt(line, 16);
      if (Number.isNaN(size)) reader.state = 'lost';
      else if (size === 0) reader.state = 'trailer';
      else {
        reader.left = size + 2;
        reader.state = 'chunk';
      }
      return reader.state === 'lost';
    }
  }
}
