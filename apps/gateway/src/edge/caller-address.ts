import type { Origin } from '../call.ts';
import { type ForwardingField, hopsOf } from './forwarded.ts';
import type { TrustedProxies } from '../trusted-proxies.ts';

/** Not even the peer is known. */
export const UNKNOWN_ORIGIN: Origin = { address: null, proxy: null };

/** No call comes through so many proxies of one's own. */
const MOST_HOPS = 32;

/**
 * Who made a request on a connection. A peer that isn't listed speaks for itself, whatever it sends. For one that is,
 * the hops of its own form are walked from the last to the first, as long as they are listed with that form too: only
 * such a proxy has added the hop before it. A hop that names no address ends the walk at the proxy that named it, and one
 * beyond the last that is walked at the proxy before it.
 * @param connection whom the connection came from
 */
export function originOfRequest(
  connection: Origin,
  rawHeaders: readonly string[],
  proxies: TrustedProxies,
): Origin {
  const form = proxies.formOf(connection.address);
  if (form === null || form === 'proxy-protocol') return connection;
  const values = fieldValues(rawHeaders, form);
  if (values.length === 0) return connection;
  let { address } = connection;
  let walked = 0;
  for (const hop of hopsOf(form, values)) {
    if (hop === null) break;
    address = hop;
    if (proxies.formOf(hop) !== form || ++walked === MOST_HOPS) break;
  }
  return { address, proxy: connection.proxy ?? connection.address };
}

function fieldValues(rawHeaders: readonly string[], field: ForwardingField): readonly string[] {
  const values: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === field.length && name.toLowerCase() === field) values.push(rawHeaders[at + 1] ?? '');
  }
  return values;
}
