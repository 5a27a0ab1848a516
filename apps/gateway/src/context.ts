import type { KeyObject } from 'node:crypto';
import type { TokenVerifier } from '@ideogate/access-token';
import type { CheckpointWatch } from '@ideogate/audit/checkpoints';
import type { AuditWriter } from '@ideogate/audit/append';
import type { CallId, Reason } from '@ideogate/contract';
import type { Router } from '@ideogate/ideogram';
import type { KillSwitch } from '@ideogate/kill-switch';
import type { Release } from '@ideogate/policy';
import type { WebhookUrls } from '@ideogate/request-body';
import type { KeyRing } from '@ideogate/upstream-keys';
import type { Admission } from './admission/admission.ts';
import type { AnonymousRowBudget } from './admission/anonymous-row-budget.ts';
import type { RateLimits } from './admission/rate-limits.ts';
import type { Arrived, Call, Received } from './call.ts';
import type { GatewayConfig } from './config.ts';
import type { ExportInSight, KeyAgeInSight, Metrics } from './metrics.ts';
import type { Refusal } from './refusal.ts';
import type { IncomingWebhooks } from './webhook-endpoints.ts';

/** Where log lines go: pino's two methods. */
export interface Log {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What the composer of a gateway brings. */
export interface GatewayDeps {
  readonly release: Release;
  readonly verifier: TokenVerifier;
  readonly record: AuditWriter;
  readonly keys: KeyRing;
  readonly log: Log;
  /**
   * The key of the digests by which prompts of one month are recognised in the record; null when there is none, and
   * then nothing is kept of a prompt but its length. Never waits.
   */
  readonly promptKey: (atMicros: bigint) => KeyObject | null;
  /**
   * Where policy lets the record keep prompts: one as it may be kept, or null when there is no key for it. Left out
   * where it doesn't. Never waits.
   */
  readonly sealPrompt?: (atMicros: bigint, callId: CallId, prompt: string) => string | null;
  /** Microseconds since the epoch. */
  readonly nowMicros: () => bigint;
  /** Orders that stop calls; without it there are none. */
  readonly kills?: Pick<KillSwitch, 'stops' | 'active' | 'ready'>;
  /** How old the keys in use are, for the metrics. */
  readonly keyAges?: () => readonly KeyAgeInSight[];
  /** The record's last checkpoint, whoever signs, for the metrics and for who asks whether all is ready. */
  readonly checkpoints?: Pick<CheckpointWatch, 'last' | 'ready'>;
  /** Where the record is sent from this process, for the metrics. */
  readonly exports?: readonly ExportInSight[];
  /** Where webhooks come in; left out: nowhere. */
  readonly webhooks?: IncomingWebhooks;
}

/** What becomes of a call that came in: the listener stands below the steps, and is handed their ways. */
interface Arrivals {
  /** Walks the steps of an arrival. */
  arrive(call: Received): Promise<Arrived | Refusal>;
  /** Walks those for what could not be read as a request. */
  limitUnread(call: Call): Promise<Call | Refusal>;
  /** Ends a call that goes no further. Never rejects. */
  refuse(call: Call, refusal: Refusal): Promise<void>;
}

/** What the steps work with. */
export interface Gateway extends GatewayDeps {
  readonly config: GatewayConfig;
  readonly router: Router;
  readonly rateLimits: RateLimits;
  readonly admission: Admission;
  readonly metrics: Metrics;
  readonly anonymousRows: AnonymousRowBudget;
  /** Address of the protected-resource metadata (RFC 9728 section 3.1). */
  readonly metadataUrl: string;
  /** Addresses of our own to which callers may have Ideogram send results. */
  readonly webhookUrls: WebhookUrls;
  /** Whether an authority in a target, under its scheme, is the gateway's own. */
  readonly isOwnHost: (scheme: string, authority: string) => boolean;
  readonly arrivals: Arrivals;
  newCallId(): CallId;
  /** What an unauthenticated peer can make any number of is counted, and summed in the record: it has no row of its own. */
  countWithoutRow(reason: Reason): void;
  remember(call: Call): void;
  forget(call: Call): void;
  /** Ends a call whose body is still coming: its answer goes out on its connection, which closes with it. */
  readonly interrupt: (call: Call, refusal: Refusal) => void;
  /** Why no call is let in right now, or null. */
  admissionRefusal(): Refusal | null;
}
