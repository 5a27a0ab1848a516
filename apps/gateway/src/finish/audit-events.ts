import { createHmac, type KeyObject } from 'node:crypto';
import type { Genuine } from '@ideogate/access-token';
import type { DecisionEvent, OutcomeEvent, OutcomeResult, ProblemCode, Reason } from '@ideogate/contract';
import { PROBLEMS } from '@ideogate/contract';
import { priceOf, promptOf } from '@ideogate/ideogram';
import { type Authorized, type Call, callerIsGone, type Decided } from '../call.ts';
import type { Gateway } from '../context.ts';
import type { Refusal } from '../refusal.ts';

/** The event written before anything is forwarded. */
export function decisionEvent(call: Authorized, gateway: Gateway): DecisionEvent {
  return {
    ...decisionBase(call, gateway),
    result: 'allowed',
    problem: null,
    reason: null,
    status: null,
    level: call.allowed.level,
    rule: call.allowed.rule,
    keyId: call.key?.id ?? null,
  };
}

/** The event of a call that goes no further. */
export function refusalEvent(call: Call, refusal: Refusal, gateway: Gateway): DecisionEvent {
  const rule = refusal.members?.['rule'];
  return {
    ...decisionBase(call, gateway),
    result: 'refused',
    problem: refusal.problem,
    reason: refusal.reason,
    status: refusal.problem === null || leftUnanswered(call) ? null : PROBLEMS[refusal.problem].status,
    level: null,
    rule: typeof rule === 'string' ? rule : (call.allowed?.rule ?? null),
    keyId: null,
  };
}

/** Nobody is there to see the answer; a call that never had a response is answered on its socket. */
function leftUnanswered(call: Call): boolean {
  return call.response !== null && call.interruption === null && callerIsGone(call);
}

function decisionBase(call: Call, gateway: Gateway) {
  return {
    ...eventBase(call, gateway),
    kind: 'decision',
    address: call.address,
    proxy: call.proxy,
    method: call.method,
    resource: withoutCredentials(call.path ?? pathOf(call.target), gateway),
    scopeNeeded: call.allowed?.scope ?? (call.quote ? 'read:quote' : (call.operation?.scope ?? null)),
    scopeHeld: provenBy(call)?.scopeText ?? null,
    release: gateway.release.id,
    traceId: call.traceId,
  } as const;
}

/** What a token of genuine signature says, good for this call or not: who called is proved either way. */
function provenBy(call: Call): Genuine | null {
  return call.token ?? call.refusedToken;
}

function eventBase(call: Call, gateway: Gateway) {
  const proven = provenBy(call);
  return {
    callId: call.id,
    atMicros: gateway.nowMicros(),
    environment: gateway.config.environment,
    issuer: proven?.issuer ?? null,
    subject: proven?.subject ?? null,
    clientId: proven?.clientId ?? null,
    tokenId: proven?.tokenId ?? null,
    actor: proven?.claims.actor ?? null,
    operation: call.operation?.id ?? null,
  } as const;
}

/** How a forwarded call ended. */
export interface Ending {
  readonly result: OutcomeResult;
  readonly problem: ProblemCode | null;
  readonly reason: Reason | null;
  /** Status the caller got, or null. */
  readonly status: number | null;
}

/** The event written when both sides of a forwarded call are done. */
export function outcomeEvent(call: Decided, ending: Ending, gateway: Gateway): OutcomeEvent {
  const { answer } = call;
  const upstreamStatus = answer?.status ?? null;
  const read = answer?.read ?? { images: null, safe: null, made: [] };
  const prompt = promptOf(call.fields);
  const base = eventBase(call, gateway);
  return {
    ...base,
    ...ending,
    kind: 'outcome',
    upstreamStatus,
    bytesSent: call.bytesSent,
    bytesReceived: answer?.bytes ?? 0,
    firstByteMs: answer === null ? null : Math.round(answer.startedAt - call.decidedAt),
    durationMs: Math.round(performance.now() - call.arrivedAt),
    images: read.images,
    costUsdMicros: costOf(call, read.images),
    safe: read.safe,
    made: read.made,
    promptDigest: prompt === null ? null : digestOf(prompt, gateway.promptKey(base.atMicros)),
    promptLength: prompt === null ? null : prompt.length,
    promptSealed: prompt === null ? null : (gateway.sealPrompt?.(base.atMicros, call.id, prompt) ?? null),
  };
}

/** USD micros; 0 when the upstream never got the whole call, null when nobody can say. */
function costOf(call: Decided, images: number | null): number | null {
  if (!call.bodySent) return 0;
  if (call.answer === null) return call.quote || call.operation.price.kind === 'free' ? 0 : null;
  return priceOf(call.operation, call.fields, { status: call.answer.status, images, dryRun: call.quote });
}

function digestOf(prompt: string, key: KeyObject | null): string | null {
  return key === null ? null : createHmac('sha256', key).update(prompt).digest('hex');
}

/** A credential that a caller put into the path by mistake is not kept: a compact token, or a key of this gateway's. */
function withoutCredentials(path: string, gateway: Gateway): string {
  return gateway.keys.inHeaders([path]) ? '[key]' : path.replace(COMPACT_TOKEN, '[token]');
}

/** RFC 7515 section 7.1; a header is a JSON object, and so begins with these letters. */
const COMPACT_TOKEN = /ey[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g;

/** The path of a target that could not be read: no query, however its mark is spelled, and no user or password. */
function pathOf(target: string): string {
  const mark = target.search(/[?#;]|%(?:3f|23|3b)/i);
  const path = mark === -1 ? target : target.slice(0, mark);
  return path.replace(/^((?:[a-z][a-z0-9+.-]*:)?\/{2,}|)[^/]*@/i, '$1');
}
