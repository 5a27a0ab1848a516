export { type AuthorizationRequest, type Decision, decide, type RefusalReason } from './decide.ts';
export { type ParsedPolicy, parsePolicy, type PolicyFile } from './parse/parse-policy.ts';
export { formatFault, type PolicyFault } from './parse/policy-fault.ts';
export type {
  CallerIdentity,
  CallerPolicy,
  EnvironmentPolicy,
  Release,
  Retention,
  Scopes,
} from './release.ts';
export { expandPattern, type Grant, grantedScopes, grantOf } from './scope-patterns.ts';
