import {
  connect,
  createServer as createTcpServer,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

/** One request as the client put it on the wire. */
export interface Sent {
  readonly method: string;
  readonly target: string;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** Without the framing of chunks. */
  readonly body: Buffer;
}

/** Sits between a client and a server, lets every byte through, and keeps what the client sent. */
export interface Tap {
  readonly url: string;
  /** What was sent since the last `forget`, connection by connection; of a body cut short, what came of it. */
  sent(): readonly Sent[];
  /** Connections that were used since the last `forget`. */
  connections(): number;
  forget(): void;
  close(): Promise<void>;
}

/** @param certificate to speak TLS to the client; the server behind is spoken to in plain. */
export async function startTap(
  origin: string,
  certificate?: { readonly key: string; readonly cert: string },
): Promise<Tap> {
  const { hostname, port } = new URL(origin);
  const open = new Set<Socket>();
  let conversations: { readonly near: Socket; pieces: Buffer[] }[] = [];
  const join = (near: Socket) => {
    const far = connect(Number(port), hostname);
    const conversation = { near, pieces: [] as Buffer[] };
    conversations.push(conversation);
    near.on('data', (bytes: Buffer) => conversation.pieces.push(bytes));
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from);
      from.setNoDelay(true);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  };
  const server: Server =
    certificate === undefined ? createTcpServer(join) : createTlsServer({ ...certificate }, join);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address() as AddressInfo; // as: listening on TCP
  return {
    url: `${certificate === undefined ? 'http' : 'https'}://127.0.0.1:${address.port}`,
    sent: () => conversations.flatMap(({ pieces }) => readRequests(Buffer.concat(pieces))),
    connections: () => conversations.filter(({ pieces }) => pieces.length > 0).length,
    forget() {
      conversations = conversations.filter(({ near }) => !near.destroyed);
      for (const conversation of conversations) conversation.pieces = [];
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

function readRequests(bytes: Buffer): readonly Sent[] {
  const requests: Sent[] = [];
  let rest = bytes;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end === -1) return requests;
    const [line = '', ...fields] = rest.toString('latin1', 0, end).split('\r\n');
    const headers = new Map(
      fields.map((field) => {
        const colon = field.indexOf(':');
        return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
      }),
    );
    const [method = '', target = ''] = line.split(' ');
    const body =
      headers.get('transfer-encoding') === 'chunked'
        ? readChunks(rest.subarray(end + 4))
        : cutAt(rest.subarray(end + 4), Number(headers.get('content-length') ?? 0));
    requests.push({ method, target, headers, body: body.body });
    rest = body.rest;
  }
}

function cutAt(bytes: Buffer, length: number): { readonly body: Buffer; readonly rest: Buffer } {
  return { body: bytes.subarray(0, length), rest: bytes.subarray(length) };
}

/** RFC 9112 section 7.1, without trailers. */
function readChunks(bytes: Buffer): { readonly body: Buffer; readonly rest: Buffer } {
  const chunks: Buffer[] = [];
  let rest = bytes;
  for (;;) {
    const end = rest.indexOf('\r\n');
    const length = Number.parseInt(rest.toString('latin1', 0, Math.max(end, 0)), 16);
    if (end === -1 || Number.isNaN(length)) return { body: Buffer.concat(chunks), rest: Buffer.alloc(0) };
    chunks.push(rest.subarray(end + 2, end + 2 + length));
    rest = rest.subarray(end + 2 + length + 2);
    if (length === 0) return { body: Buffer.concat(chunks), rest };
  }
}
