import { isReadScope, type Operation } from '@ideogate/contract';

/**
 * Keys that are good: `accept` for every call. Or told apart, so that a test sees which key a call went out with:
 * `read` for what changes and costs nothing (dry runs included), `write` for everything.
 */
export type EmulatorKeys =
  | { readonly accept: readonly string[] }
  | { readonly read?: readonly string[]; readonly write?: readonly string[] };

/** The one session of Ideogram's web console that the emulator knows. It opens everything. */
export const WEB_SESSION = 'emulated-web-session';

/** Whether a key may call an operation: keys to write may call any, keys to read what only reads or is a dry run. */
export function acceptsKey(keys: EmulatorKeys, key: string, operation: Operation, dryRun: boolean): boolean {
  if (key === '') return false;
  if ('accept' in keys) return keys.accept.includes(key);
  if (keys.write?.includes(key)) return true;
  const { scope } = operation;
  const readOnly = (scope !== null && isReadScope(scope)) || (operation.dryRun && dryRun);
  return readOnly && keys.read?.includes(key) === true;
}

/** Operations that take a session of the web console and no key. */
export function isConsoleOnly({ path, closed }: Operation): boolean {
  return closed !== null && (path.startsWith('/manage/') || path.startsWith('/v2/integrations'));
}

/** The keys a setting spells, or undefined when it spells none. */
export function parseKeys(value: unknown): EmulatorKeys | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const lists = new Map<string, readonly string[]>();
  for (const [name, list] of Object.entries(value)) {
    if (!['accept', 'read', 'write'].includes(name) || !isTexts(list)) return undefined;
    lists.set(name, list);
  }
  const accept = lists.get('accept');
  if (accept !== undefined) return lists.size === 1 ? { accept } : undefined;
  return lists.size === 0 ? undefined : { read: lists.get('read') ?? [], write: lists.get('write') ?? [] };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string' && text !== '');
}
