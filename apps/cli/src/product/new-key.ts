import { closeSync, openSync } from 'node:fs';
import {
  ageSealer,
  faultOfKey,
  keyIdOf,
  type KeySlot,
  type KeyStore,
  readAtMost,
  sealKey,
  StoreError,
} from '@ideogate/upstream-keys';
import { join } from 'node:path';
import { CommandError, EXIT } from '../exit-codes.ts';
import { hiddenAnswer } from '../terminal.ts';
import { codeOf, loadOrCreateSecrets, type ReadyFile } from './data-folder.ts';
import { claimKey } from './key-claims.ts';
import { noteDoing } from './record-read.ts';
import { whoever } from './whoever.ts';

/** More than any key. */
const MAX_BYTES = 4096;
const STANDARD_INPUT = 0;

/**
 * The bytes of a new key: of a file, of standard input (`-`), or of a person who is asked and does not see them.
 * @throws CommandError that never shows them
 */
export async function newKeyBytes(from: string | undefined, question: string): Promise<Buffer> {
  if (from === undefined) return hiddenAnswer(question);
  let bytes: Buffer;
  try {
    bytes = from === '-' ? readAtMost(STANDARD_INPUT, MAX_BYTES) : readAll(from);
  } catch (error) {
    throw new CommandError(
      EXIT.invalidInput,
      `${from} cannot be read (${codeOf(error)}): check the path, its rights, and that it holds a key alone.`,
    );
  }
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end--;
  const key = Buffer.from(bytes.subarray(0, end));
  bytes.fill(0);
  return key;
}

/** A pipe too: what a password manager writes need not touch a disk. */
function readAll(file: string): Buffer {
  const descriptor = openSync(file, 'r');
  try {
    return readAtMost(descriptor, MAX_BYTES);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Puts a key into a slot of the sealed store, pending. Overwrites the bytes.
 * @returns its id
 * @throws CommandError
 */
export async function putKey(
  data: string,
  ready: ReadyFile,
  store: KeyStore,
  slot: KeySlot,
  bytes: Buffer,
  command: string,
): Promise<string> {
  const { environment, keyRecipients } = ready;
  if (keyRecipients === null) throw new CommandError(EXIT.invalidInput, NOT_SEALED);
  const fault = faultOfKey(bytes.toString('latin1'));
  if (fault !== null) throw new CommandError(EXIT.invalidInput, `What was given ${fault}.`);
  const id = keyIdOf(bytes, loadOrCreateSecrets(join(data, environment)).fingerprint);
  claimKey(data, environment, (secret) => keyIdOf(bytes, secret), 'What was given');
  const binding = { environment, slot, id };
  const sealed = await sealKey(ageSealer(keyRecipients), binding, bytes);
  await noteDoing(ready, 'key-changed', command, { slot, step: 'pending' }, id);
  try {
    await store.put(binding, sealed, whoever());
  } catch (error) {
    if (error instanceof StoreError)
      throw new CommandError(EXIT.invalidInput, `The key was not put: ${error.message}.`);
    throw error;
  }
  return id;
}

const NOT_SEALED =
  'The running gateway takes its keys from variables and files. For the sealed store, start it with IDEOGATE_KEYS=sealed.';
