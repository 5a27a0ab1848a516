import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { CallId } from '@ideogate/contract';
import { type Month, parseMonth } from '../month.ts';
import type { MonthKey } from './wrapped-key.ts';

/**
 * A prompt as the record keeps it: `<month>:<base64(nonce || ciphertext || tag)>`, AES-256-GCM under the month's key for
 * prompts, bound to month and call, so that it can't be put beside another call. At most the first
 * `MAX_KEPT_BYTES` of it are kept; the event's `prompt_length` is that of the whole, and so says what is missing.
 */
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Of the prompt in UTF-8; no character is halved. */
const MAX_KEPT_BYTES = 4_096;

const encoder = new TextEncoder();

/** The month, a colon, and the prompt's first 4,096 bytes encrypted for this call alone, in base64. */
export function sealPrompt(key: MonthKey, month: Month, callId: CallId, prompt: string): string {
  const kept = new Uint8Array(MAX_KEPT_BYTES);
  const { written } = encoder.encodeInto(prompt, kept);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key.prompts, nonce).setAAD(boundTo(month, callId));
  const sealed = [nonce, cipher.update(kept.subarray(0, written)), cipher.final(), cipher.getAuthTag()];
  return `${month}:${Buffer.concat(sealed).toString('base64')}`;
}

/** The month whose key opens it, or undefined when this is no sealed prompt. */
export function monthOfSealed(sealed: string): Month | undefined {
  return sealed[7] === ':' ? parseMonth(sealed.slice(0, 7)) : undefined;
}

/** The prompt, as far as it was kept; null when it isn't this call's, isn't under this key, or was changed. */
export function openSealed(key: MonthKey, month: Month, callId: CallId, sealed: string): string | null {
  const bytes = Buffer.from(sealed.slice(month.length + 1), 'base64');
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
  const decipher = createDecipheriv(CIPHER, key.prompts, bytes.subarray(0, NONCE_BYTES))
    .setAAD(boundTo(month, callId))
    .setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const text = [decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()];
    return Buffer.concat(text).toString('utf8');
  } catch {
    return null;
  }
}

function boundTo(month: Month, callId: CallId): Buffer {
  return Buffer.from(`${month} ${callId} prompt`);
}
