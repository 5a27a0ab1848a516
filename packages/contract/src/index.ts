export type {
  AuditEvent,
  Caller,
  DecisionEvent,
  NoticeEvent,
  NoticeName,
  OutcomeEvent,
  OutcomeResult,
} from './audit-event.ts';
export { type CallId, parseCallId } from './call-id.ts';
export { didYouMean } from './did-you-mean.ts';
export { errorCode } from './error-code.ts';
export { ENVIRONMENTS, type EnvironmentName, isEnvironmentName } from './environments.ts';
export { FaultError } from './fault-error.ts';
export { faultOf } from './fault-of.ts';
export { isLoopback } from './loopback.ts';
export type { Bound, Capability, ContentType, Field, Method, Operation, PriceRule } from './operation.ts';
export { isProblemCode, PROBLEMS, type Problem, type ProblemCode } from './problems.ts';
export { type NetworkReason, networkReason, type Reason, REASONS } from './reasons.ts';
export {
  isReadScope,
  isWildcard,
  parseScope,
  parseScopePattern,
  SCOPE_NAMES,
  SCOPES,
  type ScopeName,
  type ScopePattern,
  WILDCARDS,
  type Wildcard,
} from './scopes.ts';
export {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseStrictJson,
  parseStrictJsonBytes,
} from './strict-json.ts';
export {
  JsonBoundError,
  type JsonVisitor,
  MAX_JSON_DEPTH,
  MAX_JSON_VALUES,
  NumberFormError,
  StrictJsonError,
  type StrictJsonOptions,
  StrictJsonReader,
} from './strict-json-reader.ts';
