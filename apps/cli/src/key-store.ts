import type { Settings } from '@ideogate/config';
import { auditAction } from '@ideogate/audit/append';
import { errorCode } from '@ideogate/contract';
import { currentUser, readInstallationKey } from '@ideogate/data-dir';
import {
  addKey,
  type KeySlot,
  type KeyStore,
  openKeyStore,
  readKeySources,
  readNewKey,
  type StoredKey,
  type Transitions,
} from '@ideogate/upstream-keys';
import { describeError } from './describe-error.ts';
import { CommandError, EXIT } from './exit-codes.ts';
import { actorOf, loginOf, type RunningProduct, runningProduct } from './running-product.ts';
import { hiddenAnswer } from './terminal.ts';

/** What a command on keys works with. */
export interface KeyWork {
  readonly product: RunningProduct;
  readonly store: KeyStore;
}

/** Opens the sealed store of the running product for a command. */
export async function withKeyStore(
  settings: Settings,
  work: (with_: KeyWork) => Promise<number>,
): Promise<number> {
  const product = runningProduct(settings);
  const url = loginOf(product, 'keys-put');
  let store: KeyStore | undefined;
  try {
    store = await openKeyStore(url);
    return await work({ product, store });
  } catch (error) {
    if (describeError(error) !== null || errorCode(error) === 'unreadable') throw error;
    throw new CommandError(
      EXIT.failed,
      `The store of keys cannot be reached (${errorCode(error)}): is its database up? Give the same command again: it goes on where it was.`,
    );
  } finally {
    await store?.end();
  }
}

/** How a command takes steps with keys: each is in the record first. */
export function transitionsOf({ product, store }: KeyWork, command: string): Transitions {
  return {
    store,
    who: currentUser(),
    announce: (keyId, detail) => auditAction(actorOf(product), 'key-changed', command, detail, keyId),
  };
}

/**
 * The bytes of a new key: of a file, of standard input (`-`), or of a person who is asked and does not see them.
 * @throws CommandError that never shows them
 */
export async function newKeyBytes(from: string | undefined, question: string): Promise<Buffer> {
  if (from === undefined) return hiddenAnswer(question);
  try {
    return readNewKey(from);
  } catch (error) {
    throw new CommandError(
      EXIT.invalidInput,
      `${from} cannot be read (${errorCode(error)}): check the path, its rights, and that it holds a key alone.`,
    );
  }
}

/**
 * Puts a key into a slot of the sealed store, pending. Overwrites the bytes.
 * @returns its id
 * @throws RotationError, KeyBindingError, DataDirError, UnauditedError
 */
export function addNewKey(work: KeyWork, slot: KeySlot, bytes: Buffer, command: string): Promise<string> {
  const { data, dir, environment } = work.product;
  const place = {
    environment,
    slot,
    data,
    fingerprintSecret: readInstallationKey(dir, 'fingerprint'),
    recipients: readKeySources(dir).recipients,
  };
  return addKey(transitionsOf(work, command), place, bytes);
}

/** The slot that `--for` names. @throws CommandError when it is neither of the two */
export function readSlot(text: string): KeySlot {
  if (text === 'read' || text === 'write') return text;
  throw new CommandError(EXIT.invalidInput, '--for is read or write.');
}

/** The one key that an id, or the beginning of one, names. */
export function keyNamed(keys: readonly StoredKey[], id: string, slot: string | undefined): StoredKey {
  const found = keys.filter((key) => key.id.startsWith(id) && (slot === undefined || key.slot === slot));
  const [key, ...others] = found;
  if (key !== undefined && others.length === 0) return key;
  throw new CommandError(
    EXIT.invalidInput,
    key === undefined
      ? `The store has no key ${id}: see keys list.`
      : `${id} names ${found.length} keys: give more of it, or --for read or write.`,
  );
}
