/** A request target read in the only way it can be read: path, and query without its question mark. */
export interface Target {
  readonly path: string;
  readonly query: string;
}

const PATH = /^(?:\/(?:[A-Za-z0-9\-._~!$&'()*+,=:@]|%[0-9A-Fa-f]{2})*)+$/;
/** A second question mark would be part of a value to one reader and a border to another. */
const QUERY = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/;
/** Escapes of bytes that mean something unescaped: NUL, `#`, `%`, `.`, `/`, `;`, `?`, `\`. */
const RESERVED_ESCAPE = /%(?:00|23|25|2e|2f|3b|3f|5c)/i;
/** Escapes of unreserved bytes: another spelling of a plain path (RFC 3986 section 6.2.2.2). */
const NEEDLESS_ESCAPE = /%(?:2d|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])/i;

/**
 * Reads an origin-form target (RFC 9112 section 3.2.1) that has exactly one meaning, or says what gives it two.
 */
export function parseTarget(raw: string): Target | { readonly fault: string } {
  const mark = raw.indexOf('?');
  const path = mark === -1 ? raw : raw.slice(0, mark);
  const query = mark === -1 ? '' : raw.slice(mark + 1);
  const fault = pathFault(path) ?? (QUERY.test(query) ? null : 'query-byte');
  if (fault !== null) return { fault };
  return mark !== -1 && query === '' ? { fault: 'empty-query' } : { path, query };
}

function pathFault(path: string): string | null {
  if (!path.startsWith('/')) return 'not-origin-form';
  if (path.includes('//')) return 'double-slash';
  if (path.includes(';')) return 'path-parameter';
  if (path.includes('\\')) return 'backslash';
  if (path.includes('#')) return 'fragment';
  if (RESERVED_ESCAPE.test(path)) return 'reserved-escape';
  if (NEEDLESS_ESCAPE.test(path)) return 'needless-escape';
  if (!PATH.test(path)) return 'path-byte';
  if (/\/\.\.?(?:\/|$)/.test(path)) return 'dot-segment';
  return null;
}
