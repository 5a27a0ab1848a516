import { isIPv6, type Socket } from 'node:net';
import type { Server } from 'node:http';

/**
 * Lets each peer address hold so many connections. One too many goes to `surplus` before a parser or TLS sees it, so
 * that it costs next to nothing and no request of its is ever read.
 */
export function limitSockets(server: Server, max: number, surplus: (socket: Socket) => void): void {
  const held = new Map<string, number>();
  const accept = server.listeners('connection');
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket.remoteAddress ?? 'unknown');
    const others = held.get(peer) ?? 0;
    if (others >= max) {
      surplus(socket);
      return;
    }
    held.set(peer, others + 1);
    socket.once('close', () => {
      const left = (held.get(peer) ?? 1) - 1;
      if (left === 0) held.delete(peer);
      else held.set(peer, left);
    });
    for (const listener of accept) Reflect.apply(listener, server, [socket]);
  });
}

/** Ends all connections: idle ones at once, others when their time is up, TLS agreed on or not. None is let in after. */
export function followSockets(server: Server): { end(milliseconds: number): Promise<void> } {
  const sockets = new Set<Socket>();
  let ended = false;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    if (ended) socket.destroy();
  });
  const allClosed = async (milliseconds: number) => {
    const until = performance.now() + milliseconds;
    server.closeIdleConnections();
    while (sockets.size > 0 && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      server.closeIdleConnections();
    }
  };
  return {
    async end(milliseconds) {
      await allClosed(milliseconds);
      ended = true;
      for (const socket of sockets) socket.destroy();
      // Their closing tells of the calls that they had begun to ask for.
      await allClosed(CLOSING_MS);
    },
  };
}

const CLOSING_MS = 1000;

/** One network of one peer: an IPv6 peer has a /64 to itself (RFC 4291 section 2.5.4), and counts as one. */
export function peerOf(address: string): string {
  const mapped = /^::ffff:(?=\d+\.)/i.exec(address)?.[0];
  if (mapped !== undefined) return address.slice(mapped.length);
  if (!isIPv6(address)) return address;
  const [front = '', back] = (address.split('%')[0] ?? '').split('::');
  const groups = (text: string) => text.split(':').filter((group) => group !== '');
  const known = groups(front);
  const behind = back === undefined ? [] : groups(back);
  const zeros = Array.from({ length: Math.max(0, 8 - known.length - behind.length) }, () => '0');
  const network = [...known, ...zeros, ...behind].slice(0, 4);
  return network.map((group) => Number.parseInt(group, 16).toString(16)).join(':');
}
