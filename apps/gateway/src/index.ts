export {
  ConfigError,
  type GatewayConfig,
  type GatewayPlace,
  isLoopback,
  readGatewayConfig,
} from './config.ts';
export { createGateway, type GatewayDeps, type Log } from './gateway.ts';
export { serveMetrics } from './metrics.ts';
