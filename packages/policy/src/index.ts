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
export { checkQuery, type Level } from './check-query.ts';
export type { BodyOptions, BodyReader } from './body-reader.ts';
export type { WebhookUrls } from './own-webhook.ts';
export { ByteBuffer } from './byte-buffer.ts';
export { openBody } from './open-body.ts';
export type { RequestFault, RequestFaultReason } from './request-fault.ts';
export type { FieldValue } from './watched-fields.ts';
