export { probeUpstream } from '@ideogate/gateway';
export { type ProductConfig, readProductConfig } from './product-config.ts';
export { startProduct } from './start.ts';
