import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Genuine, Verified } from '@ideogate/access-token';
import type { CallId, Capability, Operation, ScopeName } from '@ideogate/contract';
import type { ReadAnswer } from '@ideogate/ideogram';
import type { UpstreamKey } from '@ideogate/upstream-keys';
import type { Refusal, ToldRefusal } from './refusal.ts';

/** Where a call came from: whose limit counts, and what is put on record. Addresses are canonical. */
export interface Origin {
  /** Who called: the nearest hop that is no listed proxy; null when not even the peer is known. */
  readonly address: string | null;
  /** The listed proxy that brought it; null when it came straight, or from the proxy itself. */
  readonly proxy: string | null;
}

/** What policy allowed, kept for the record and for the steps after it. */
interface Allowed {
  readonly level: 'full' | 'limited';
  readonly scope: ScopeName;
  readonly rule: string;
  /** Id of the release that the rule stands in. */
  readonly release: string;
}

/** What has come back from the upstream so far. */
export interface Answer {
  readonly status: number;
  /** Monotonic time of the answer's head, milliseconds. */
  readonly startedAt: number;
  /** JSON, as every operation answers. */
  readonly json: boolean;
  bytes: number;
  /** What its JSON says, once it has ended and if it was small enough to read; else null. */
  read: ReadAnswer | null;
}

/** The upstream gave nothing that can be passed on, or the caller's own body broke a rule on its way there. */
export interface FailedExchange {
  readonly failed: Refusal;
  readonly byBody: boolean;
}

/**
 * `complete`: all of it came. `cut`: it ended too soon. `slow`: its time was up. `large`: it broke its bound. `leak`: it
 * held a key. `coding`: it could not be decoded. `left`: let go, for nobody waits.
 */
export type UpstreamEnd = 'complete' | 'cut' | 'slow' | 'large' | 'leak' | 'coding' | 'left' | FailedExchange;

/** What may be asked of an exchange with the upstream while it is under way. */
interface OpenExchange {
  clientDisconnected(): void;
  /** Ends it, whatever its state. */
  stop(why: ToldRefusal): void;
}

/**
 * One call, from its first byte to its outcome. What is not known of it yet is null; what it has got to is one of the types
 * below, and each step of `request-path.ts` takes the one that has what it needs.
 */
export interface Call {
  readonly id: CallId;
  /** Monotonic arrival time, milliseconds. */
  readonly arrivedAt: number;
  /** Who called; behind a listed proxy, whom that proxy named. */
  readonly address: string | null;
  /** The listed proxy through which it came, or null. */
  readonly proxy: string | null;
  readonly request: IncomingMessage | null;
  readonly response: ServerResponse | null;
  readonly method: string | null;
  /** The request line as it came, without its line end; null where it was not seen. */
  requestLine: string | null;
  /** The request target as it is forwarded: byte for byte as received, but for a scheme and host before it. */
  readonly target: string;
  readonly path: string | null;
  readonly query: string;
  /** Trace id of the caller's `traceparent`, 32 hex digits. */
  traceId: string | null;
  /** Origin of the web page that calls, where that may; null for all others. */
  pageOrigin: string | null;
  /** True when the caller waits for `100 Continue` before it sends the body. */
  awaitsContinue: boolean;
  hasBody: boolean;
  /** Of the body, as received and as forwarded; null without one. */
  contentType: string | null;
  readonly token: Verified | null;
  /** A genuine token that may not be used, for the record; null with a good one, and without. */
  refusedToken: Genuine | null;
  readonly operation: Operation | null;
  /** A v2 call with exactly `?dry_run=true`: priced, never run. */
  readonly quote: boolean;
  /** Which key the call uses: a priced quote changes nothing, so it never gets the write key. */
  readonly capability: Capability;
  readonly allowed: Allowed | null;
  /** The key it goes out with, to its end; null before it is picked, and where Ideogram wants none. */
  key: UpstreamKey | null;
  /** Request fields that price and record need, by path. */
  fields: ReadonlyMap<string, string | number | boolean>;
  /** The body on its way to the upstream: read and checked whole, or checked while it streams; null without one. */
  body: Buffer | Readable | null;
  /** Bytes of the body, where known before it is sent. */
  bodyLength: number | null;
  /** The whole body went to the upstream: from here on a paid call may have been bought. */
  bodySent: boolean;
  bytesSent: number;
  /** Monotonic time at which its decision was committed, milliseconds. */
  readonly decidedAt: number | null;
  /** What came back from the upstream; null before it is asked. */
  answer: Answer | null;
  /** The exchange with the upstream; null before the call goes out. */
  exchange: OpenExchange | null;
  /** How the upstream's side of a forwarded call ended; null while it has not. */
  upstreamEnd: UpstreamEnd | null;
  /** How the caller's side ended; null while it has not. */
  callerEnd: 'served' | 'left' | null;
  /** Why the parser ended the call's body, if it did: its ending is then known better than "the caller left". */
  interruption: Refusal | null;
  /** The gateway's stop cut the call. */
  cutByStop: boolean;
  /** Refused, or its outcome written: later endings are echoes of the first. */
  ended: boolean;
  /** What it holds of what callers share, or waits for; given back with its end. */
  readonly leases: { release(): void }[];
  /** Where it stands among the calls in flight; null when it is none of them. */
  inFlightIndex: number | null;
}

/** A request that Node's parser could read. */
export interface Received extends Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
}

/** Its head and its target have one meaning each. */
export interface Arrived extends Received {
  readonly path: string;
}

/** It is known who calls. */
export interface Authenticated extends Arrived {
  readonly token: Verified;
}

/** It is known what is asked for. */
export interface Matched extends Authenticated {
  readonly operation: Operation;
}

/** Policy allows it. */
export interface Authorized extends Matched {
  readonly allowed: Allowed;
}

/** Its decision is committed: it may go out. */
export interface Decided extends Authorized {
  readonly decidedAt: number;
}

/** The call itself, with what was found out about it. */
export function learn<Known extends Call, Found extends Partial<Call>>(
  call: Known,
  found: Found,
): Known & Found {
  return Object.assign(call, found);
}

/** Whether its decision is committed. Only a call that was authorized can have one. */
export function isDecided(call: Call): call is Decided {
  return call.decidedAt !== null;
}
/**
 * A call of which nothing is known yet but where it came from.
 * @param arrivedAt monotonic milliseconds
 * @param request null where nothing could be read
 * @param response null where it is answered on its socket
 */
export function newCall(
  id: CallId,
  arrivedAt: number,
  origin: Origin | null,
  request: IncomingMessage | null,
  response: ServerResponse | null,
): Call {
  return {
    id,
    arrivedAt,
    address: origin?.address ?? null,
    proxy: origin?.proxy ?? null,
    request,
    response,
    method: request?.method ?? null,
    requestLine: null,
    target: request?.url ?? '',
    path: null,
    query: '',
    traceId: null,
    pageOrigin: null,
    awaitsContinue: false,
    hasBody: false,
    contentType: null,
    token: null,
    refusedToken: null,
    operation: null,
    quote: false,
    capability: 'none',
    allowed: null,
    key: null,
    fields: NO_FIELDS,
    body: null,
    bodyLength: null,
    bodySent: false,
    bytesSent: 0,
    decidedAt: null,
    answer: null,
    exchange: null,
    upstreamEnd: null,
    callerEnd: null,
    interruption: null,
    cutByStop: false,
    ended: false,
    leases: [],
    inFlightIndex: null,
  };
}

const NO_FIELDS: ReadonlyMap<string, string | number | boolean> = new Map();

/** On the request itself: a young collection keeps all that a WeakMap names, and every call would grow old in it. */
const CALL: unique symbol = Symbol('call');

interface Named {
  [CALL]?: Arrived;
}

/** Ties a call to its request, so that every hook of the application finds it. */
export function rememberCall(call: Arrived): void {
  Object.assign(call.request, { [CALL]: call } satisfies Named);
}

/** @throws Error when the request never passed the listener, which would be a fault of ours. */
export function callOf(request: object & Named): Arrived {
  const call = request[CALL];
  if (call === undefined) throw new Error('a request reached the application without passing the listener');
  return call;
}

/** True while more of its body is to come from its caller. */
export function isUploading({ hasBody, ended, request }: Call): boolean {
  return hasBody && !ended && request !== null && !request.complete && !request.destroyed;
}

/** True when nobody is there any more to answer. */
export function callerIsGone(call: Call): boolean {
  const { request, response } = call;
  // why the request's socket: a response has none while it waits for those ahead of it on its connection.
  const socket: IncomingMessage['socket'] | null | undefined = request?.socket; // null once the request is destroyed, whatever its type says
  return response === null || response.destroyed || (socket?.destroyed ?? true);
}
