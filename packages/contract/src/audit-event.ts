import type { CallId } from './call-id.ts';
import type { EnvironmentName } from './environments.ts';

/** What every event of the record carries: when, and where. */
interface EventBase {
  /** Microseconds since the Unix epoch, by the gateway's clock, never going back within a writer. */
  readonly atMicros: bigint;
  readonly environment: EnvironmentName;
}

/** Who called, as far as the token proved it. All null when nothing was proved. */
export interface Caller {
  readonly issuer: string | null;
  /** The token's `sub`. */
  readonly subject: string | null;
  readonly clientId: string | null;
  /** The token's `jti`. */
  readonly tokenId: string | null;
  /** Subject of the token's outermost `act` (RFC 8693 section 4.1): who acts for `subject`. */
  readonly actor: string | null;
}

/**
 * The record of what was decided, written before anything is forwarded. `result: 'refused'` is final:
 * no outcome follows.
 */
export interface DecisionEvent extends EventBase, Caller {
  readonly kind: 'decision';
  readonly callId: CallId;
  readonly result: 'allowed' | 'refused';
  /** Problem code of a refusal, or null. */
  readonly problem: string | null;
  /** The exact reason, finer than the problem the caller sees: `token-expired`, `duplicate-host`. Null when allowed. */
  readonly reason: string | null;
  /** HTTP status answered for a refusal; null when allowed, or when no answer could be sent. */
  readonly status: number | null;
  /** Who called: the peer's address, or what a listed proxy said of the peer before it. IPv4 as IPv4. */
  readonly address: string | null;
  /** The listed proxy through which it came; null when it came straight. */
  readonly proxy: string | null;
  readonly method: string | null;
  /** Path without query, as received; hostile bytes are made storable by the record. */
  readonly resource: string | null;
  /** Operation id, or null when none was found. */
  readonly operation: string | null;
  readonly scopeNeeded: string | null;
  /** The token's plain scopes, space separated. */
  readonly scopeHeld: string | null;
  /** `full` or `limited`; null when refused. */
  readonly level: 'full' | 'limited' | null;
  /** The policy rule that made the decision, with file and line. */
  readonly rule: string | null;
  /** Policy release in force. */
  readonly release: string | null;
  /** Fingerprint of the Ideogram key that will be used; null when refused or when none is sent. */
  readonly keyId: string | null;
  /** Trace id of the caller's `traceparent` (32 hex digits), or null. */
  readonly traceId: string | null;
}

/** How a forwarded call ended. */
export type OutcomeResult =
  /** The upstream's answer went to the caller whole. */
  | 'completed'
  /** The caller left, or the gateway's stop cut the call. */
  | 'aborted'
  /** The upstream's answer ended too soon, or was cut because it held the key. */
  | 'cut'
  /** No usable answer from the upstream; `reason` says why. */
  | 'failed'
  /** A bound found broken in a streamed body: the upstream never got a complete request. */
  | 'bound-exceeded'
  /** The decision committed after the caller had been answered 503; nothing was sent. */
  | 'not-forwarded'
  /** Nobody could write how it ended: `reason` says why. A true outcome may follow, and then counts instead. */
  | 'unknown';

/** The record of how an allowed call ended. */
export interface OutcomeEvent extends EventBase, Pick<DecisionEvent, keyof Caller | 'operation'> {
  readonly kind: 'outcome';
  readonly callId: CallId;
  readonly result: OutcomeResult;
  readonly problem: string | null;
  readonly reason: string | null;
  /** Status sent to the caller, or null when none could be. */
  readonly status: number | null;
  /** Status the upstream answered, or null. */
  readonly upstreamStatus: number | null;
  /** Body bytes sent to the upstream. */
  readonly bytesSent: number;
  /** Body bytes received from the upstream. */
  readonly bytesReceived: number;
  /** Milliseconds from the decision's commit to the first byte of the upstream's answer; null when none came. */
  readonly firstByteMs: number | null;
  /** Milliseconds from the call's arrival to its end. */
  readonly durationMs: number;
  /** Images the answer holds; null when it could not be read. */
  readonly images: number | null;
  /** Cost by price rule in USD micros; null when no rule is known. */
  readonly costUsdMicros: number | null;
  /** False when any image of a 2xx answer is `is_image_safe: false`; null when not said. */
  readonly safe: boolean | null;
  /** Ids that the answer made, e.g. `generation:…`, `dataset:…`, `model:…`. */
  readonly made: readonly string[];
  /** Keyed digest (HMAC-SHA256, hex) of the prompt, so that equal prompts can be recognised; null when none. */
  readonly promptDigest: string | null;
  /** Prompt length in characters; null when none. */
  readonly promptLength: number | null;
  /** The prompt itself, sealed under its month's key, where policy lets the record keep it; else null. */
  readonly promptSealed: string | null;
}

/** What the record says beside calls. */
export type NoticeName =
  /** The first event of a writer: a gateway process that began to write. */
  | 'writer-opened'
  /** The last event of a writer that stopped in order. */
  | 'writer-closed'
  /**
   * Calls refused for `reason` that have no row of their own: `detail` holds their exact `count`, and when the first
   * and the last were counted (`from`, `to`).
   */
  | 'refusals-summed'
  /** Outcomes (or notices, as `reason` says) that could not be written; `detail` as in `refusals-summed`. */
  | 'events-lost'
  /** A month leaves the database: `detail` names its file and the file's SHA-256. Written before the partition goes. */
  | 'month-archived'
  /** The file of an archived month is removed for its age. Written before the file goes. */
  | 'archive-removed'
  /** An export is given up: months may leave the database that it hasn't got. Written before. */
  | 'export-forgotten'
  /** Somebody reads an archived month back for questions. */
  | 'archive-imported'
  /** Somebody reads the record by a command: `operation` names it, `detail` what was asked. Written before it answers. */
  | 'record-read'
  /** The key of a month is destroyed, and with it what was kept under it. Written before the key goes. */
  | 'month-forgotten'
  /** Somebody moves an Ideogram key on: `operation` names the command, `detail` the step. Written before it is done. */
  | 'key-changed'
  /** Ideogram refused a new key, and the one before it serves again. */
  | 'key-refused'
  /** A gateway took an order that stops calls: `operation` names what it stops, `subject` who gave it, `detail` why. */
  | 'calls-killed'
  /** A gateway took the undoing of such an order. */
  | 'calls-revived'
  /**
   * A client failed to authenticate at the issuer: `subject` is the client where it is one of ours, `reason` says what was
   * wrong, `detail` holds `address` and `count` 1; or, of failures without rows of their own, `count`, `from` and `to`.
   */
  | 'client-authentication-failed'
  /** A webhook was verified: `detail` names its endpoint, its event and the body's SHA-256. Written before it is kept. */
  | 'webhook-received'
  /** Somebody has webhooks delivered again: `detail` says which. Written before it is done. */
  | 'webhooks-replayed';

/** Something the record says beside calls: about its writers, its keepers and its readers. */
export interface NoticeEvent extends EventBase {
  readonly kind: 'notice';
  readonly result: NoticeName;
  /** Who did it, if anybody did: a login name, a caller. */
  readonly subject: string | null;
  /** What was done with what: a command, an operation. */
  readonly operation: string | null;
  readonly problem: string | null;
  readonly reason: string | null;
  /** Policy release in force, or null. */
  readonly release: string | null;
  /** Fingerprint of the Ideogram key it is about, or null. */
  readonly keyId: string | null;
  /** What else there is to say: at most 16 members, each at most 256 bytes once stored. */
  readonly detail: Readonly<Record<string, string>>;
}

/** An event of the record, as its writer says it; `kind` tells which. */
export type AuditEvent = DecisionEvent | OutcomeEvent | NoticeEvent;
