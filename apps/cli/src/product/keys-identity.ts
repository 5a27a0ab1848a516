import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type AgeIdentity, ageIdentity, newAgeIdentity, readNamedText } from '@ideogate/upstream-keys';
import { CommandError, EXIT } from '../exit-codes.ts';
import { codeOf, writePrivately } from './data-folder.ts';
import type { ProductConfig } from './product-config.ts';

/**
 * The identity that opens sealed keys: of a variable, of a file, else one made in the environment's part of the data
 * folder at the first start.
 * @throws CommandError, KeyError
 */
export async function openKeysIdentity(config: ProductConfig, folder: string): Promise<AgeIdentity> {
  const text = config.keysIdentity();
  if (text !== null) return ageIdentity(text, 'IDEOGATE_KEYS_IDENTITY');
  const file = config.keysIdentityFile ?? join(folder, 'keys-identity');
  if (config.keysIdentityFile === null && !existsSync(file)) writePrivately(file, await newAgeIdentity());
  return readKeysIdentity(file);
}

/** @throws CommandError, KeyError */
export async function readKeysIdentity(file: string): Promise<AgeIdentity> {
  let text: string;
  try {
    text = readNamedText(file);
  } catch (error) {
    throw new CommandError(
      EXIT.invalidInput,
      `The identity that opens sealed keys cannot be read from ${file} (${codeOf(error)}): check the path and its rights.`,
    );
  }
  return ageIdentity(text, file);
}
