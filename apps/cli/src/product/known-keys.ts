import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '@ideogate/config';
import { ENVIRONMENTS } from '@ideogate/contract';
import type { KnownKeys } from '@ideogate/secret-scan';
import { openKeyStore, readNamedText } from '@ideogate/upstream-keys';
import { CommandError, EXIT } from '../exit-codes.ts';
import { codeOf, dataFolder, isProductReady, loadSecrets, readReadyFile } from './data-folder.ts';
import { keyIdsIn } from './key-ids.ts';

/** What a scan can recognise for certain, and what it could not find out, in words for a person. */
export interface KnownToScan {
  readonly keys: readonly KnownKeys[];
  readonly notes: readonly string[];
}

/**
 * The ids of known keys, never the keys: of the running product, and those in a file that `--known` names, which may be
 * what `keys list` printed. The secrets under which ids are made are those of the data folder's environments, and the
 * one in the file that `IDEOGATE_FINGERPRINT_SECRET_FILE` names.
 *
 * @throws CommandError when a file that was named cannot be read.
 */
export async function knownKeys(settings: Settings, file: string | undefined): Promise<KnownToScan> {
  const notes: string[] = [];
  const listed = file === undefined ? [] : keyIdsIn(readNamed(file, '--known'));
  const keys: KnownKeys[] = [];
  const secretFile = settings.values.upstreamKeys.fingerprintSecretFile;
  if (secretFile !== null) {
    const fingerprintSecret = readNamed(secretFile, 'IDEOGATE_FINGERPRINT_SECRET_FILE').trim();
    if (fingerprintSecret === '')
      throw new CommandError(EXIT.invalidInput, `IDEOGATE_FINGERPRINT_SECRET_FILE: ${secretFile} is empty.`);
    keys.push({ fingerprintSecret, ids: new Set(listed) });
  }
  const data = dataFolder(settings);
  const running = isProductReady(data) ? readReadyFile(data) : null;
  for (const environment of ENVIRONMENTS) {
    const folder = join(data, environment);
    if (!existsSync(join(folder, 'secrets.json'))) continue;
    const ids = new Set<string>(listed);
    if (running?.environment === environment) {
      for (const { id } of running.givenKeys) ids.add(id);
      for (const id of await stored(running.keysDatabaseUrl, notes)) ids.add(id);
    }
    keys.push({ fingerprintSecret: loadSecrets(folder).fingerprint, ids });
  }
  return { keys, notes };
}

async function stored(url: string, notes: string[]): Promise<readonly string[]> {
  try {
    const store = await openKeyStore(url);
    try {
      return (await store.list()).map(({ id }) => id);
    } finally {
      await store.end();
    }
  } catch (error) {
    notes.push(`The store of keys cannot be reached (${codeOf(error)}): keys in it are not recognised.`);
    return [];
  }
}

/** @throws CommandError that says by what the file was named */
export function readNamed(file: string, by: string): string {
  try {
    return readNamedText(file);
  } catch (error) {
    throw new CommandError(EXIT.invalidInput, `${by}: ${file} cannot be read (${codeOf(error)}).`);
  }
}
