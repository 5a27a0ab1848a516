export {
  callsEndWithinMs,
  ConfigError,
  type GatewayConfig,
  type GatewayPlace,
  readGatewayConfig,
} from './config.ts';
export type { GatewayDeps, Log } from './context.ts';
export { listen } from './edge/listen.ts';
export { assembleGateway } from './startup/assembly.ts';
export { serveOperations } from './routes/operations-port.ts';
export { probeUpstream } from './upstream/probe-connection.ts';
export {
  ideogramEndpoint,
  secretEndpoint,
  type IncomingWebhooks,
  type WebhookEndpoint,
} from './webhook-endpoints.ts';
