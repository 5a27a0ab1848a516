import { BlockList } from 'node:net';
import { addressOf, bitsOf, canonicalAddress, type Family, familyOf, WIDTH } from './ip-address.ts';

/**
 * How a listed proxy says for whom it speaks: `Forwarded` (RFC 7239), `X-Forwarded-For`, or the PROXY protocol
 * (HAProxy's, 1 and 2) at the head of each connection. Exactly one for each proxy: what it doesn't set itself, it may
 * pass on from whoever calls it.
 */
const PROXY_FORMS = ['forwarded', 'x-forwarded-for', 'proxy-protocol'] as const;
type ProxyForm = (typeof PROXY_FORMS)[number];

/** The proxies whose word is taken. */
export interface TrustedProxies {
  /** How the proxy at an address says for whom it speaks; null for one that isn't listed. @param address canonical */
  formOf(address: string | null): ProxyForm | null;
}

const VARIABLE = 'IDEOGATE_TRUSTED_PROXIES';

interface Network {
  /** As it is written. */
  readonly text: string;
  readonly family: Family;
  readonly address: string;
  readonly prefix: number;
  readonly form: ProxyForm;
}

/**
 * Reads `10.0.0.0/8=x-forwarded-for,fd00::/8=forwarded,192.0.2.7/32=proxy-protocol`. What is wrong with each entry goes
 * to `faults`, in the words of the operator.
 */
export function readTrustedProxies(text: string | null, faults: string[]): TrustedProxies {
  const networks: Network[] = [];
  const entries = (text ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean);
  for (const entry of entries) {
    const read = readEntry(entry);
    const fault = typeof read === 'string' ? read : clashOf(read, networks);
    if (fault !== null) faults.push(`${VARIABLE}: ${fault}`);
    else if (typeof read !== 'string') networks.push(read);
  }
  return listOf(networks);
}

function listOf(networks: readonly Network[]): TrustedProxies {
  const lists = PROXY_FORMS.map((form) => {
    const list = new BlockList();
    for (const network of networks)
      if (network.form === form) list.addSubnet(network.address, network.prefix, network.family);
    return { form, list };
  }).filter(({ list }) => list.rules.length > 0);
  return {
    formOf(address) {
      if (address === null || lists.length === 0) return null;
      const family = familyOf(address);
      return lists.find(({ list }) => list.check(address, family))?.form ?? null;
    },
  };
}

/** One entry, or what is wrong with it. */
function readEntry(entry: string): Network | string {
  const [text = '', word, ...more] = entry.split('=').map((part) => part.trim());
  if (word === undefined || more.length > 0)
    return `${entry} must be a network and its form, such as 10.0.0.0/8=x-forwarded-for`;
  const form = PROXY_FORMS.find((known) => known === word.toLowerCase());
  if (form === undefined) return `${entry}: the form is one of ${PROXY_FORMS.join(', ')}`;
  const [address = '', length, ...rest] = text.split('/');
  const canonical = canonicalAddress(address);
  if (canonical === null || rest.length > 0)
    return `${entry}: ${text} is no network of addresses, such as 10.0.0.0/8 or fd00::/8`;
  const family = familyOf(canonical);
  const width = WIDTH[family];
  if (family === 'ipv4' && address.includes(':'))
    return `${entry}: write what is mapped into IPv6 as IPv4, with the length of its prefix in that`;
  if (length === undefined) return `${entry}: for this one address write ${canonical}/${width}`;
  const prefix = /^(?:0|[1-9][0-9]{0,2})$/.test(length) ? Number(length) : Number.NaN;
  if (!(prefix <= width)) return `${entry}: the prefix of ${canonical} is a length from 1 to ${width}`;
  if (prefix === 0) return `${entry}: this lists everybody, and everybody could say to be anybody`;
  const start = bitsOf(canonical);
  const network = startOf(start, family, prefix);
  if (network !== start)
    return `${entry}: there are bits behind the prefix: write ${addressOf(network, family)}/${prefix}, or ${canonical}/${width} for the one address`;
  return { text, family, address: canonical, prefix, form };
}

function startOf(bits: bigint, family: Family, prefix: number): bigint {
  const behind = BigInt(WIDTH[family] - prefix);
  return (bits >> behind) << behind;
}

/** Why an entry doesn't fit those before it, or null. One inside another is fine where both have the same form. */
function clashOf(one: Network, others: readonly Network[]): string | null {
  for (const other of others) {
    if (other.family !== one.family) continue;
    const prefix = Math.min(one.prefix, other.prefix);
    if (
      startOf(bitsOf(one.address), one.family, prefix) !==
      startOf(bitsOf(other.address), other.family, prefix)
    )
      continue;
    if (one.form !== other.form)
      return `${one.text} is ${one.form}, and ${other.text}, which it overlaps, is ${other.form}: a proxy has one form`;
    if (one.prefix === other.prefix) return `${one.text} is listed twice`;
  }
  return null;
}
