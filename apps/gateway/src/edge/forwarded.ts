import { canonicalAddress } from './ip-address.ts';

/** A field that lists hops. The last one was added by whoever sent it to us. */
export type ForwardingField = 'forwarded' | 'x-forwarded-for';

/**
 * The addresses of the hops that a field lists, the last one first; null where a hop is named in no way that tells its
 * address (`unknown`, `_hidden`, a name, a typo). Several fields are one list (RFC 9110 section 5.3).
 */
export function hopsOf(field: ForwardingField, values: readonly string[]): readonly (string | null)[] {
  const elements = values.join(',').split(',').reverse();
  if (field === 'x-forwarded-for') return elements.map((element) => nodeAddress(element.trim(), 'bare'));
  // The last comma was put there by whoever sent it to us, whatever quotes a caller has left open before it; were it one
  // of a caller's words between that sender's own quotes, what follows it would end in half a quote, and be no element.
  return elements.map((element) => forwardedFor(element));
}

/** RFC 7239 section 4; a value between quotes holds nothing that would part elements, pairs, names and values. */
const PAIR = /^[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:"([^",;=\\]*)"|([^\s",;=\\]+))[ \t]*$/;

/** The address in `for` of one element. */
function forwardedFor(element: string): string | null {
  let found: string | undefined;
  for (const pair of element.split(';')) {
    if (pair.trim() === '') continue;
    const [, name, quoted, token] = PAIR.exec(pair) ?? [];
    if (name === undefined) return null;
    if (name.toLowerCase() !== 'for') continue;
    if (found !== undefined) return null;
    found = quoted ?? token;
  }
  return found === undefined ? null : nodeAddress(found, 'in brackets');
}

/** RFC 7239 section 6: an address, IPv6 in brackets, and perhaps a port, which may be obfuscated. */
const NODE = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(?:([0-9]{1,5})|_[A-Za-z0-9._-]+))?$/;

/** @param ipv6 X-Forwarded-For has it bare too */
function nodeAddress(text: string, ipv6: 'bare' | 'in brackets'): string | null {
  const [whole, bracketed, plain = '', port] = NODE.exec(text) ?? [];
  if (whole === undefined) return ipv6 === 'bare' ? canonicalAddress(text) : null;
  if (port !== undefined && Number(port) > 65_535) return null;
  if (bracketed === undefined) return canonicalAddress(plain);
  return bracketed.includes(':') ? canonicalAddress(bracketed) : null;
}
