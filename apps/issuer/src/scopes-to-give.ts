import { isWildcard, parseScopePattern, type ScopeName, type ScopePattern } from '@ideogate/contract';

/** What one caller may be given in this environment. */
export interface CallerGrant {
  /** Every plain scope inside both its grant and the environment's ceiling, wildcards expanded. */
  readonly scopes: ReadonlySet<ScopeName>;
  /** The grant as the policy words it. */
  readonly patterns: readonly ScopePattern[];
}

/** The scopes of a token, or why it has none (`invalid_scope`, RFC 6749 section 5.2). */
export type ScopesToGive =
  | { readonly ok: true; readonly scopes: readonly ScopeName[] }
  /** The words asked for that lie outside the grant, as they were asked for, each once. */
  | { readonly ok: false; readonly refused: readonly string[] };

/**
 * Which plain scopes a token gets. Pure.
 * - None asked for: the whole grant.
 * - A plain scope must be in the grant.
 * - A wildcard stands for its plain scopes. They must all be in the grant; but who was granted that same wildcard
 *   gets as much of it as the ceiling leaves, as if none had been asked for.
 * - Anything else (unknown words, other letter case) is refused by name. One refused word refuses the request.
 *
 * @param requested the `scope` parameter (RFC 6749 section 3.3), or undefined.
 * @param expand the plain scopes a wildcard stands for.
 */
export function scopesToGive(
  requested: string | undefined,
  grant: CallerGrant,
  expand: (pattern: ScopePattern) => readonly ScopeName[],
): ScopesToGive {
  if (requested === undefined) return { ok: true, scopes: [...grant.scopes].sort() };
  const scopes = new Set<ScopeName>();
  const refused = new Set<string>();
  for (const word of requested.split(' ')) {
    const given = scopesOf(word, grant, expand);
    if (given.length === 0) refused.add(word);
    for (const scope of given) scopes.add(scope);
  }
  if (refused.size > 0) return { ok: false, refused: [...refused] };
  return { ok: true, scopes: [...scopes].sort() };
}

function scopesOf(
  word: string,
  grant: CallerGrant,
  expand: (pattern: ScopePattern) => readonly ScopeName[],
): readonly ScopeName[] {
  const pattern = parseScopePattern(word);
  if (pattern === undefined) return [];
  const meant = isWildcard(pattern) ? expand(pattern) : [pattern];
  const given = meant.filter((scope) => grant.scopes.has(scope));
  const whole = given.length === meant.length || grant.patterns.includes(pattern);
  return whole ? given : [];
}
