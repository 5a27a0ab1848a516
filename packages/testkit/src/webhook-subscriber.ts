import type { IncomingHttpHeaders } from 'node:http';
import { type LeavingServer, startLeavingServer } from './leaving-server.ts';

/** One delivery as it arrived. */
interface Delivery {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** An internal service that has webhooks delivered to it, as long as it is told to. */
export interface WebhookSubscriber extends Pick<LeavingServer, 'stop' | 'start'> {
  readonly url: string;
  /** Every delivery that it answered with 2xx, in their order. */
  readonly taken: readonly Delivery[];
  /** How many came in, taken or not. */
  readonly asked: () => number;
  /** What it does from now on: take; answer with this status; say nothing at all. */
  behave(how: 'takes' | 'is silent' | number): void;
}

export async function startWebhookSubscriber(): Promise<WebhookSubscriber> {
  const taken: Delivery[] = [];
  let asked = 0;
  let behaviour: 'takes' | 'is silent' | number = 'takes';
  const { origin, stop, start } = await startLeavingServer(({ headers }, body, response) => {
    asked += 1;
    if (behaviour === 'is silent') return;
    if (behaviour === 'takes') taken.push({ headers, body });
    // A redirect leads to where all would be taken, if anybody went there.
    response.writeHead(behaviour === 'takes' ? 204 : behaviour, { location: '/elsewhere' }).end();
  });
  return {
    url: `${origin}/webhooks`,
    taken,
    asked: () => asked,
    behave: (how) => {
      behaviour = how;
    },
    stop,
    start,
  };
}
