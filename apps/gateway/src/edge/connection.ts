import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Call, Origin } from '../call.ts';
import { RequestLines } from './request-lines.ts';

/** On the socket itself: a young collection keeps all that a WeakMap names. */
const CONNECTION: unique symbol = Symbol('connection');

/** What is known of one connection, from its first byte to its close. */
export class Connection {
  readonly socket: Socket;
  /** Whom it comes from: its peer, or whom the proxy said in the PROXY protocol. */
  readonly origin: Origin;
  /** The request lines on it, and what is held back; there from when its requests are read. */
  readonly requestLines: RequestLines;
  /**
   * A head on it could not be trusted: it is closed with its answer, and what the parser reads behind it may be the body of
   * the one or the trick of another (RFC 9112 section 11.2).
   */
  isDoubtful = false;
  /** The fault that ends it is on record: what comes late, or behind that, is not acted on. */
  isEnding = false;
  /** Those under way on it, in the sequence of their requests: answers go out in the same. */
  calls: readonly Call[] = [];
  /** Bytes it had brought when its last call ended. */
  #bytes: number;

  constructor(socket: Socket, origin: Origin) {
    this.socket = socket;
    this.origin = origin;
    this.requestLines = new RequestLines(socket);
    // A header of the PROXY protocol came before, and is nobody's request.
    this.#bytes = socket.bytesRead - socket.readableLength;
  }

  /** Bytes have come since its last call ended. */
  get bringsMore(): boolean {
    return this.socket.bytesRead > this.#bytes;
  }

  /** The call whose body is still to come. */
  get unfinished(): Call | undefined {
    return this.calls.find(({ request }) => request?.complete === false);
  }

  /** The calls under way beside another. */
  ahead(of: Call): readonly Call[] {
    return this.calls.filter((call) => call !== of);
  }

  /** A call is under way on it until it is over. */
  trackRequest(call: Call): void {
    this.calls = [...this.calls, call];
    const over = () => {
      this.calls = this.ahead(call);
      this.#bytes = this.socket.bytesRead;
    };
    call.response?.once('close', () => {
      // What is still to come of a body already refused is no request of its own.
      if (call.request?.complete === false) call.request.once('close', over);
      else over();
    });
  }
}

/** Begins to follow a connection whose requests will be read: to be called before its first byte. */
export function openConnection(socket: Socket, origin: Origin): Connection {
  const connection = new Connection(socket, origin);
  Object.assign(socket, { [CONNECTION]: connection });
  return connection;
}

/** Undefined where no request was ever read: TLS was not agreed on. */
export function connectionOf(
  socket: Duplex & { readonly [CONNECTION]?: Connection },
): Connection | undefined {
  return socket[CONNECTION];
}
