import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, type TlsOptions } from 'node:tls';
import { startTestGateway } from '@ideogate/testkit';

/** What a raw upstream does when bytes have come on a connection: `all` is what it has read there since `behave`. */
export type Behaviour = (socket: Socket, all: string) => void;

/** An upstream of bare sockets, for what no HTTP server would do. It keeps what it read. */
export interface RawUpstream {
  readonly port: number;
  behave(behaviour: Behaviour): void;
  /** Everything read since the last `behave`, as latin1 text. */
  read(): string;
  /** Bytes read since the last `behave`. */
  bytes(): number;
  /** Connections since the last `behave`. */
  connections(): number;
  /** Shows another certificate to the connections that follow. */
  certify(certificate: TlsOptions): void;
  /** Refuses connections from now on; cuts those there are. */
  refuse(): Promise<void>;
}

/** Kept text is bounded: a large upload is counted, not kept. */
const KEPT = 1024 * 1024;

export async function startRawUpstream(certificate?: TlsOptions): Promise<RawUpstream> {
  let behaviour: Behaviour = (socket) => socket.destroy();
  let text = '';
  let bytes = 0;
  let connections = 0;
  const sockets = new Set<Socket>();
  const serve = (socket: Socket) => {
    let all = '';
    let since = behaviour;
    connections++;
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      bytes += chunk.length;
      if (text.length < KEPT) text += chunk.toString('latin1');
      if (since !== behaviour) all = '';
      since = behaviour;
      if (all.length < KEPT) all += chunk.toString('latin1');
      behaviour(socket, all);
    });
  };
  const secure: TlsServer | null = certificate === undefined ? null : createTlsServer(certificate, serve);
  secure?.on('tlsClientError', () => undefined);
  const server: Server = secure ?? createServer(serve);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return {
    port: address.port,
    behave(next) {
      behaviour = next;
      text = '';
      bytes = 0;
      connections = 0;
    },
    read: () => text,
    bytes: () => bytes,
    connections: () => connections,
    certify: (next) => secure?.setSecureContext(next),
    async refuse() {
      for (const socket of sockets) socket.destroy();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Says this once the whole head has come, and leaves the connection open. */
export function say(answer: string): Behaviour {
  const said = new WeakSet<Socket>();
  return (socket, all) => {
    if (all.includes('\r\n\r\n') && !said.has(socket)) {
      said.add(socket);
      socket.write(answer, 'latin1');
    }
  };
}

/** Says this once the whole head has come, and closes. */
export function sayAndClose(answer: string): Behaviour {
  return (socket, all) => {
    if (all.includes('\r\n\r\n')) socket.end(answer, 'latin1');
  };
}

/** A gateway before such an upstream, and a token that may do all. @returns them, and `close`, which ends both */
export async function startBeforeRaw(settings: Readonly<Record<string, string>>) {
  const upstream = await startRawUpstream();
  const gateway = await startTestGateway({ upstream: `http://127.0.0.1:${upstream.port}`, settings });
  const close = async () => {
    await upstream.refuse();
    await gateway.close();
  };
  return { gateway, upstream, token: await gateway.token('full'), close };
}
