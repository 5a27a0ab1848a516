import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Genuine, Verified } from '@ideogate/access-token';
import type { CallId, Operation, ScopeName } from '@ideogate/contract';
import type { UpstreamKey } from '@ideogate/upstream-keys';
import type { Lease } from './admission/shared-pool.ts';
import type { Origin } from './edge/caller-address.ts';
import type { Refusal } from './refusal.ts';
import type { Answer } from './upstream/answer.ts';
import type { UpstreamProblem } from './upstream/upstream-problem.ts';

/** What policy allowed, kept for the record and for the steps after it. */
interface Allowed {
  readonly level: 'full' | 'limited';
  readonly scope: ScopeName;
  readonly rule: string;
  /** Id of the release that the rule stands in. */
  readonly release: string;
}

/**
 * `complete`: all of it came. `cut`: it ended too soon. `slow`: its time was up. `large`: it broke its bound. `leak`: it
 * held a key. `coding`: it could not be decoded. `left`: let go, for nobody waits.
 */
export type UpstreamEnd =
  | 'complete'
  | 'cut'
  | 'slow'
  | 'large'
  | 'leak'
  | 'coding'
  | 'left'
  | { readonly failed: Refusal; readonly byBody: boolean };

/** What endings may ask of an exchange with the upstream. */
interface OpenExchange {
  clientDisconnected(): void;
  cancel(reason: UpstreamProblem): void;
}

/** One call, from its first byte to its outcome. Steps fill it in, in the order of `request-path.ts`. */
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
  method: string | null;
  /** The request line as it came, without its line end; null where it was not seen. */
  requestLine: string | null;
  /** The request target as it is forwarded: byte for byte as received, but for a scheme and host before it. */
  target: string;
  path: string | null;
  query: string;
  /** Trace id of the caller's `traceparent`, 32 hex digits. */
  traceId: string | null;
  /** Origin of the web page that calls, where that may; null for all others. */
  pageOrigin: string | null;
  /** True when the caller waits for `100 Continue` before it sends the body. */
  awaitsContinue: boolean;
  hasBody: boolean;
  /** Of the body, as received and as forwarded; null without one. */
  contentType: string | null;
  token: Verified | null;
  /** A genuine token that may not be used, for the record; null with a good one, and without. */
  refusedToken: Genuine | null;
  operation: Operation | null;
  /** A v2 call with exactly `?dry_run=true`: priced, never run. */
  quote: boolean;
  allowed: Allowed | null;
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
  decidedAt: number | null;
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
  readonly leases: Lease[];
  /** Where it stands among the calls in flight; null when it is none of them. */
  inFlightIndex: number | null;
}

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
  [CALL]?: Call;
}

/** Ties a call to its request, so that every later hook finds the same one. */
export function rememberCall(request: IncomingMessage & Named, call: Call): void {
  request[CALL] = call;
}

/** @throws Error when the request never passed the listener, which would be a fault of ours. */
export function callOf(request: object & Named): Call {
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
