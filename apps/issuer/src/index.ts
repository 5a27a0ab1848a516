export { type ClientSecret, loadOrCreateClients } from './clients.ts';
export {
  createIssuer,
  type Issuer,
  type IssuerConfig,
  IssuerConfigError,
  type IssuerDeps,
} from './issuer.ts';
export { type IssuerCounts, REFUSAL_REASONS } from './counts.ts';
export { AUTHENTICATION_FAULTS } from './client-authentication.ts';
export { type AuthenticationFailure, type FailureSum, FailureSums } from './failures.ts';
export type { FromIssuer, IssuerSetUp, ToIssuer } from './messages.ts';
export type { IssuerLimits } from './settings.ts';
export { type IssuerKeys, loadOrCreateIssuerKeys } from './issuer-keys.ts';
export { SecretFileError } from './secret-file.ts';
export type { CallerGrant } from './scopes-to-give.ts';
