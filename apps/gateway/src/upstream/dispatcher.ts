import { Pool } from 'undici';
import { admit, callerKey, whileUploading } from '../admission/admit.ts';
import { Lease } from '../admission/shared-pool.ts';
import { type Call, type Decided, isDecided } from '../call.ts';
import type { Gateway } from '../context.ts';
import { createConnector } from './egress.ts';
import { faultOf } from '@ideogate/contract';
import { Exchange, type HeadCallback } from './exchange.ts';
import { requestFields } from './headers.ts';
import { problemOfError, UpstreamProblem } from './upstream-problem.ts';
import { InspectedBody } from './inspected-body.ts';

/** The last thing between Ideogate and Ideogram: sets the key beneath every hook and log, and sends once. */
export interface UpstreamDispatcher {
  /** @param onHead told once: the head of an answer that may be passed on, or why there is none */
  send(call: Call, onHead: HeadCallback): void;
  destroy(): Promise<void>;
}

/** Opens its connections as they are needed, reads apart from writes. */
export function createDispatcher(gateway: Gateway): UpstreamDispatcher {
  const { upstream } = gateway.config;
  const open = (connections: number) =>
    new Pool(upstream.origin, {
      connections,
      pipelining: 1,
      headersTimeout: upstream.firstByteMs,
      bodyTimeout: upstream.firstByteMs,
      connect: createConnector(upstream),
      maxHeaderSize: 32 * 1024,
    });
  // Apart, so that no number of slow pictures stands before a read.
  const connections = { read: open(upstream.readConnections), write: open(upstream.connections) };
  return {
    send(call, onHead) {
      // The last guard of the first invariant: whatever led here, nothing goes out without a committed decision.
      if (!isDecided(call)) {
        onHead(new UpstreamProblem('internal-error', 'undecided'));
        return;
      }
      const exchange = new Exchange(call, gateway, onHead);
      call.exchange = exchange;
      send(call, exchange, connections, gateway).catch((error: unknown) => {
        gateway.log.error({ call_id: call.id, error: faultOf(error) }, 'a call could not be sent');
        exchange.cancel(new UpstreamProblem('internal-error', 'forwarding'));
      });
    },
    async destroy() {
      await Promise.all([connections.read.destroy(), connections.write.destroy()]);
    },
  };
}

/**
 * Steps 9 and 10: a connection is taken once it can be used, the key goes in last, and the call goes out once. What comes
 * back is the exchange's to check.
 */
async function send(
  call: Decided,
  exchange: Exchange,
  connections: { readonly read: Pool; readonly write: Pool },
  gateway: Gateway,
): Promise<void> {
  const { body } = call;
  if (body instanceof InspectedBody) {
    await body.worthSending();
    if (body.errored !== null) exchange.cancel(problemOfError(body.errored, call, false));
  }
  const kind = call.capability === 'write' ? 'write' : 'read';
  const pool = gateway.admission[`${kind}Connections`];
  if (exchange.isOver) return;
  const lease = await admit(call, pool, callerKey(call), 1, whileUploading(call, pool, gateway.interrupt));
  if (!(lease instanceof Lease)) {
    if (lease.problem !== null) exchange.cancel(new UpstreamProblem(lease.problem, lease.reason, lease));
    return;
  }
  exchange.whenOver(() => lease.release());
  if (exchange.isOver) return;
  const headers = requestFields(call);
  call.key?.setHeader(headers);
  connections[kind].dispatch({ path: call.target, method: call.method, headers, body }, exchange);
}
