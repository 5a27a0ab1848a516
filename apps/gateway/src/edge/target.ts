import type { Reason } from '@ideogate/contract';

/** A request target read in the only way it can be read: path, and query without its question mark. */
export interface Target {
  readonly path: string;
  readonly query: string;
  /** Both as they were sent, a lone question mark too: what is forwarded. */
  readonly originForm: string;
}

const PATH = /^(?:\/(?:[A-Za-z0-9\-._~!$&'()*+,=:@]|%[0-9A-Fa-f]{2})*)+$/;
/** A second question mark would be part of a value to one reader and a border to another. */
const QUERY = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/;
/** Escapes of bytes that mean something unescaped: NUL, `#`, `%`, `.`, `/`, `;`, `?`, `\`. */
const RESERVED_ESCAPE = /%(?:00|23|25|2e|2f|3b|3f|5c)/i;
/** Escapes of unreserved bytes: another spelling of a plain path (RFC 3986 section 6.2.2.2). */
const NEEDLESS_ESCAPE = /%(?:2d|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])/i;

/** RFC 9112 section 3.2.2, of http and https alone; a user before the host is another fault. */
const ABSOLUTE = /^(https?):\/\/([^/?#]*)(.*)$/i;

/**
 * Reads a target that has exactly one meaning, or says what gives it two: origin-form (RFC 9112 section 3.2.1), or
 * absolute-form to one of our own hosts, as clients send it that take us for their proxy.
 *
 * @param isOwnHost whether a host with its port (none: the scheme's own) is the gateway's
 */
export function parseTarget(
  raw: string,
  isOwnHost: (scheme: string, authority: string) => boolean = () => false,
): Target | { readonly fault: Reason } {
  const [, scheme, authority = '', rest = ''] = ABSOLUTE.exec(raw) ?? [];
  if (scheme === undefined) return parseOriginForm(raw);
  if (!isOwnHost(scheme.toLowerCase(), authority)) return { fault: 'other-host' };
  return parseOriginForm(rest.startsWith('/') ? rest : `/${rest}`);
}

function parseOriginForm(raw: string): Target | { readonly fault: Reason } {
  const mark = raw.indexOf('?');
  const path = mark === -1 ? raw : raw.slice(0, mark);
  const query = mark === -1 ? '' : raw.slice(mark + 1);
  const fault = pathFault(path) ?? (QUERY.test(query) ? null : 'query-byte');
  return fault === null ? { path, query, originForm: raw } : { fault };
}

function pathFault(path: string): Reason | null {
  if (!path.startsWith('/')) return 'not-origin-form';
  if (path.includes('//')) return 'double-slash';
  if (path.includes(';')) return 'path-parameter';
  if (path.includes('\\')) return 'backslash';
  if (path.includes('#')) return 'fragment';
  if (RESERVED_ESCAPE.test(path)) return 'reserved-escape';
  if (NEEDLESS_ESCAPE.test(path)) return 'needless-escape';
  if (!PATH.test(path)) return 'path-byte';
  if (/\/\.\.?(?:\/|$)/.test(path)) return 'dot-segment';
  // To some readers two dots beside a slash lead up already, whatever else is in the segment (STACK trap 41).
  if (/\/\.\.|\.\.\//.test(path)) return 'dot-segment';
  return isText(path) ? null : 'path-escape';
}

/** Whether its escapes are of UTF-8: one that isn't has no spelling that all readers share. */
function isText(path: string): boolean {
  if (!path.includes('%')) return true;
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether an authority names the gateway: its identifier's host in any letter case, with or without a full stop at its
 * end, at its identifier's port or at the one that its scheme stands for. The scheme itself says nothing: TLS may end
 * before us.
 */
export function ownHosts(identifier: string): (scheme: string, authority: string) => boolean {
  const own = new URL(identifier);
  return (scheme, authority) => {
    const [, host, port] = /^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?$/.exec(authority) ?? [];
    if (host === undefined) return false;
    const url = `${scheme}://${host.replace(/\.$/, '')}`;
    if (!URL.canParse(url) || new URL(url).hostname !== own.hostname) return false;
    return !port || Number(port) === portOf(own) || Number(port) === portOf(new URL(url));
  };
}

function portOf({ protocol, port }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}
