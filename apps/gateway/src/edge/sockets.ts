import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { peerOf } from './peer.ts';

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
