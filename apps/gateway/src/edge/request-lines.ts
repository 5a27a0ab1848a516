import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/*
 * Node's parser takes `RTSP/1.1` and `ICE/1.1` in a request line for HTTP/1.1, and tells nobody (STACK trap 40). So the
 * bytes of a connection are followed beside it, just far enough to see each request line as it came: over each head to
 * its empty line, then, with the framing that the parser has found, over the body.
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
  /** Bytes behind a head, until its framing is known. */
  rest: Buffer | null;
  /** Of the message under way: it offers an upgrade, and so Node forgets what stands behind it in the same piece. */
  offersUpgrade: boolean;
  onForgotten: (() => void) | null;
}

const READERS = new WeakMap<Socket, Reader>();
const EMPTY: Buffer = Buffer.alloc(0);
const LF = 0x0a;

/** To be called when Node's own listeners for the connection are in place, and before its first byte. */
export function followRequestLines(socket: Socket): void {
  const reader: Reader = {
    state: 'line',
    text: '',
    line: null,
    left: 0,
    rest: null,
    offersUpgrade: false,
    onForgotten: null,
  };
  READERS.set(socket, reader);
  // Before the parser's listener, so that a line is known when the parser tells of its request.
  socket.prependListener('data', (piece: Buffer) => read(reader, piece));
  // Node reads past all listeners until another one is added in the ordinary way.
  const nothing = () => undefined;
  socket.on('data', nothing);
  socket.removeListener('data', nothing);
}

/**
 * The line of the request whose head the parser has just read: to be called in the event that tells of it, once for each
 * request. Null when it was not seen.
 *
 * Who sends more behind an upgrade that is passed over, without waiting for the answer, is told by `Connection: close`
 * that it went unread.
 */
export function takeRequestLine(request: IncomingMessage, response: ServerResponse): string | null {
  const { socket, headers } = request;
  const reader = READERS.get(socket);
  if (reader === undefined || reader.state !== 'framing') {
    if (reader !== undefined) reader.state = 'lost';
    return null;
  }
  const { line, rest } = reader;
  reader.line = null;
  reader.rest = null;
  reader.offersUpgrade = headers.upgrade !== undefined;
  reader.onForgotten = () => {
    response.shouldKeepAlive = false;
    if (response.headersSent) response.once('close', () => socket.end());
  };
  if (headers['transfer-encoding'] !== undefined) reader.state = 'chunk-size';
  else {
    reader.left = Number(headers['content-length'] ?? 0);
    reader.state = 'length';
  }
  read(reader, rest ?? EMPTY);
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

function read(reader: Reader, piece: Buffer): void {
  let at = 0;
  for (;;) {
    switch (reader.state) {
      case 'lost':
        return;
      case 'framing':
        // The parser has not told of the head before this: it sees another one than we do.
        if (reader.rest !== null) reader.state = 'lost';
        else reader.rest = piece.subarray(at);
        return;
      case 'length': {
        const passed = Math.min(reader.left, piece.length - at);
        at += passed;
        reader.left -= passed;
        if (reader.left > 0) return;
        endOfMessage(reader, at < piece.length);
        break;
      }
      case 'chunk': {
        const passed = Math.min(reader.left, piece.length - at);
        at += passed;
        reader.left -= passed;
        if (reader.left > 0) return;
        reader.state = 'chunk-size';
        break;
      }
      default: {
        const end = piece.indexOf(LF, at);
        if (end === -1) {
          reader.text += piece.toString('latin1', at);
          return;
        }
        const text = reader.text + piece.toString('latin1', at, end);
        reader.text = '';
        at = end + 1;
        endOfLine(reader, text.endsWith('\r') ? text.slice(0, -1) : text, at < piece.length);
      }
    }
  }
}

function endOfLine(reader: Reader, line: string, more: boolean): void {
  switch (reader.state) {
    case 'line':
      // Empty lines before a request are passed over (RFC 9112 section 2.2).
      if (line === '') return;
      reader.line = line;
      reader.state = 'head';
      return;
    case 'head':
      if (line === '') reader.state = 'framing';
      return;
    case 'trailer':
      if (line === '') endOfMessage(reader, more);
      return;
    default: {
      const size = Number.parseInt(line, 16);
      if (Number.isNaN(size)) reader.state = 'lost';
      else if (size === 0) reader.state = 'trailer';
      else {
        reader.left = size + 2;
        reader.state = 'chunk';
      }
    }
  }
}

function endOfMessage(reader: Reader, more: boolean): void {
  reader.state = 'line';
  if (!reader.offersUpgrade || !more) return;
  reader.state = 'lost';
  reader.onForgotten?.();
}
