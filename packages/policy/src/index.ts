export { type Ask, type Decision, decide, type RefusalReason } from './decide.ts';
export { type ParsedPolicy, parsePolicy, type PolicyFile } from './parse-policy.ts';
export { formatFault, type PolicyFault } from './policy-fault.ts';
export type {
  CallerIdentity,
  CallerPolicy,
  EnvironmentPolicy,
  Release,
  Retention,
  Scopes,
} from './release.ts';
export { expandPattern, type Grant, grantedScopes, grantOf } from './scope-patterns.ts';
