import { isIPv4, isIPv6 } from 'node:net';

/**
 * An address in the one spelling that limits and record use: IPv4 as IPv4, also where a dual-stack socket or another
 * machine maps it into IPv6 (RFC 4291 section 2.5.5.2), and IPv6 as RFC 5952 has it. Null for what is no address that
 * two machines would understand alike: leading zeros, short forms, ports, brackets, zones.
 */
export function canonicalAddress(text: string): string | null {
  if (isIPv4(text)) return text;
  if (!isIPv6(text) || text.includes('%')) return null;
  const address = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const [, high, low] = MAPPED.exec(address) ?? [];
  if (high === undefined || low === undefined) return address;
  const bits = Number.parseInt(high, 16) * 0x1_0000 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join('.');
}

const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/** The address of a connection's other end, from `remoteAddress`; a zone is this machine's own word, and is dropped. */
export function canonicalPeer(remoteAddress: string | undefined): string | null {
  return remoteAddress === undefined ? null : canonicalAddress(remoteAddress.split('%')[0] ?? '');
}

/** Of an address: its version of IP. */
export type Family = 'ipv4' | 'ipv6';

/** @param address canonical */
export function familyOf(address: string): Family {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

/** Bits of an address. */
export const WIDTH: Readonly<Record<Family, number>> = { ipv4: 32, ipv6: 128 };

/** The bits of a canonical address, the first one highest. */
export function bitsOf(address: string): bigint {
  if (familyOf(address) === 'ipv4')
    return address.split('.').reduce((bits, part) => (bits << 8n) | BigInt(part), 0n);
  return groupsOf(address).reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n);
}

/** The eight groups of a canonical IPv6 address, in hex digits. */
function groupsOf(address: string): readonly string[] {
  const [front = '', back = ''] = address.split('::');
  const known = front.split(':').filter(Boolean);
  const behind = back.split(':').filter(Boolean);
  const zeros = Array.from({ length: 8 - known.length - behind.length }, () => '0');
  return [...known, ...zeros, ...behind];
}

/** The canonical address with these bits. */
export function addressOf(bits: bigint, family: Family): string {
  if (family === 'ipv4') return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 0xffn).join('.');
  const groups = Array.from({ length: 8 }, (_, at) => (bits >> BigInt(112 - 16 * at)) & 0xffffn);
  return canonicalAddress(groups.map((group) => group.toString(16)).join(':')) ?? '';
}

/** One network of one peer: an IPv6 peer has a /64 to itself (RFC 4291 section 2.5.4), and counts as one. */
export function peerOf(address: string): string {
  const canonical = canonicalPeer(address);
  if (canonical === null) return address;
  return familyOf(canonical) === 'ipv4' ? canonical : groupsOf(canonical).slice(0, 4).join(':');
}
