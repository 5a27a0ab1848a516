import type { IncomingHttpHeaders } from 'node:http';
import { type Dispatcher, Pool } from 'undici';
import type { Call } from '../call.ts';
import type { Gateway } from '../context.ts';
import { createConnector } from './egress.ts';
import { Exchange, type HeadCallback } from './exchange.ts';
import { requestFields } from './headers.ts';
import { UpstreamProblem } from './upstream-problem.ts';

/** Carries the call through http-proxy's header object down to the dispatcher; no header can have this name. */
const CALL: unique symbol = Symbol('call');

/** The header object that http-proxy passes on: empty but for the call it belongs to. */
export function markedHeaders(call: Call): IncomingHttpHeaders {
  const marked: IncomingHttpHeaders & { readonly [CALL]: Call } = { [CALL]: call };
  return marked;
}

/** The last thing between Ideogate and Ideogram: sets the key beneath every hook and log, and sends once. */
export interface UpstreamDispatcher {
  request(request: { readonly headers: { readonly [CALL]?: Call } }, onHead: HeadCallback): void;
  destroy(): Promise<void>;
}

export function createDispatcher(gateway: Gateway): UpstreamDispatcher {
  const { upstream } = gateway.config;
  const pool = new Pool(upstream.origin, {
    connections: upstream.connections,
    pipelining: 1,
    headersTimeout: upstream.firstByteMs,
    bodyTimeout: upstream.firstByteMs,
    connect: createConnector(upstream),
    maxHeaderSize: 32 * 1024,
  });
  return {
    request(request, onHead) {
      const call = request.headers[CALL];
      if (call === undefined) throw new Error('a request without a call reached the dispatcher');
      send(call, pool, gateway, onHead);
    },
    destroy: () => pool.destroy(),
  };
}

/** Steps 9 and 10: the key goes in last, and the call goes out once. What comes back is the exchange's to check. */
function send(call: Call, pool: Pool, gateway: Gateway, onHead: HeadCallback): void {
  // The last guard of the first invariant: whatever led here, nothing goes out without a committed decision.
  if (call.decidedAt === null) {
    onHead(new UpstreamProblem('internal-error', 'undecided'));
    return;
  }
  const headers = requestFields(call);
  call.key?.setHeader(headers);
  const exchange = new Exchange(call, gateway, onHead);
  call.exchange = exchange;
  const method = call.method as Dispatcher.HttpMethod; // as: the catalogue's methods are all HTTP methods
  pool.dispatch({ path: call.target, method, headers, body: call.body }, exchange);
}
