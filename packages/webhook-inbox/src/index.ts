export { deliverWebhooks, type DeliveryOptions, type DeliveryRunner, type Subscriber } from './deliver.ts';
export { openInbox, type ReceivedWebhook, type WebhookInbox } from './inbox.ts';
export {
  isWebhookState,
  type KeptWebhook,
  listWebhooks,
  replayWebhooks,
  WEBHOOK_STATES,
  type WebhookFilter,
} from './deliveries.ts';
export { openWebhookPool } from './pool.ts';
