export { type WebhookSchemeName, type WebhookSecret, WEBHOOK_SCHEMES, parseWebhookSecret } from './secret.ts';
export { signWebhook, type WebhookToSign } from './sign-webhook.ts';
export {
  ideogramKeyId,
  readWebhookHead,
  verifyWebhook,
  type VerifiedWebhook,
  type WebhookFault,
  type WebhookHeaders,
  type WebhookKeys,
  type WebhookRequest,
} from './verify-webhook.ts';
