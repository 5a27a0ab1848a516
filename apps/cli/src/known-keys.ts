import { errorCode } from '@ideogate/contract';
import { readNamedText, type Settings } from '@ideogate/config';
import { dataDir } from '@ideogate/data-dir';
import { keyIdsIn, type KnownKeys, knownKeys } from '@ideogate/upstream-keys';
import { CommandError, EXIT } from './exit-codes.ts';

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
 * @throws CommandError when a file that was named cannot be read; DataDirError
 */
export async function knownToScan(settings: Settings, file: string | undefined): Promise<KnownToScan> {
  const listed = file === undefined ? [] : keyIdsIn(readNamed(file, '--known'));
  const given = readFingerprintSecret(settings);
  const { keys, notes } = await knownKeys(dataDir(settings), listed);
  return {
    keys: given === null ? keys : [{ fingerprintSecret: given, ids: new Set(listed) }, ...keys],
    notes,
  };
}

function readFingerprintSecret(settings: Settings): string | null {
  const file = settings.values.upstreamKeys.fingerprintSecretFile;
  if (file === null) return null;
  const secret = readNamed(file, 'IDEOGATE_FINGERPRINT_SECRET_FILE').trim();
  if (secret !== '') return secret;
  throw new CommandError(EXIT.invalidInput, `IDEOGATE_FINGERPRINT_SECRET_FILE: ${file} is empty.`);
}

/** @throws CommandError that says by what the file was named */
export function readNamed(file: string, by: string): string {
  try {
    return readNamedText(file);
  } catch (error) {
    throw new CommandError(EXIT.invalidInput, `${by}: ${file} cannot be read (${errorCode(error)}).`);
  }
}
