import { canonicalPeer, familyOf, groupsOf } from './ip-address.ts';

/** One network of one peer: an IPv6 peer has a /64 to itself (RFC 4291 section 2.5.4), and counts as one. */
export function peerOf(address: string): string {
  const canonical = canonicalPeer(address);
  if (canonical === null) return address;
  return familyOf(canonical) === 'ipv4' ? canonical : groupsOf(canonical).slice(0, 4).join(':');
}
