import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

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
      await delay(20);
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
