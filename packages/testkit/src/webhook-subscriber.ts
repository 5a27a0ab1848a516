import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';

/** One delivery as it arrived. */
interface Delivery {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** An internal service that has webhooks delivered to it, as long as it is told to. */
export interface WebhookSubscriber {
  readonly url: string;
  /** Every delivery that it answered with 2xx, in their order. */
  readonly taken: readonly Delivery[];
  /** How many came in, taken or not. */
  readonly asked: () => number;
  /** What it does from now on: take; answer with this status; say nothing at all. */
  behave(how: 'takes' | 'is silent' | number): void;
  /** No longer there at all, until `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export async function startWebhookSubscriber(): Promise<WebhookSubscriber> {
  const taken: Delivery[] = [];
  let asked = 0;
  let behaviour: 'takes' | 'is silent' | number = 'takes';
  // Below the range that connections are given: nobody gets it while the subscriber is not there.
  const port = 10_000 + Math.floor(Math.random() * 20_000);
  let server: Server | undefined;

  const listen = async () => {
    server = createServer((request, response: ServerResponse) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        asked += 1;
        if (behaviour === 'is silent') return;
        if (behaviour === 'takes') taken.push({ headers: request.headers, body: Buffer.concat(chunks) });
        // A redirect leads to where all would be taken, if anybody went there.
        response.writeHead(behaviour === 'takes' ? 204 : behaviour, { location: '/elsewhere' }).end();
      });
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen();
  return {
    url: `http://127.0.0.1:${port}/webhooks`,
    taken,
    asked: () => asked,
    behave: (how) => {
      behaviour = how;
    },
    stop: () =>
      new Promise((resolve) => {
        server?.close(() => resolve());
        server?.closeAllConnections();
      }),
    start: listen,
  };
}
