import { canonicalAddress } from '../ip-address.ts';

/**
 * The header of the PROXY protocol at the beginning of a connection (haproxy.org, proxy-protocol.txt, versions 1 and 2).
 * - `incomplete`: more bytes are needed to tell;
 * - `missing`: this connection begins with something else;
 * - `invalid`: with something that only looks like one.
 */
export type ProxyHeader =
  | { readonly kind: 'incomplete' | 'missing' | 'invalid' }
  | {
      readonly kind: 'header';
      /** Its length; what follows is the caller's. */
      readonly bytes: number;
      /** Who connected to the proxy; null where the proxy speaks for itself (LOCAL, UNKNOWN), as for a health check. */
      readonly source: string | null;
    };

const V1 = Buffer.from('PROXY ', 'latin1');
const V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Section 2.1: the longest line of version 1, its end included. */
const V1_MAX_BYTES = 107;
/** Version 2 has room for 64 KiB of extensions; what proxies add (names, certificates' names) stays far below this. */
const V2_MAX_BYTES = 4096;

/** Reads the first bytes of a connection. Pure. */
export function readProxyHeader(bytes: Buffer): ProxyHeader {
  if (beginsWith(bytes, V2)) return bytes.length < V2.length + 4 ? INCOMPLETE : readV2(bytes);
  if (beginsWith(bytes, V1)) return bytes.length < V1.length ? INCOMPLETE : readV1(bytes);
  return MISSING;
}

const INCOMPLETE: ProxyHeader = { kind: 'incomplete' };
const MISSING: ProxyHeader = { kind: 'missing' };
const INVALID: ProxyHeader = { kind: 'invalid' };

/** As far as there are bytes. */
function beginsWith(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.subarray(0, length).equals(signature.subarray(0, length));
}

const PORT = '(?:0|[1-9][0-9]{0,4})';
const V1_LINE = new RegExp(`^PROXY TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (${PORT}) (${PORT})$`);

/** Section 2.1: a line of text. */
function readV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, V1_MAX_BYTES).indexOf('\r\n');
  if (end === -1) return bytes.length < V1_MAX_BYTES ? INCOMPLETE : INVALID;
  const line = bytes.toString('latin1', 0, end);
  // What follows UNKNOWN is not to be looked at.
  if (/^PROXY UNKNOWN(?: |$)/.test(line)) return { kind: 'header', bytes: end + 2, source: null };
  const [, family, from = '', to = '', ...ports] = V1_LINE.exec(line) ?? [];
  const isOfFamily = (text: string) =>
    text.includes(':') === (family === '6') && canonicalAddress(text) !== null;
  const source = canonicalAddress(from);
  if (family === undefined || source === null || ![from, to].every(isOfFamily)) return INVALID;
  return ports.some((port) => Number(port) > 65_535) ? INVALID : { kind: 'header', bytes: end + 2, source };
}

/** Section 2.2: the least length of the addresses, by family and transport; other bytes may follow them. */
const V2_ADDRESSES: ReadonlyMap<number, number> = new Map([
  [0x00, 0], // unspecified
  [0x11, 12], // TCP over IPv4
  [0x21, 36], // TCP over IPv6
  [0x31, 216], // UNIX stream
]);

/** Section 2.2: signature, version and command, family and transport, length, addresses. */
function readV2(bytes: Buffer): ProxyHeader {
  const command = bytes[V2.length];
  const family = bytes[V2.length + 1] ?? 0;
  const start = V2.length + 4;
  const length = bytes.readUInt16BE(V2.length + 2);
  if ((command !== 0x20 && command !== 0x21) || start + length > V2_MAX_BYTES) return INVALID;
  if (bytes.length < start + length) return INCOMPLETE;
  const own = { kind: 'header', bytes: start + length, source: null } as const;
  if (command === 0x20) return own;
  const least = V2_ADDRESSES.get(family);
  if (least === undefined || length < least) return INVALID;
  switch (family) {
    case 0x11:
      return { ...own, source: [...bytes.subarray(start, start + 4)].join('.') };
    case 0x21: {
      const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(start + 2 * at).toString(16));
      return { ...own, source: canonicalAddress(groups.join(':')) };
    }
    // Of no family that has addresses other machines know.
    default:
      return own;
  }
}
