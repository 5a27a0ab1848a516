export { watchKeyAges } from './key-ages.ts';
export { openGatewayKillSwitch } from './kill-switch.ts';
export { readTrustedIssuers, requireNamedIssuers } from './trusted-issuers.ts';
export {
  type KeyCheckCall,
  readKeyCheck,
  readUpstream,
  refuseKeysOfOthers,
  type UpstreamChoice,
} from './upstream-choice.ts';
export {
  emulatorKeys,
  followSealedKeys,
  type GatewayKeys,
  openConfiguredKeys,
} from './upstream-keys.ts';
export { readWebhookEndpoints, type WebhookEndpointConfig } from './webhook-endpoints.ts';
export { openWebhooks } from './webhooks.ts';
