import { closeSync, openSync } from 'node:fs';
import type { EnvironmentName } from '@ideogate/contract';
import { keyIdOf } from '../held-key.ts';
import { bindKey } from '../key-environment-binding.ts';
import { faultOfKey } from '../key-fault.ts';
import type { KeySlot } from '../key-ring.ts';
import { readAtMost } from '@ideogate/config';
import { ageSealer, sealKey } from '../sealing.ts';
import { StoreError } from '../store/key-store.ts';
import { RotationError } from './rotation-error.ts';
import type { Transitions } from './transition.ts';

/** More than any key. */
const MAX_BYTES = 4096;
const STANDARD_INPUT = 0;

/**
 * The bytes of a new key, of a file or of standard input (`-`), without the line break at its end.
 * @throws what the system says
 */
export function readNewKey(from: string): Buffer {
  const bytes = from === '-' ? readAtMost(STANDARD_INPUT, MAX_BYTES) : readAll(from);
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

/** Where a new key goes. */
export interface KeyPlace {
  readonly environment: EnvironmentName;
  readonly slot: KeySlot;
  /** The data folder, which binds the key to the environment. */
  readonly data: string;
  readonly fingerprintSecret: string;
  /** Who it is sealed to; null when the gateway's keys do not come from the store. */
  readonly recipients: readonly string[] | null;
}

/**
 * Puts a key into a slot of the sealed store, pending.
 * @returns its id
 * @throws RotationError, KeyBindingError, KeyError
 */
export async function addKey(by: Transitions, place: KeyPlace, bytes: Buffer): Promise<string> {
  const { environment, slot, data, fingerprintSecret, recipients } = place;
  if (recipients === null) throw new RotationError('not-sealed', NOT_SEALED);
  const fault = faultOfKey(bytes.toString('latin1'));
  if (fault !== null) throw new RotationError('not-put', `What was given ${fault}.`);
  const id = keyIdOf(bytes, fingerprintSecret);
  bindKey(data, environment, (secret) => keyIdOf(bytes, secret), 'What was given');
  const binding = { environment, slot, id };
  const sealed = await sealKey(ageSealer(recipients), binding, bytes);
  await by.announce(id, { slot, step: 'pending' });
  try {
    await by.store.put(binding, sealed, by.who);
  } catch (error) {
    if (error instanceof StoreError)
      throw new RotationError('not-put', `The key was not put: ${error.message}.`);
    throw error;
  }
  return id;
}

const NOT_SEALED =
  'The running gateway takes its keys from variables and files. For the sealed store, start it with IDEOGATE_KEYS=sealed.';
