import { parseWebhookSecret, type WebhookSecret } from '@ideogate/webhook';

export const SECRET: WebhookSecret = fit(
  parseWebhookSecret('standard', `whsec_${Buffer.alloc(32, 'fake').toString('base64')}`),
);

function fit(secret: WebhookSecret | null): WebhookSecret {
  if (secret === null) throw new Error('not a secret');
  return secret;
}
