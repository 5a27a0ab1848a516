import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** One answer as it came over the wire. Interim answers (1xx) are answers of their own, with no body. */
interface WireAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface Exchange {
  readonly answers: readonly WireAnswer[];
  /** The server closed the connection (within the bound). */
  readonly closed: boolean;
}

export interface ExchangeOptions {
  /** Answers to wait for, interim ones included; default 1. */
  readonly answers?: number;
  /** No answer has a body, whatever its Content-Length says. */
  readonly head?: boolean;
  /** Ends our side once the bytes are sent. */
  readonly end?: boolean;
  /** Resets the connection once the bytes are sent. */
  readonly cut?: boolean;
  /** Over TLS, whoever the peer says it is. */
  readonly tls?: boolean;
  /** Loopback address to come from. */
  readonly from?: string;
  /** Bytes that go before all others, and before TLS: a header of the PROXY protocol. */
  readonly before?: string | Buffer;
  /** Bytes that follow, each in a packet of its own. */
  readonly pieces?: readonly string[];
  /** Bytes that follow once the first answer is there. */
  readonly next?: string | Buffer;
}

const BOUND_MS = 8000;

/**
 * Writes bytes as they are and reads until the answers are there and, where the last one says `Connection: close`
 * or none is awaited, until the server has closed. Never longer than the bound.
 */
export function exchange(
  port: number,
  bytes: string | Buffer,
  options: ExchangeOptions = {},
): Promise<Exchange> {
  const { answers: awaited = 1, head = false, end = false, tls = false, cut = false, pieces = [] } = options;
  return new Promise((resolve) => {
    const plain = connect({
      port,
      host: '127.0.0.1',
      ...(options.from === undefined ? {} : { localAddress: options.from }),
    });
    if (options.before !== undefined) plain.write(options.before);
    const socket: Socket = tls ? connectTls({ socket: plain, rejectUnauthorized: false }) : plain;
    let received = '';
    let following = options.next;
    const finish = (closed: boolean) => {
      clearTimeout(bound);
      socket.destroy();
      resolve({ answers: readAnswers(received, head), closed });
    };
    const bound = setTimeout(() => finish(false), BOUND_MS);
    socket.on('error', () => undefined);
    socket.on('close', () => finish(true));
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      const answers = readAnswers(received, head);
      if (answers.length > 0 && following !== undefined) {
        socket.write(following);
        following = undefined;
      }
      const last = answers.at(-1);
      if (answers.length >= awaited && awaited > 0 && last?.headers.get('connection') !== 'close')
        finish(false);
    });
    socket.setNoDelay(true);
    const [next, ...others] = pieces;
    const writeOn = (piece: string | undefined, rest: readonly string[]) => {
      if (piece !== undefined)
        setTimeout(() => socket.write(piece, 'latin1', () => writeOn(rest[0], rest.slice(1))), 5);
    };
    socket.write(bytes, () => (cut ? socket.resetAndDestroy() : writeOn(next, others)));
    if (end) socket.end();
  });
}

function readAnswers(received: string, head: boolean): WireAnswer[] {
  const answers: WireAnswer[] = [];
  let rest = received;
  for (;;) {
    const at = rest.indexOf('\r\n\r\n');
    if (at === -1) return answers;
    const [line = '', ...fields] = rest.slice(0, at).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(line)?.[1] ?? 0);
    const headers = new Map(
      fields.map((field) => {
        const colon = field.indexOf(':');
        return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
      }),
    );
    rest = rest.slice(at + 4);
    const body = head || status < 200 ? { text: '', rest } : readBody(rest, headers);
    if (body === null) return answers;
    answers.push({ status, headers, body: body.text });
    rest = body.rest;
  }
}

function readBody(
  from: string,
  headers: ReadonlyMap<string, string>,
): { readonly text: string; readonly rest: string } | null {
  if (headers.get('transfer-encoding') !== 'chunked') {
    // All until the connection closes (RFC 9112 section 6.3).
    if (!headers.has('content-length') && headers.get('connection') === 'close')
      return { text: from, rest: '' };
    const length = Number(headers.get('content-length') ?? 0);
    return from.length < length ? null : { text: from.slice(0, length), rest: from.slice(length) };
  }
  let text = '';
  let rest = from;
  for (;;) {
    const size = /^([0-9a-f]+)\r\n/i.exec(rest);
    if (size === null) return null;
    const length = Number.parseInt(size[1] ?? '0', 16);
    const start = size[0].length;
    if (rest.length < start + length + 2) return null;
    text += rest.slice(start, start + length);
    rest = rest.slice(start + length + 2);
    if (length === 0) return { text, rest };
  }
}

/** A request with the given fields and body, CRLF and all. */
export function request(line: string, fields: readonly string[], body = ''): string {
  return `${[line, ...fields].join('\r\n')}\r\n\r\n${body}`;
}
