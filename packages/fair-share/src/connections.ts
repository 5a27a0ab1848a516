import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** The connections of a server: never more than so many. */
export interface Connections {
  /** How many there are. */
  count(): number;
  /** From now on the connection waits for us, and not we for it, until the function is called that comes back. */
  hold(socket: Socket): () => void;
  /** The connection has just been heard of. */
  heard(socket: Socket): void;
}

/**
 * Bounds connections. One too many ends another, never itself: of the address that has most, the one that was silent for
 * longest. So nobody is locked out by connections that are held open, not even on a machine whose clients share one address.
 * @param onEnded told of each connection that had to go
 */
export function boundConnections(server: Server, most: number, onEnded?: () => void): Connections {
  // In the order in which they were last heard of: the first was silent for longest.
  const all = new Map<Socket, { readonly peer: string; held: number }>();
  const counts = new Map<string, number>();

  server.on('connection', (socket: Socket) => {
    const peer = socket.remoteAddress ?? 'unknown';
    all.set(socket, { peer, held: 0 });
    counts.set(peer, (counts.get(peer) ?? 0) + 1);
    socket.once('close', () => forget(socket));
    if (all.size <= most) return;
    const victim = longestSilent() ?? socket;
    onEnded?.();
    forget(victim);
    victim.destroy();
  });

  function forget(socket: Socket): void {
    const connection = all.get(socket);
    if (connection === undefined) return;
    all.delete(socket);
    const left = (counts.get(connection.peer) ?? 1) - 1;
    if (left === 0) counts.delete(connection.peer);
    else counts.set(connection.peer, left);
  }

  function longestSilent(): Socket | null {
    let found: Socket | null = null;
    let most = 0;
    for (const [socket, { peer, held }] of all) {
      const has = counts.get(peer) ?? 0;
      if (held > 0 || has <= most) continue;
      found = socket;
      most = has;
    }
    return found;
  }

  function heard(socket: Socket): void {
    const connection = all.get(socket);
    if (connection === undefined) return;
    all.delete(socket);
    all.set(socket, connection);
  }

  return {
    count: () => all.size,
    heard,
    hold(socket) {
      const connection = all.get(socket);
      if (connection === undefined) return () => undefined;
      connection.held++;
      return () => {
        connection.held--;
        heard(socket);
      };
    },
  };
}
