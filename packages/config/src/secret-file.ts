import { errorCode } from '@ideogate/contract';
import { readNamedFile } from './named-file.ts';

/** Bytes: more than any secret that a setting holds. */
const MAX_BYTES = 65_536;
const READ_OR_WRITTEN_BY_ALL = 0o007;

/** A file can't be the place of a secret. The message says why, and what to do. */
export class SecretFileError extends Error {
  override readonly name = 'SecretFileError';
}

/**
 * The secret that a file holds: a Docker or Kubernetes secret. One line end at its end is not part of it. Its group may
 * read it, which is how Kubernetes gives a secret to a process that isn't root's.
 *
 * @throws SecretFileError, whose message quotes nothing of the file
 */
export function readSecretFile(path: string): string {
  const bytes = readPrivately(path);
  const text = bytes.toString('utf8').replace(/\r?\n$/, '');
  bytes.fill(0);
  if (text === '') throw new SecretFileError(`${path} is empty`);
  return text;
}

function readPrivately(path: string): Buffer {
  try {
    return readNamedFile(path, MAX_BYTES, (mode) => {
      if ((mode & READ_OR_WRITTEN_BY_ALL) === 0) return;
      const octal = (mode & 0o777).toString(8).padStart(4, '0');
      throw new SecretFileError(`${path} has mode ${octal}, so others may use its secret: chmod 600 it`);
    });
  } catch (error) {
    if (error instanceof SecretFileError) throw error;
    throw new SecretFileError(`${path} cannot be read (${errorCode(error)})`);
  }
}
