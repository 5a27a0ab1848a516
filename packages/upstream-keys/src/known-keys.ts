import { ENVIRONMENTS, errorCode } from '@ideogate/contract';
import {
  environmentDir,
  hasInstallationKeys,
  isRunning,
  readInstallationKey,
  readLogin,
  readRuntimeFile,
} from '@ideogate/data-dir';
import { readKeySources } from './configured-key.ts';
import { openKeyStore } from './store/key-store.ts';

/** The keys of one environment, by id alone, and the secret under which ids are made. */
export interface KnownKeys {
  /** Of this installation and environment; never shown. */
  readonly fingerprintSecret: string;
  readonly ids: ReadonlySet<string>;
}

/**
 * The ids of the keys that a data folder knows, for each of its environments: those of the running product, and those
 * that are `listed`, whose environment nobody says.
 * @returns also what could not be found out, in words for a person
 * @throws DataDirError
 */
export async function knownKeys(
  data: string,
  listed: readonly string[],
): Promise<{ readonly keys: readonly KnownKeys[]; readonly notes: readonly string[] }> {
  const notes: string[] = [];
  const keys: KnownKeys[] = [];
  const running = isRunning(data) ? readRuntimeFile(data) : null;
  for (const environment of ENVIRONMENTS) {
    const dir = environmentDir(data, environment);
    if (!hasInstallationKeys(dir)) continue;
    const ids = new Set<string>(listed);
    if (running?.environment === environment) {
      for (const { id } of readKeySources(dir).configured) ids.add(id);
      for (const id of await storedIds(readLogin(dir, 'keys-put'), notes)) ids.add(id);
    }
    keys.push({ fingerprintSecret: readInstallationKey(dir, 'fingerprint'), ids });
  }
  return { keys, notes };
}

async function storedIds(url: string, notes: string[]): Promise<readonly string[]> {
  try {
    const store = await openKeyStore(url);
    try {
      return (await store.list()).map(({ id }) => id);
    } finally {
      await store.end();
    }
  } catch (error) {
    notes.push(`The store of keys cannot be reached (${errorCode(error)}): keys in it are not recognised.`);
    return [];
  }
}
