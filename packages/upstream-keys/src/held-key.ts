import { createHmac, randomFillSync } from 'node:crypto';
import { inspect } from 'node:util';
import { faultOfKey, KeyError } from './key-fault.ts';
import type { KeySearch } from './key-search.ts';

/** A key as the rest of Ideogate sees it. */
export interface UpstreamKey {
  readonly id: string;
  /** Sets the upstream's credential header. Call it last, when nothing looks at the fields any more. */
  setHeader(headers: Record<string, string>): void;
}

/**
 * The id by which a key is known everywhere: a fingerprint under a secret of the installation, which reveals nothing
 * of the key to who does not hold the secret.
 */
export function keyIdOf(key: Uint8Array, fingerprintSecret: string): string {
  const mac = createHmac('sha256', fingerprintSecret).update('ideogate key id\0').update(key);
  return `key_${mac.digest('hex').slice(0, 16)}`;
}

/**
 * The one place where a key's plain text is. It goes into a header, and is looked for in what comes back; it is never
 * handed out. Inspection, JSON and string forms show the id.
 */
export class HeldKey implements UpstreamKey {
  readonly id: string;
  readonly #bytes: Buffer;
  /** A header's value must be a string: made at first use, once, and let go of with the key. */
  #text: string | null = null;

  /** @throws KeyError; see `holdKey` */
  constructor(bytes: Buffer, fingerprintSecret: string, where: string) {
    const fault = faultOfKey(bytes.toString('latin1'));
    if (fault !== null) throw new KeyError(`${where} ${fault}`);
    this.#bytes = bytes;
    this.id = keyIdOf(bytes, fingerprintSecret);
  }

  setHeader(headers: Record<string, string>): void {
    headers['api-key'] = this.#asText();
  }

  /** Overwrites the plain text. With random bytes: zeros would be found in many an image. */
  destroy(): void {
    randomFillSync(this.#bytes);
    this.#text = null;
  }

  /** From now on a search looks for these keys, and for no other. */
  static seek(keys: Iterable<HeldKey>, search: KeySearch): void {
    const texts: Buffer[] = [];
    for (const key of keys) texts.push(key.#bytes);
    search.replace(texts);
  }

  toJSON(): string {
    return this.id;
  }

  [inspect.custom](): string {
    return this.id;
  }

  #asText(): string {
    return (this.#text ??= this.#bytes.toString('latin1'));
  }
}

/**
 * Takes over `bytes`, which nobody else may keep.
 * @param where names the key's place in an error, e.g. `IDEOGRAM_READ_KEY`
 * @throws KeyError
 */
export function holdKey(bytes: Buffer, fingerprintSecret: string, where: string): HeldKey {
  return new HeldKey(bytes, fingerprintSecret, where);
}
