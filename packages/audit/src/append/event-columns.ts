import type { AuditEvent, DecisionEvent, NoticeEvent, OutcomeEvent } from '@ideogate/contract';
import type { auditEvent } from '../database/schema.ts';
import {
  MAX_TEXT_BYTES,
  storableBigint,
  storableDetail,
  storableInteger,
  storableList,
  storableText,
} from '../storable.ts';

type Row = typeof auditEvent.$inferSelect;

/** What a writer adds to an event when it takes its place in the chain. */
type ChainColumn = 'writer' | 'seq' | 'at' | 'prevHash' | 'hash';

/** A path that nobody is known to have asked for: longer than any operation's, and no way to fill a disk. */
const MAX_ANONYMOUS_RESOURCE_BYTES = 256;

/** An event as the table holds it, before it has a place in the chain. All text is storable. */
export type EventColumns = Omit<Row, ChainColumn> & {
  /** When it happened by the gateway's clock, microseconds. */
  readonly atMicros: bigint;
};

type OnlyDecision =
  | 'address'
  | 'proxy'
  | 'method'
  | 'resource'
  | 'scopeNeeded'
  | 'scopeHeld'
  | 'level'
  | 'rule'
  | 'release'
  | 'keyId'
  | 'traceId';
type OnlyOutcome =
  | 'upstreamStatus'
  | 'bytesSent'
  | 'bytesReceived'
  | 'firstByteMs'
  | 'durationMs'
  | 'images'
  | 'costUsdMicros'
  | 'safe'
  | 'made'
  | 'promptDigest'
  | 'promptLength'
  | 'promptSealed';

const NO_DECISION: Pick<EventColumns, OnlyDecision> = {
  address: null,
  proxy: null,
  method: null,
  resource: null,
  scopeNeeded: null,
  scopeHeld: null,
  level: null,
  rule: null,
  release: null,
  keyId: null,
  traceId: null,
};

const NO_OUTCOME: Pick<EventColumns, OnlyOutcome> = {
  upstreamStatus: null,
  bytesSent: null,
  bytesReceived: null,
  firstByteMs: null,
  durationMs: null,
  images: null,
  costUsdMicros: null,
  safe: null,
  made: null,
  promptDigest: null,
  promptLength: null,
  promptSealed: null,
};

/** The columns of an event. Never throws for any string or number in it. */
export function eventColumns(event: AuditEvent): EventColumns {
  switch (event.kind) {
    case 'decision':
      return decisionColumns(event);
    case 'outcome':
      return outcomeColumns(event);
    case 'notice':
      return noticeColumns(event);
  }
}

/** The outcome of a decision that committed after its call had been answered 503. */
export function notForwarded(decision: EventColumns, atMicros: bigint): EventColumns {
  const waited = atMicros > decision.atMicros ? Number((atMicros - decision.atMicros) / 1_000n) : 0;
  return {
    ...decision,
    ...NO_DECISION,
    ...NO_OUTCOME,
    kind: 'outcome',
    atMicros,
    result: 'not-forwarded' satisfies OutcomeEvent['result'],
    problem: 'record-unavailable',
    reason: 'committed-late',
    status: 503,
    bytesSent: 0n,
    bytesReceived: 0n,
    durationMs: storableInteger(waited),
    images: 0,
    costUsdMicros: 0n,
    made: [],
  };
}

/** Why nobody knows how a call ended. */
export type GapReason =
  /** Its writer went without closing its chain, or has had no way to the database since. */
  | 'writer-died'
  /** Its writer lives or stopped in order: the outcome was lost on its way, as when the database was away for long. */
  | 'database-away';

/** What an outcome repeats of its decision. */
export type CallOfOutcome = Pick<
  EventColumns,
  'callId' | 'environment' | 'issuer' | 'subject' | 'clientId' | 'tokenId' | 'actor' | 'operation'
>;

/** The outcome that closes a gap. @param call as the record holds it: its text is storable already */
export function unknownOutcome(call: CallOfOutcome, reason: GapReason, atMicros: bigint): EventColumns {
  return {
    ...NO_DECISION,
    ...NO_OUTCOME,
    ...call,
    kind: 'outcome',
    atMicros,
    result: 'unknown' satisfies OutcomeEvent['result'],
    problem: null,
    reason,
    status: null,
    detail: null,
  };
}

function decisionColumns(event: DecisionEvent): EventColumns {
  return {
    ...common(event),
    ...NO_OUTCOME,
    kind: 'decision',
    detail: null,
    address: textOrNull(event.address),
    proxy: textOrNull(event.proxy),
    method: textOrNull(event.method),
    resource:
      event.resource === null
        ? null
        : storableText(
            event.resource,
            event.subject === null ? MAX_ANONYMOUS_RESOURCE_BYTES : MAX_TEXT_BYTES,
          ),
    scopeNeeded: textOrNull(event.scopeNeeded),
    scopeHeld: textOrNull(event.scopeHeld),
    level: event.level,
    rule: textOrNull(event.rule),
    release: textOrNull(event.release),
    keyId: textOrNull(event.keyId),
    traceId: textOrNull(event.traceId),
  };
}

function outcomeColumns(event: OutcomeEvent): EventColumns {
  return {
    ...common(event),
    ...NO_DECISION,
    kind: 'outcome',
    detail: null,
    upstreamStatus: integerOrNull(event.upstreamStatus),
    bytesSent: storableBigint(event.bytesSent),
    bytesReceived: storableBigint(event.bytesReceived),
    firstByteMs: integerOrNull(event.firstByteMs),
    durationMs: storableInteger(event.durationMs),
    images: integerOrNull(event.images),
    costUsdMicros: event.costUsdMicros === null ? null : storableBigint(event.costUsdMicros),
    safe: event.safe,
    made: storableList(event.made),
    promptDigest: textOrNull(event.promptDigest),
    promptLength: integerOrNull(event.promptLength),
    // Made here of letters and digits, and longer than texts from outside may be.
    promptSealed: event.promptSealed,
  };
}

function noticeColumns(event: NoticeEvent): EventColumns {
  return {
    ...NO_DECISION,
    ...NO_OUTCOME,
    kind: 'notice',
    atMicros: event.atMicros,
    callId: null,
    environment: event.environment,
    issuer: null,
    subject: textOrNull(event.subject),
    clientId: null,
    tokenId: null,
    actor: null,
    operation: textOrNull(event.operation),
    result: event.result,
    problem: textOrNull(event.problem),
    reason: textOrNull(event.reason),
    status: null,
    release: textOrNull(event.release),
    keyId: textOrNull(event.keyId),
    detail: storableDetail(event.detail),
  };
}

function common(
  event: DecisionEvent | OutcomeEvent,
): Pick<
  EventColumns,
  'atMicros' | Exclude<keyof Row, ChainColumn | OnlyDecision | OnlyOutcome | 'kind' | 'detail'>
> {
  return {
    atMicros: event.atMicros,
    callId: event.callId,
    environment: event.environment,
    issuer: textOrNull(event.issuer),
    subject: textOrNull(event.subject),
    clientId: textOrNull(event.clientId),
    tokenId: textOrNull(event.tokenId),
    actor: textOrNull(event.actor),
    operation: textOrNull(event.operation),
    result: event.result,
    problem: textOrNull(event.problem),
    reason: textOrNull(event.reason),
    status: integerOrNull(event.status),
  };
}

function textOrNull(text: string | null): string | null {
  return text === null ? null : storableText(text);
}

function integerOrNull(value: number | null): number | null {
  return value === null ? null : storableInteger(value);
}
