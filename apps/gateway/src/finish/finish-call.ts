import { storedBytes } from '@ideogate/audit/append';
import { type DecisionEvent, faultOf, PROBLEMS, type ProblemCode, type Reason } from '@ideogate/contract';
import { addressKey } from '../admission/admit.ts';
import { type Call, callerIsGone, type Decided, type FailedExchange, type UpstreamEnd } from '../call.ts';
import type { Gateway } from '../context.ts';
import { cutAnswer } from '../edge/cut-answer.ts';
import { problemAnswer } from '../edge/problem-document.ts';
import { isSystemPath } from '../edge/system-paths.ts';
import { logCall, MOST_LOG_LINE_BYTES } from './log-call.ts';
import { type Ending, outcomeEvent, refusalEvent } from './audit-events.ts';
import { isTold, type Refusal } from '../refusal.ts';

/** Ends a call that goes no further: its row first (bounded wait), then its answer. */
export async function refuse(call: Call, refusal: Refusal, gateway: Gateway): Promise<void> {
  if (call.ended) return;
  call.ended = true;
  try {
    await endRefused(call, refusal, gateway);
  } catch (error) {
    endingFailed(call, error, gateway);
  }
}

async function endRefused(call: Call, refusal: Refusal, gateway: Gateway): Promise<void> {
  const final = isFinal(refusal) ? refusal : (call.interruption ?? refusal);
  const row = hasRow(call, final) ? refusalEvent(call, final, gateway) : null;
  const told = final.reason !== 'address-rate' && mayBeTold(call, row, gateway);
  if (final.reason === 'address-rate' || (row !== null && !told)) gateway.countWithoutRow(final.reason);
  else {
    gateway.metrics.refused(final.reason);
    if (row !== null) await gateway.record.refuse(row);
  }
  answer(call, final, gateway);
  gateway.forget(call);
  if (told) logCall(call, { result: 'refused', problem: final.problem, reason: final.reason }, gateway);
}

/** Row and line in the log of a caller that is known; of others, as long as they are within their budget. */
function mayBeTold(call: Call, row: DecisionEvent | null, { anonymousRows }: Gateway): boolean {
  const bytes = MOST_LOG_LINE_BYTES + (row === null ? 0 : storedBytes(row));
  return call.token !== null || anonymousRows.spend(call.address, bytes);
}

/** A fault of ours in the very ending: the connection is all that is left to end, or its caller would wait for ever. */
function endingFailed(call: Call, error: unknown, gateway: Gateway): void {
  gateway.log.error({ call_id: call.id, error: faultOf(error) }, 'a call could not be ended');
  cutAnswer(call);
  gateway.forget(call);
}

/**
 * What the parser found since doesn't count: a decision that could not be written may commit yet, and a refusal beside
 * it would tell of one call twice; and a flood of broken bodies would have a row each.
 */
function isFinal({ problem, reason }: Refusal): boolean {
  return problem === 'record-unavailable' || reason === 'address-rate';
}

/** Floods over the address limit are summed; a record that cannot be written has no row to give. */
function hasRow(call: Call, refusal: Refusal): boolean {
  if (isFinal(refusal)) return false;
  return (
    call.path === null ||
    !isSystemPath(call.path) ||
    (call.path === '/-/whoami' && isTokenFault(refusal.problem))
  );
}

function isTokenFault(problem: ProblemCode | null): boolean {
  return problem === 'invalid-token' || problem === 'invalid-credential' || problem === 'keys-unavailable';
}

function answer(call: Call, refusal: Refusal, gateway: Gateway): void {
  const { request, response } = call;
  if (response === null) return;
  if (!isTold(refusal) || response.headersSent || callerIsGone(call)) {
    // What was written in this turn of the loop still goes: cut is what comes after it.
    setImmediate(() => cutAnswer(call));
    return;
  }
  const { status, fields, body } = problemAnswer(refusal, call, gateway);
  const mistrusted =
    DOUBTFUL_FRAMING.has(refusal.problem) ||
    call.interruption !== null ||
    (call.awaitsContinue && request?.complete === false);
  response.writeHead(status, mistrusted ? { ...fields, connection: 'close' } : fields);
  response.end(call.method === 'HEAD' ? undefined : body);
  if (request !== null && !request.complete && !mistrusted) discardRest(call, gateway);
}

/** Nobody can say where the next request on such a connection begins: it is closed (RFC 9112 section 9.6). */
const DOUBTFUL_FRAMING: ReadonlySet<ProblemCode> = new Set([
  'invalid-request',
  'headers-too-large',
  'expectation-failed',
  'upgrade-refused',
]);

/** Reads on for a bounded while and at a bounded pace, so that a caller still sending its body gets to see the answer. */
function discardRest(call: Call, gateway: Gateway): void {
  const { request } = call;
  if (request === null) return;
  const { maxBodyBytes, discardMs } = gateway.config.limits;
  let size = 0;
  const timer = setTimeout(() => request.destroy(), discardMs);
  timer.unref();
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > maxBodyBytes) request.destroy();
    if (request.complete || request.destroyed) return;
    const turn = gateway.admission.discards.next(addressKey(call), () => request.destroyed, chunk.length);
    if (turn === null) return;
    request.pause();
    void turn.then(() => request.resume());
  });
  request.once('close', () => clearTimeout(timer));
  request.resume();
}

/** From here on the call is the upstream's; its outcome is written when both sides are done. */
export function watchCaller(call: Decided, gateway: Gateway): void {
  call.response.once('close', () => callerDone(call, gateway));
}

function callerDone(call: Decided, gateway: Gateway): void {
  call.callerEnd ??= call.response.writableFinished ? 'served' : 'left';
  if (call.callerEnd === 'left') call.exchange?.clientDisconnected();
  settle(call, gateway);
}

/** Nothing more is to be expected of the upstream, which ended so. */
export function upstreamDone(call: Decided, how: UpstreamEnd, gateway: Gateway): void {
  call.upstreamEnd ??= how;
  settle(call, gateway);
}

/** The upstream gave nothing that can be passed on: the caller gets a problem in its place. */
export function failForwarded(call: Decided, failure: FailedExchange, gateway: Gateway): void {
  call.upstreamEnd ??= failure;
  answer(call, failure.failed, gateway);
  settle(call, gateway);
}

/** How an answer can break off, in the caller's words and the record's. */
const BROKEN = {
  cut: { problem: 'upstream-ended-early', reason: 'answer-ended-early' },
  slow: { problem: 'upstream-timeout', reason: 'answer-too-slow' },
  large: { problem: 'upstream-invalid', reason: 'answer-too-large' },
  leak: { problem: 'upstream-leak', reason: 'key-in-body' },
  coding: { problem: 'upstream-invalid', reason: 'answer-coding-broken' },
} as const satisfies Record<string, Refusal>;

/** An answer that began at the upstream and did not come to its end. */
export type BrokenEnd = keyof typeof BROKEN | Exclude<UpstreamEnd, string>;

/** The answer broke off: a caller who has had none of it yet still gets a problem in its place. */
export function breakAnswer(call: Decided, end: BrokenEnd, gateway: Gateway): void {
  answer(call, typeof end === 'object' ? end.failed : BROKEN[end], gateway);
}

/** The outcome, once, when the upstream's side and the caller's side are both done. */
function settle(call: Decided, gateway: Gateway): void {
  if (call.ended || call.upstreamEnd === null || call.callerEnd === null) return;
  call.ended = true;
  try {
    const ending = endingOf(call, call.upstreamEnd);
    gateway.record.outcome(outcomeEvent(call, ending, gateway));
    gateway.metrics.ended(call, ending);
    gateway.forget(call);
    logCall(call, ending, gateway);
  } catch (error) {
    endingFailed(call, error, gateway);
  }
}

function endingOf(call: Decided, end: UpstreamEnd): Ending {
  const status = call.response.headersSent ? call.response.statusCode : statusOf(call.interruption);
  const ended = (
    result: Ending['result'],
    reason: Reason | null,
    problem: Ending['problem'] = null,
  ): Ending => ({
    result,
    problem,
    reason,
    status,
  });
  if (call.cutByStop) return ended('aborted', 'gateway-stopped');
  if (typeof end === 'object' && end.byBody)
    return ended('bound-exceeded', end.failed.reason, end.failed.problem);
  if (call.interruption !== null && end !== 'complete')
    return ended('aborted', call.interruption.reason, call.interruption.problem);
  if (typeof end === 'object') {
    if (call.callerEnd === 'left') return ended('aborted', 'caller-left');
    return ended('failed', end.failed.reason, end.failed.problem);
  }
  switch (end) {
    case 'complete':
      return call.callerEnd === 'served'
        ? ended('completed', isOfAnotherType(call) ? 'answer-not-json' : null)
        : ended('aborted', 'caller-left');
    case 'left':
      return ended('aborted', 'caller-left');
    case 'cut':
    case 'slow':
    case 'large':
    case 'leak':
    case 'coding':
      return ended('cut', BROKEN[end].reason, BROKEN[end].problem);
  }
}

/** It passes, since clients may know it, but no operation answers so: nothing in it could be read for the record. */
function isOfAnotherType({ answer }: Call): boolean {
  return answer !== null && answer.bytes > 0 && !answer.json;
}

/** A fault in a body is answered on the socket, beside the response. */
function statusOf(interruption: Refusal | null): number | null {
  return interruption?.problem ? PROBLEMS[interruption.problem].status : null;
}

/** Cuts a call that outlived the time a stop allows. */
export function cutForStop(call: Call): void {
  call.cutByStop = true;
  // First the caller's side: an answer now would only say that the call was cut, on a connection that is going.
  cutAnswer(call);
  call.exchange?.stop({ problem: 'shutting-down', reason: 'gateway-stopped' });
}
