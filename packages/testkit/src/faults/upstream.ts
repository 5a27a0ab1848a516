import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** What the upstream does with a request. The moments at which it breaks off are in the order of a call. */
export type UpstreamFate =
  | 'answer'
  | 'close-at-head'
  | 'close-in-body'
  | 'close-after-request'
  | 'close-in-answer-head'
  | 'close-in-answer-body'
  /** Reads the request to its end and never answers. */
  | 'hold'
  /** Answers half, and no more. */
  | 'hold-in-answer';

/** A request as it came out of a gateway. */
export interface Arrival {
  /** Of the call it belongs to; null when it names none. */
  readonly marker: string | null;
}

/** The paid API's stand-in: keeps what it received, and breaks off where it is told to. */
export interface FaultUpstream {
  readonly origin: string;
  readonly arrivals: readonly Arrival[];
  /** How long every answer takes, milliseconds. */
  latencyMs: number;
  /** Sets what becomes of the call with this marker. */
  plan(marker: string, fate: UpstreamFate): void;
  /** Resolves when the head of that call has come; when `fully`, all of it. */
  arrived(marker: string, fully?: 'fully'): Promise<void>;
  close(): Promise<void>;
}

/** Every call carries its marker in the one field that a gateway passes on as it is. */
export function userAgentOf(marker: string): string {
  return `fault-run/${marker}`;
}

const ANSWER = JSON.stringify({
  created: '2026-01-01T00:00:00Z',
  data: [{ url: 'http://127.0.0.1:9/image.png', resolution: '1024x1024', is_image_safe: true, seed: 1 }],
});
const HEAD = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${ANSWER.length}\r\n\r\n`;

/** @param onArrival told of every marker whose head has come */
export async function startFaultUpstream(onArrival: (marker: string) => void): Promise<FaultUpstream> {
  const arrivals: Arrival[] = [];
  const fates = new Map<string, UpstreamFate>();
  const waits = new Set<{ marker: string; stage: 'head' | 'fully'; resolve: () => void }>();
  const reached = (marker: string | null, stage: 'head' | 'fully') => {
    for (const wait of waits) {
      if (wait.marker !== marker || wait.stage !== stage) continue;
      waits.delete(wait);
      wait.resolve();
    }
  };
  const server = createServer((request, response) => {
    const marker = markerOf(request);
    arrivals.push({ marker });
    if (marker !== null) onArrival(marker);
    request.on('error', () => request.destroy());
    meet(fates.get(marker ?? '') ?? 'answer', request, response, upstream.latencyMs);
    reached(marker, 'head');
    request.once('end', () => reached(marker, 'fully'));
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  const upstream: FaultUpstream = {
    origin: `http://127.0.0.1:${address.port}`,
    arrivals,
    latencyMs: 0,
    plan: (marker, fate) => void fates.set(marker, fate),
    arrived: (marker, stage) =>
      new Promise((resolve) => {
        waits.add({ marker, stage: stage ?? 'head', resolve });
      }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return upstream;
}

function markerOf(request: IncomingMessage): string | null {
  return /^fault-run\/([0-9a-f]{32})$/.exec(request.headers['user-agent'] ?? '')?.[1] ?? null;
}

function meet(fate: UpstreamFate, request: IncomingMessage, response: ServerResponse, latencyMs: number) {
  const { socket } = request;
  const whenWhole = (act: () => void) => {
    request.resume();
    request.once('end', () => void setTimeout(act, latencyMs));
  };
  switch (fate) {
    case 'answer':
      return whenWhole(() => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': ANSWER.length });
        response.end(ANSWER);
      });
    case 'close-at-head':
      return socket.destroy();
    case 'close-in-body':
      return void request.once('data', () => socket.destroy());
    case 'close-after-request':
      return whenWhole(() => socket.destroy());
    case 'close-in-answer-head':
      return whenWhole(() => socket.end(HEAD.slice(0, 25)));
    case 'close-in-answer-body':
      return whenWhole(() => socket.end(HEAD + ANSWER.slice(0, 20)));
    case 'hold':
      return void request.resume();
    case 'hold-in-answer':
      return whenWhole(() => socket.write(HEAD + ANSWER.slice(0, 20)));
    default:
      return fate satisfies never;
  }
}
