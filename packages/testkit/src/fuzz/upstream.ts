import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type ReadRequest, readRequest } from './http-reader.ts';

/** A request as it came out of the gateway. */
export interface Arrived {
  /** Null when its end never came, or when it could not be read. */
  readonly request: ReadRequest | null;
  /** All of its bytes, or what there was of them. */
  readonly raw: string;
  /** Its answer says this number, by which the caller that hears it is found. */
  readonly number: number;
  /** When it was whole, or its connection had ended: `performance.now()`. */
  readonly at: number;
}

/** An upstream of bare sockets that keeps every byte, and answers each whole request alike but for its number. */
export interface FuzzUpstream {
  readonly origin: string;
  /** What came since the last call of this. */
  take(): readonly Arrived[];
  /** Connections that are open. */
  connections(): number;
  close(): Promise<void>;
}

const BODY =
  '{"created":"2026-01-01T00:00:00Z","data":[{"url":"http://127.0.0.1:9/a.png","is_image_safe":true}]}';
const NUMBER = 'fuzz-upstream-';

/** A field that the gateway passes back tells the answers apart. */
function answer(number: number): string {
  return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: ${NUMBER}${number}\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
}

/** The number that an X-Request-Id of ours holds, or null for another one. */
export function answerNumber(requestId: string): number | null {
  return requestId.startsWith(NUMBER) ? Number(requestId.slice(NUMBER.length)) : null;
}

export async function startFuzzUpstream(): Promise<FuzzUpstream> {
  let arrived: Arrived[] = [];
  let number = 0;
  const arrive = (request: ReadRequest | null, raw: string) =>
    void arrived.push({ request, raw, number: ++number, at: performance.now() });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    let unread = '';
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      sockets.delete(socket);
      if (unread !== '') arrive(null, unread);
    });
    socket.on('data', (chunk: Buffer) => {
      unread += chunk.toString('latin1');
      for (;;) {
        const request = readRequest(unread, 0);
        if (request === 'partial') return;
        if (request === 'broken') {
          socket.destroy();
          return;
        }
        arrive(request, unread.slice(0, request.end));
        unread = unread.slice(request.end);
        socket.write(answer(number));
        if (unread === '') return;
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return {
    origin: `http://127.0.0.1:${address.port}`,
    take() {
      const taken = arrived;
      arrived = [];
      return taken;
    },
    connections: () => sockets.size,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
