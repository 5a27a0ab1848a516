import type { Call } from '../call.ts';
import type { Gateway } from '../context.ts';
import type { Refusal } from '../refusal.ts';
import type { Step } from '../step.ts';

/** After the key is picked and before the decision: what an order stops goes no further. */
export const obeyOrders: Step = (call, gateway) => stoppedByOrder(call, gateway);

/**
 * Why an order stops this call, or null. Asked again when its first byte is about to go out: an order that was confirmed
 * while the call waited for its commit, or for a connection, stops it all the same.
 */
export function stoppedByOrder(
  call: Call,
  gateway: Gateway,
): (Refusal & { problem: 'stopped-by-order' }) | null {
  const { token, key } = call;
  const kind = gateway.kills?.stops(
    gateway.config.environment,
    key?.id ?? null,
    token?.subject ?? null,
    token?.claims.actor ?? null,
  );
  return kind === null || kind === undefined
    ? null
    : { problem: 'stopped-by-order', reason: `killed-${kind}` };
}
