import { isIPv6 } from 'node:net';

/** One network of one peer: an IPv6 peer has a /64 to itself (RFC 4291 section 2.5.4), and counts as one. */
export function peerOf(address: string): string {
  const mapped = /^::ffff:(?=\d+\.)/i.exec(address)?.[0];
  if (mapped !== undefined) return address.slice(mapped.length);
  if (!isIPv6(address)) return address;
  const [front = '', back] = (address.split('%')[0] ?? '').split('::');
  const groups = (text: string) => text.split(':').filter((group) => group !== '');
  const known = groups(front);
  const behind = back === undefined ? [] : groups(back);
  const zeros = Array.from({ length: Math.max(0, 8 - known.length - behind.length) }, () => '0');
  const network = [...known, ...zeros, ...behind].slice(0, 4);
  return network.map((group) => Number.parseInt(group, 16).toString(16)).join(':');
}
