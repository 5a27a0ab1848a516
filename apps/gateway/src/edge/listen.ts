import type { Server as HttpServer } from 'node:http';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';

/**
 * Lines in which the system holds connections to the port. Node takes one of a line in each turn of the event loop (libuv
 * 1.52), first come first served: in a single one everybody waits behind a burst from one peer before there is any turn to
 * give out. Elsewhere than on Linux the system would not spread connections over several.
 */
const LINES = process.platform === 'linux' ? 64 : 1;

/**
 * Connections that a line may hold, as far as `somaxconn` lets it. Of Node's 511 a burst makes the system turn away all
 * others for a second, until they ask again.
 */
const IN_LINE = 4096;

/**
 * Bytes that a connection may bring before anybody reads them: less than one read of a socket, so that what waits for its
 * turn waits with one of these, and not with two.
 */
export const READ_AHEAD = 16_384;

/**
 * Listens for the gateway, and with what takes connections for it: `app.ideogateListeners`, which the gateway closes when it
 * stops. Another process of the same user could share the port: look before whether it is free.
 */
export async function listen(
  app: FastifyInstance,
  place: { readonly host: string; readonly port: number },
): Promise<string> {
  const options = { ...place, backlog: IN_LINE, reusePort: LINES > 1 };
  const url = await app.listen(options);
  const address = app.server.address();
  const port = address === null || typeof address === 'string' ? place.port : address.port;
  for (let count = 1; count < LINES; count++) {
    const line = openLine(app.server);
    line.listen({ ...options, port });
    await once(line, 'listening'); // rejects on 'error'
    app.ideogateListeners.push(line);
  }
  return url;
}

/** Hands what it takes to the server, in the state in which that one has connections of its own. */
function openLine(server: HttpServer): Server {
  const options =
    server instanceof TlsServer
      ? { noDelay: true, highWaterMark: READ_AHEAD }
      : { noDelay: true, highWaterMark: READ_AHEAD, allowHalfOpen: true, pauseOnConnect: true };
  return createServer(options, (socket) => void server.emit('connection', socket));
}
