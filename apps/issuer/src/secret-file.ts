import { randomBytes } from 'node:crypto';
import { link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type JsonValue, parseStrictJson, StrictJsonError } from '@ideogate/contract';

/** A file with secrets can't be used. The message names the file, what is wrong and what to do. */
export class SecretFileError extends Error {
  override readonly name = 'SecretFileError';
}

/**
 * The text of a file that only its owner may read, or undefined when there is none.
 * @throws SecretFileError when others may read or write it, or it isn't a plain file.
 */
export async function readSecretFile(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r');
    // On the open file, so that nothing can be put in its place between the look and the read.
    const stat = await file.stat();
    if (!stat.isFile()) throw new SecretFileError(`${path}: is not a plain file`);
    if ((stat.mode & 0o077) !== 0) {
      const octal = (stat.mode & 0o777).toString(8).padStart(4, '0');
      throw new SecretFileError(
        `${path}: has mode ${octal}, so others may use its secrets; chmod 600 it, or delete it to have new ones made`,
      );
    }
    if (stat.size > 1_000_000) throw new SecretFileError(`${path}: is too large to be ours`);
    return await file.readFile('utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw cause;
  }
}

/** The value that the text of such a file holds. @throws SecretFileError when it is no strict JSON; quotes none of it */
export function parseSecretJson(path: string, text: string): JsonValue {
  try {
    return parseStrictJson(text);
  } catch (cause) {
    if (!(cause instanceof StrictJsonError)) throw cause;
    throw new SecretFileError(`${path}: is not JSON (${cause.message} at character ${cause.offset + 1})`);
  }
}

/** Writes under a temporary name (mode 0600, synced), then renames: readers see the old file or the new one, whole. */
export async function replaceSecretFile(path: string, text: string): Promise<void> {
  await writeBeside(path, text, rename);
}

/** As `replaceSecretFile`, but leaves a file that is there alone. False when there was one. */
export async function createSecretFile(path: string, text: string): Promise<boolean> {
  try {
    // `link`, unlike `rename`, fails when the name is taken: of two first starts, one makes the keys.
    await writeBeside(path, text, link);
    return true;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return false;
    throw cause;
  }
}

async function writeBeside(
  path: string,
  text: string,
  moveInto: (from: string, to: string) => Promise<void>,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    {
      await using file = await open(temporary, 'wx', 0o600);
      await file.writeFile(text);
      await file.sync();
    }
    await moveInto(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
