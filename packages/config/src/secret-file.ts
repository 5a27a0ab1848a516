import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { errorCode } from '@ideogate/contract';

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
  let descriptor: number | undefined;
  try {
    // Without waiting: a pipe that nobody writes into would hold up the start.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    // On the open file, so that nothing can be put in its place between the look and the read.
    const { mode } = requirePlainFile(path, descriptor);
    if ((mode & READ_OR_WRITTEN_BY_ALL) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, '0');
      throw new SecretFileError(`${path} has mode ${octal}, so others may use its secret: chmod 600 it`);
    }
    const bytes = Buffer.alloc(MAX_BYTES + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(descriptor, bytes, length, bytes.length - length, null);
    if (length > MAX_BYTES) throw new SecretFileError(`${path} is too large to be a secret`);
    return bytes.subarray(0, length);
  } catch (error) {
    if (error instanceof SecretFileError) throw error;
    throw new SecretFileError(`${path} cannot be read (${errorCode(error)})`);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function requirePlainFile(path: string, descriptor: number): { readonly mode: number } {
  const stat = fstatSync(descriptor);
  if (!stat.isFile()) throw new SecretFileError(`${path} is not a plain file`);
  return stat;
}
