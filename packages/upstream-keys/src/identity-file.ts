import { existsSync } from 'node:fs';
import { errorCode } from '@ideogate/contract';
import { writePrivateFile } from '@ideogate/data-dir';
import { readNamedText } from '@ideogate/config';
import { type AgeIdentity, ageIdentity, newAgeIdentity } from './sealing.ts';

/** The file of the identity that opens sealed keys can't be read. */
export class IdentityFileError extends Error {
  override readonly name = 'IdentityFileError';
}

/** @throws IdentityFileError, KeyError when what it holds is no identity */
export async function readIdentityFile(file: string): Promise<AgeIdentity> {
  let text: string;
  try {
    text = readNamedText(file);
  } catch (error) {
    throw new IdentityFileError(
      `The identity that opens sealed keys cannot be read from ${file} (${errorCode(error)}): check the path and its rights.`,
    );
  }
  return ageIdentity(text, file);
}

/**
 * As `readIdentityFile`; makes it first where it isn't there.
 * @throws IdentityFileError, KeyError
 */
export async function readOrMakeIdentityFile(file: string): Promise<AgeIdentity> {
  if (!existsSync(file)) writePrivateFile(file, await newAgeIdentity());
  return readIdentityFile(file);
}
