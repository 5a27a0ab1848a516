import type { Settings } from '@ideogate/config';
import { type KeySlot, type KeyStore, openKeyStore, type StoredKey } from '@ideogate/upstream-keys';
import { CommandError, EXIT } from '../exit-codes.ts';
import { codeOf, dataFolder, readReadyFile, type ReadyFile } from './data-folder.ts';

/** What a command on keys works with. */
export interface KeyWork {
  readonly data: string;
  readonly ready: ReadyFile;
  readonly store: KeyStore;
}

/** Opens the sealed store of the running product for a command. */
export async function withKeyStore(
  settings: Settings,
  work: (with_: KeyWork) => Promise<number>,
): Promise<number> {
  const data = dataFolder(settings);
  const ready = readReadyFile(data);
  let store: KeyStore | undefined;
  try {
    store = await openKeyStore(ready.keysDatabaseUrl);
    return await work({ data, ready, store });
  } catch (error) {
    if (error instanceof CommandError || codeOf(error) === 'unreadable') throw error;
    throw new CommandError(
      EXIT.failed,
      `The store of keys cannot be reached (${codeOf(error)}): is its database up? Give the same command again: it goes on where it was.`,
    );
  } finally {
    await store?.end();
  }
}

export function readSlot(text: string): KeySlot {
  if (text === 'read' || text === 'write') return text;
  throw new CommandError(EXIT.invalidInput, '--for is read or write.');
}
/** The one key that an id, or the beginning of one, names. */
export function keyNamed(keys: readonly StoredKey[], id: string, slot: string | undefined): StoredKey {
  const found = keys.filter((key) => key.id.startsWith(id) && (slot === undefined || key.slot === slot));
  const [key, ...others] = found;
  if (key !== undefined && others.length === 0) return key;
  throw new CommandError(
    EXIT.invalidInput,
    key === undefined
      ? `The store has no key ${id}: see keys list.`
      : `${id} names ${found.length} keys: give more of it, or --for read or write.`,
  );
}
