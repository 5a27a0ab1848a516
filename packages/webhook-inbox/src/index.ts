export { deliverWebhooks, type Delivery, type DeliveryOptions, type Subscriber } from './deliver.ts';
export { openInbox, type ReceivedWebhook, type WebhookInbox } from './inbox.ts';
export {
  isWebhookState,
  type KeptWebhook,
  listWebhooks,
  replayWebhooks,
  WEBHOOK_STATES,
  type WebhookFilter,
} from './letters.ts';
export { openWebhookPool } from './pool.ts';
