import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import type { EnvironmentName } from '@ideogate/contract';
import type { Month } from '../month.ts';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What wraps the keys of one environment's months: only who has the installation's secret can make it. */
export interface Wrapping {
  readonly environment: EnvironmentName;
  readonly key: KeyObject;
}

/** @param secret of the installation; at least 16 random bytes, however they are written */
export function wrappingOf(secret: string, environment: EnvironmentName): Wrapping {
  return { environment, key: derive(Buffer.from(secret), `ideogate wrapping of month keys, ${environment}`) };
}

/** A new random key, wrapped: nonce, ciphertext, tag. */
export function newWrappedKey(wrapping: Wrapping, month: Month): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, wrapping.key, nonce).setAAD(boundTo(wrapping, month));
  return Buffer.concat([nonce, cipher.update(randomBytes(KEY_BYTES)), cipher.final(), cipher.getAuthTag()]);
}

/** What a month's key is used for, each with a key of its own derived from it. */
export interface MonthKey {
  /** Prompts are digested under it. */
  readonly digests: KeyObject;
  /** Prompts that policy lets the record keep are sealed under it. */
  readonly prompts: KeyObject;
}

/** The month's key; null when the wrapping isn't this one, or isn't this month's. */
export function openWrappedKey(wrapping: Wrapping, month: Month, wrapped: Buffer): MonthKey | null {
  const decipher = createDecipheriv(CIPHER, wrapping.key, wrapped.subarray(0, NONCE_BYTES))
    .setAAD(boundTo(wrapping, month))
    .setAuthTag(wrapped.subarray(-TAG_BYTES));
  try {
    const key = Buffer.concat([decipher.update(wrapped.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    return {
      digests: derive(key, 'ideogate prompt digests'),
      prompts: derive(key, 'ideogate sealed prompts'),
    };
  } catch {
    return null;
  }
}

/** So that a wrapped key moved to another month, or to another environment's database, doesn't open. */
function boundTo({ environment }: Wrapping, month: Month): Buffer {
  return Buffer.from(`${environment} ${month}`);
}

function derive(secret: Buffer, use: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', use, KEY_BYTES)));
}
