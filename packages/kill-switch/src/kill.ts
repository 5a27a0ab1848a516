/** What a kill stops: calls with a key, of a caller, or all of an environment. */
export type KillKind = 'key' | 'caller' | 'environment';

/**
 * An order to stop calls, or its lift. Neither is ever changed: a lift carries the id of the kill that it ends. So what
 * is known in several places can be put together in any sequence, and comes out the same.
 */
export interface Kill {
  /** A UUID. */
  readonly id: string;
  /** `revive`, as it is stored: a lift. */
  readonly what: 'kill' | 'revive';
  readonly kind: KillKind;
  /** Id of a key, subject of a caller, name of an environment. */
  readonly target: string;
  readonly reason: string;
  /** Who gave it. */
  readonly who: string;
  /** RFC 3339 UTC. */
  readonly at: string;
}

/** As `Date` writes it. Other spellings that it reads no table takes, and one such kill would hold up all behind it. */
const TIME = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Null when it is neither kill nor lift: what comes over a socket or from a disk is looked at before it is obeyed. */
export function parseKill(value: unknown): Kill | null {
  if (typeof value !== 'object' || value === null) return null;
  const { id, what, kind, target, reason, who, at } = value as Partial<Record<keyof Kill, unknown>>; // as: each is looked at below
  if (typeof id !== 'string' || !UUID.test(id)) return null;
  if (what !== 'kill' && what !== 'revive') return null;
  if (kind !== 'key' && kind !== 'caller' && kind !== 'environment') return null;
  if (!isText(target, 255) || !isText(reason, 500) || !isText(who, 500)) return null;
  if (typeof at !== 'string' || !isTime(at)) return null;
  return { id, what, kind, target, reason, who, at };
}

/** No 30 February, which `Date` would read as another day, and no year that was before there were kills. */
function isTime(text: string): boolean {
  const at = TIME.test(text) ? Date.parse(text) : Number.NaN;
  return at > 0 && new Date(at).toISOString() === text;
}

/** What no table could hold would stay on one gateway. */
function isText(value: unknown, most: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= most && !value.includes('\0');
}

/** What tells kills and lifts apart: a lift has the id of its kill. */
export function nameOfKill({ id, what }: Pick<Kill, 'id' | 'what'>): string {
  return `${what} ${id}`;
}
