import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
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
  /** The parser and we don't agree, or what follows isn't for it. */
  | 'lost';

interface Reader {
  state: State;
  /** The unfinished line. */
  text: string;
  /** The request line of the head that was read last. */
  line: string | null;
  /** Bytes of the body, or of a chunk and its line end, still to come. */
  left: number;
  /** A body is to come, and nothing of it was given to the parser, which copies it. */
  untouched: boolean;
  /** What came while the connection is held back; null while it is not. */
  held: Buffer[] | null;
  /** As much is held as may be, and the connection isn't read. */
  full: boolean;
  /** Ends the reading. */
  readonly stop: () => void;
}

type Listener = (piece: Buffer) => void;

const READERS = new WeakMap<Socket, Reader>();
const LF = 0x0a;

/** To be called when Node's own listeners for the connection are in place, and before its first byte. */
export function followRequestLines(socket: Socket): void {
  const parsers = socket.listeners('data') as Listener[]; // as: the stream is of bytes
  socket.removeAllListeners('data');
  const onData = (piece: Buffer) => feed(socket, reader, parsers, piece);
  const stop = () => {
    reader.state = 'lost';
    socket.off('data', onData);
    parsers.length = 0;
  };
  const reader: Reader = {
    state: 'line',
    text: '',
    line: null,
    left: 0,
    untouched: false,
    held: null,
    full: false,
    stop,
  };
  READERS.set(socket, reader);
  socket.on('data', onData);
}

/** Gives the parser nothing more; the connection is read on for a while, or nobody would see its caller leave. */
export function holdBack(socket: Socket): void {
  const reader = READERS.get(socket);
  if (reader !== undefined) reader.held ??= [];
}

/** Goes on with what was held back. */
export function goOn(socket: Socket): void {
  const reader = READERS.get(socket);
  if (reader === undefined || reader.held === null) return;
  const { held, full } = reader;
  reader.held = null;
  reader.full = false;
  if (held.length > 0) socket.unshift(Buffer.concat(held));
  if (full) socket.resume();
}

/** Bytes that come while a connection is held back before it isn't read any more. */
const MOST_HELD = 65_536;

/** Node lets go of the connection: what comes on it is for no parser. */
export function stopFollowing(socket: Socket): void {
  READERS.get(socket)?.stop();
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
    if (reader.held !== null) return hold(socket, reader, piece.subarray(at));
    const end = follow(reader, piece, at);
    for (const parse of parsers) parse(piece.subarray(at, end));
    at = end;
    // Nobody can have begun to read it in the same turn: it comes again when somebody does.
    if (reader.untouched && piece.length - at > READ_AHEAD) socket.pause();
    reader.untouched = false;
  }
  if (at < piece.length) socket.unshift(piece.subarray(at));
}

function hold(socket: Socket, reader: Reader, piece: Buffer): void {
  const held = reader.held ?? [];
  held.push(piece);
  reader.full = held.reduce((size, { length }) => size + length, 0) >= MOST_HELD;
  if (reader.full) socket.pause();
}

/** Follows the bytes to the end of a head or of a message, or of the piece. @returns where that is */
function follow(reader: Reader, piece: Buffer, from: number): number {
  let at = from;
  for (;;) {
    switch (reader.state) {
      case 'lost':
        return piece.length;
      case 'framing':
        // The parser has not told of the head before this: it sees another one than we do.
        reader.state = 'lost';
        return piece.length;
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
        const end = piece.indexOf(LF, at);
        if (end === -1) {
          reader.text += piece.toString('latin1', at);
          return piece.length;
        }
        const text = reader.text + piece.toString('latin1', at, end);
        reader.text = '';
        at = end + 1;
        if (isLast(reader, text.endsWith('\r') ? text.slice(0, -1) : text)) return at;
      }
    }
  }
}

/** @returns whether the line ends a head or a message */
function isLast(reader: Reader, line: string): boolean {
  switch (reader.state) {
    case 'line':
      // Empty lines before a request are passed over (RFC 9112 section 2.2).
      if (line === '') return false;
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
      return false;
    }
  }
}
