import type { EnvironmentName } from '@ideogate/contract';
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { HeldKey, keyIdOf } from './held-key.ts';
import { KeyError } from './key-fault.ts';
import type { KeySlot } from './key-ring.ts';

/** What a sealed key is tied to: moved to another place, it does not open. */
export interface KeyBinding {
  readonly environment: EnvironmentName;
  readonly slot: KeySlot;
  readonly id: string;
}

/**
 * Closes a key so that only a `KeyOpener` on the other side gets it back. A KMS plugs in here: `payload` is what to
 * encrypt, `binding` is for its encryption context (the payload holds it too, and that is what is relied on).
 */
export interface KeySealer {
  seal(payload: Uint8Array, binding: KeyBinding): Promise<Uint8Array>;
}

/** Opens what a `KeySealer` closed; throws when it cannot. */
export interface KeyOpener {
  open(sealed: Uint8Array, binding: KeyBinding): Promise<Uint8Array>;
}

/** Seals to age recipients (`age1…`): whoever holds the identity of one of them can open. */
export function ageSealer(recipients: readonly string[]): KeySealer {
  if (recipients.length === 0) throw new KeyError('there is no recipient to seal a key to');
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch {
      // Somebody may have put an identity in its place: it is not shown.
      throw new KeyError('a recipient is not one of age: it begins with age1');
    }
  }
  return { seal: (payload) => encrypter.encrypt(payload) };
}

/** An age identity, and the recipient that belongs to it. */
export interface AgeIdentity extends KeyOpener {
  readonly recipients: readonly string[];
}

/**
 * Identities out of the text of an identity file: a line each, `#` begins a comment.
 * @param where names the text's place in an error
 * @throws KeyError that never shows the text
 */
export async function ageIdentity(text: string, where: string): Promise<AgeIdentity> {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (lines.length === 0) throw new KeyError(`${where} holds no age identity`);
  const decrypter = new Decrypter();
  const recipients: string[] = [];
  for (const line of lines) {
    try {
      decrypter.addIdentity(line);
      recipients.push(await identityToRecipient(line));
    } catch {
      throw new KeyError(`${where} holds what is no age identity: each line begins with AGE-SECRET-KEY-`);
    }
  }
  return { recipients, open: (sealed) => decrypter.decrypt(sealed) };
}

/** The text of a new identity file. */
export async function newAgeIdentity(): Promise<string> {
  const identity = await generateX25519Identity();
  return `# Opens Ideogate's sealed keys. Whoever has this file and the database has the keys.\n# recipient: ${await identityToRecipient(identity)}\n${identity}\n`;
}

/**
 * Closes a key for one place. Overwrites `key`.
 * @throws what the sealer throws
 */
export async function sealKey(sealer: KeySealer, binding: KeyBinding, key: Buffer): Promise<Buffer> {
  const payload = Buffer.concat([headerOf(binding), key]);
  try {
    return Buffer.from(await sealer.seal(payload, binding));
  } finally {
    payload.fill(0);
    key.fill(0);
  }
}

/**
 * Opens a key of the place it is found in.
 * @throws KeyError when it can't be opened, or belongs elsewhere
 */
export async function openKey(
  opener: KeyOpener,
  binding: KeyBinding,
  sealed: Uint8Array,
  fingerprintSecret: string,
): Promise<HeldKey> {
  const key = await openBytes(opener, binding, sealed);
  if (keyIdOf(key, fingerprintSecret) === binding.id)
    return new HeldKey(key, fingerprintSecret, `the sealed key ${binding.id}`);
  key.fill(0);
  throw new KeyError(
    `the sealed key ${binding.id} opens to a key of another id: is the fingerprint secret of this installation the one it was added with?`,
  );
}

/** Closes an open key's bytes again, for other recipients. */
export async function resealKey(
  opener: KeyOpener,
  sealer: KeySealer,
  binding: KeyBinding,
  sealed: Uint8Array,
): Promise<Buffer> {
  return sealKey(sealer, binding, await openBytes(opener, binding, sealed));
}

async function openBytes(opener: KeyOpener, binding: KeyBinding, sealed: Uint8Array): Promise<Buffer> {
  let payload: Buffer;
  try {
    payload = Buffer.from(await opener.open(sealed, binding));
  } catch {
    throw new KeyError(
      `the sealed key ${binding.id} cannot be opened: it was changed, or sealed to recipients that this gateway has no identity of`,
    );
  }
  const header = headerOf(binding);
  if (!payload.subarray(0, header.length).equals(header)) {
    payload.fill(0);
    throw new KeyError(
      `the sealed key ${binding.id} was made for another place than ${binding.slot} in ${binding.environment}: it is not used`,
    );
  }
  const key = Buffer.from(payload.subarray(header.length));
  payload.fill(0);
  return key;
}

/** What comes before the key in what is encrypted. Age has no associated data: so it is inside. */
function headerOf({ environment, slot, id }: KeyBinding): Buffer {
  return Buffer.from(`ideogate sealed key 1\n${environment}\n${slot}\n${id}\n\n`);
}
