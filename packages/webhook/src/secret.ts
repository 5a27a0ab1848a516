import { createSecretKey, type KeyObject } from 'node:crypto';

/**
 * How a webhook is signed. `ideogram`: Ed25519, as Ideogram signs its own. `hmac-sha256`: hex of an HMAC over the body.
 * `standard`: Standard Webhooks (standardwebhooks.com), the form in which Ideogate sends events on.
 */
export const WEBHOOK_SCHEMES = ['ideogram', 'hmac-sha256', 'standard'] as const;

/** How a sender signs: one of `WEBHOOK_SCHEMES`. */
export type WebhookSchemeName = (typeof WEBHOOK_SCHEMES)[number];

/** A shared secret that was read and found fit; printed or logged it shows nothing. */
export type WebhookSecret = KeyObject & { readonly webhookSecret: true };

/** A shorter one could be guessed; a longer one than this is not of the standard. */
const MIN_BYTES = 24;
const MAX_BYTES = 64;

/**
 * Reads a shared secret: of `standard`, `whsec_` and base64 of 24 to 64 bytes; of `hmac-sha256`, any text of 24 bytes
 * or more. Null when it is neither; what was wrong with it is not said, for it may nearly be one.
 */
export function parseWebhookSecret(
  scheme: Exclude<WebhookSchemeName, 'ideogram'>,
  text: string,
): WebhookSecret | null {
  if (scheme === 'hmac-sha256') return text.trim() === text ? fit(Buffer.from(text), 4096) : null;
  const [, base64] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  if (base64 === undefined) return null;
  const bytes = Buffer.from(base64, 'base64');
  // Another spelling of the same bytes would be a secret that two libraries read differently.
  return bytes.toString('base64') === base64 ? fit(bytes, MAX_BYTES) : null;
}

function fit(bytes: Buffer, most: number): WebhookSecret | null {
  if (bytes.length < MIN_BYTES || bytes.length > most) return null;
  return createSecretKey(bytes) as WebhookSecret; // as: the brand says that it passed these checks
}
