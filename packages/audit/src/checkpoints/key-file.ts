import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { errorCode } from '@ideogate/contract';
import {
  KeyTextError,
  makeSigningKey,
  parseSigningKey,
  parseVerifierKey,
  type SigningKey,
  type VerifierKey,
} from './note.ts';

/**
 * The key that signs checkpoints, in a file of its own: `<file>` holds it (0600), `<file>.next` the one that is to
 * take its place, `<file>.retired` the public keys of those before, one a line. The signer reads them; only
 * `prepareNextKey` and the signer write them.
 */
export interface CheckpointKeys {
  current(): SigningKey;
  /** The key to change to, or null. */
  next(): SigningKey | null;
  /** Puts the next key in the current one's place. Done twice, it does nothing. */
  change(): void;
  /**
   * Keys whose word counts by itself: the current one's and the next. A retired key's, which may be retired because it
   * was stolen, counts where a later checkpoint vouches for what it signed.
   */
  inForce(): readonly VerifierKey[];
  /** Every public key there is: the current one first, then the next, then the retired. */
  publicKeys(): readonly VerifierKey[];
}

/** A file of the signing key can't be used; the message says why, and holds nothing of the key. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError';
}

/**
 * Opens the key file, and makes it if `name` says whose key it would be.
 * @param name of a key that is made: `ideogate/staging`
 * @throws KeyFileError with words for the operator
 */
export function openCheckpointKeys(file: string, name?: string): CheckpointKeys {
  try {
    return openKeys(file, name);
  } catch (error) {
    if (error instanceof KeyFileError) throw error;
    throw new KeyFileError(`${file}: ${errorCode(error)}`);
  }
}

function openKeys(file: string, name?: string): CheckpointKeys {
  if (!existsSync(file)) {
    if (name === undefined) throw new KeyFileError(`there is no signing key in ${file}`);
    putKey(file, makeSigningKey(name));
  }
  const keys: CheckpointKeys = {
    current: () => readKey(file),
    next: () => (existsSync(nextOf(file)) ? readKey(nextOf(file)) : null),
    change: () => changeKey(file),
    inForce: () => [keys.current().verifier, ...nextPublic(keys)],
    publicKeys: () => [...keys.inForce(), ...retiredKeys(file)],
  };
  keys.current();
  return keys;
}

/**
 * Makes the key that is to take the current one's place; one that is there already is kept.
 * @returns its public key
 * @throws KeyFileError
 */
export function prepareNextKey(file: string): VerifierKey {
  const keys = openCheckpointKeys(file);
  const waiting = keys.next();
  if (waiting !== null) return waiting.verifier;
  const next = makeSigningKey(keys.current().verifier.name);
  putKey(nextOf(file), next);
  return next.verifier;
}

function changeKey(file: string): void {
  if (!existsSync(nextOf(file))) return;
  appendFileSync(retiredOf(file), `${readKey(file).verifier.text}\n`);
  renameSync(nextOf(file), file);
}

function nextPublic(keys: CheckpointKeys): readonly VerifierKey[] {
  const next = keys.next();
  return next === null ? [] : [next.verifier];
}

function retiredKeys(file: string): readonly VerifierKey[] {
  if (!existsSync(retiredOf(file))) return [];
  const texts = new Set(readFileSync(retiredOf(file), 'utf8').split('\n').filter(Boolean));
  return [...texts].map((text) => inFile(retiredOf(file), () => parseVerifierKey(text)));
}

function readKey(file: string): SigningKey {
  return inFile(file, () => parseSigningKey(readFileSync(file, 'utf8')));
}

function inFile<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof KeyTextError) throw new KeyFileError(`${file} holds ${error.message}`);
    throw error;
  }
}

/** Whole or not at all, on disk, and for its owner's eyes: a key that signed must not be lost to a power cut. */
function putKey(file: string, { text }: SigningKey): void {
  const temporary = `${file}.${process.pid}.tmp`;
  const descriptor = openSync(temporary, 'w', 0o600);
  writeSync(descriptor, `${text}\n`);
  fsyncSync(descriptor);
  closeSync(descriptor);
  renameSync(temporary, file);
}

function nextOf(file: string): string {
  return `${file}.next`;
}

function retiredOf(file: string): string {
  return `${file}.retired`;
}
