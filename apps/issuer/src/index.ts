export { type ClientSecret, loadOrCreateClients } from './clients.ts';
export {
  createIssuer,
  type Issuer,
  type IssuerConfig,
  IssuerConfigError,
  type IssuerDeps,
} from './issuer.ts';
export { type IssuerKeys, loadOrCreateIssuerKeys } from './issuer-keys.ts';
export type { CallerGrant } from './scopes-to-give.ts';
