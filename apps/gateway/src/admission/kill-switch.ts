import type { KillSwitch } from '@ideogate/kill-switch';
import type { Call } from '../call.ts';
import type { GatewayConfig } from '../config.ts';
import type { Refusal } from '../refusal.ts';

/**
 * Why an order of the kill switch stops this call, or null. Asked again when its first byte is about to go out: an order
 * that was confirmed while the call waited for its commit, or for a connection, stops it all the same.
 */
export function killSwitchRefusal(
  { token, key }: Pick<Call, 'token' | 'key'>,
  { kills, config }: { readonly kills?: Pick<KillSwitch, 'stops'>; readonly config: GatewayConfig },
): (Refusal & { problem: 'stopped-by-order' }) | null {
  const kind = kills?.stops(
    config.environment,
    key?.id ?? null,
    token?.subject ?? null,
    token?.claims.actor ?? null,
  );
  return kind === null || kind === undefined
    ? null
    : { problem: 'stopped-by-order', reason: `killed-${kind}` };
}
