import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** An HTTP server that goes away and comes back, at one address. */
export interface LeavingServer {
  /** `http://127.0.0.1:<port>`, the same after each `start`. */
  readonly origin: string;
  /** No longer there at all, until `start`. */
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
}

/** Starts one. @param answer is given each request with its whole body */
export async function startLeavingServer(
  answer: (request: IncomingMessage, body: Buffer, response: ServerResponse) => void,
): Promise<LeavingServer> {
  // Below the range that connections are given: nobody gets it while the server is not there.
  const port = 10_000 + Math.floor(Math.random() * 20_000);
  let server: Server | undefined;
  const start = async () => {
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => answer(request, Buffer.concat(chunks), response));
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  await start();
  return {
    origin: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server?.close(() => resolve());
        server?.closeAllConnections();
      }),
    start,
  };
}
