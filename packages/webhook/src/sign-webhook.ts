import { createHmac } from 'node:crypto';
import type { WebhookSecret } from './secret.ts';

/** One event as it is sent on. */
export interface WebhookToSign {
  /** The same at each try, so that the receiver knows a repetition. No full stop in it. */
  readonly id: string;
  /** When it is sent, whole seconds since 1970. */
  readonly timestamp: number;
  readonly body: Uint8Array;
  /** While a secret is changed: the new one and the old one, and each signs. */
  readonly secrets: readonly WebhookSecret[];
}

/** The header fields of a Standard Webhooks message: id, time, and a signature for each secret. */
export function signWebhook({ id, timestamp, body, secrets }: WebhookToSign): {
  readonly 'webhook-id': string;
  readonly 'webhook-timestamp': string;
  readonly 'webhook-signature': string;
} {
  const time = String(timestamp);
  const signatures = secrets.map(
    (secret) => `v1,${standardSignature(secret, id, time, body).toString('base64')}`,
  );
  return { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signatures.join(' ') };
}

/** HMAC-SHA256 over `id.timestamp.body`. */
export function standardSignature(
  secret: WebhookSecret,
  id: string,
  timestamp: string,
  body: Uint8Array,
): Buffer {
  return createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body).digest();
}
