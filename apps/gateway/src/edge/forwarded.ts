import { canonicalAddress } from '../ip-address.ts';

/** A field that lists hops. The last one was added by whoever sent it to us. */
export type ForwardingField = 'forwarded' | 'x-forwarded-for';

/** A proxy names its hop in far less; what is longer is a caller's. */
const MOST_ELEMENT_LENGTH = 1024;

/**
 * The addresses of the hops that a field lists, the last one first; null where a hop is named in no way that tells its
 * address (`unknown`, `_hidden`, a name, a typo). Several fields are one list (RFC 9110 section 5.3). Read as far as it is
 * walked: what stands before that is a caller's, and as long as it likes.
 */
export function* hopsOf(field: ForwardingField, values: readonly string[]): Generator<string | null> {
  for (const element of elementsOf(values)) {
    if (element.length > MOST_ELEMENT_LENGTH) yield null;
    else yield field === 'x-forwarded-for' ? nodeAddress(element.trim(), 'bare') : forwardedFor(element);
  }
}

/**
 * What stands between commas, the last one first. In `Forwarded` too: the last comma was put there by whoever sent it to us,
 * whatever quotes a caller has left open before it; were it one of a caller's words between that sender's own quotes,
 * what follows it would end in half a quote, and be no element.
 */
function* elementsOf(values: readonly string[]): Generator<string> {
  for (const value of values.toReversed()) {
    let end = value.length;
    while (end >= 0) {
      const comma = end === 0 ? -1 : value.lastIndexOf(',', end - 1);
      yield value.slice(comma + 1, end);
      end = comma;
    }
  }
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
