import { errors } from 'undici';
import { errorCode, networkReason, type ProblemCode, type Reason } from '@ideogate/contract';
import type { Call, FailedExchange } from '../call.ts';
import type { Refusal } from '../refusal.ts';
import { BodyRefused, InspectedBody } from './inspected-body.ts';

/** Why no answer of the upstream's can be passed on. */
export class UpstreamProblem extends Error {
  override readonly name = 'UpstreamProblem';
  readonly problem: ProblemCode;
  /** For the record: finer than the problem, and never an address. */
  readonly reason: Reason;
  /** What its caller is told. */
  readonly refusal: Refusal;
  constructor(problem: ProblemCode, reason: Reason, more: Omit<Refusal, 'problem' | 'reason'> = {}) {
    super(`${problem}: ${reason}`);
    this.problem = problem;
    this.reason = reason;
    this.refusal = { ...more, problem, reason };
  }
}

/**
 * Sorts a failure of the exchange into the closed set of problems.
 * @param wentOut the request has begun on a connection: the upstream was reached, whatever failed then
 */
export function problemOfError(error: unknown, call: Call, wentOut: boolean): UpstreamProblem | BodyRefused {
  const refused = [error, bodyErrorOf(call)].find(
    (cause) => cause instanceof BodyRefused || cause instanceof UpstreamProblem,
  );
  if (refused !== undefined) return refused;
  if (error instanceof errors.HeadersTimeoutError)
    return new UpstreamProblem('upstream-timeout', 'first-byte');
  if (error instanceof errors.BodyTimeoutError) return new UpstreamProblem('upstream-timeout', 'body');
  if (error instanceof errors.ConnectTimeoutError) return new UpstreamProblem('upstream-timeout', 'connect');
  if (error instanceof errors.HeadersOverflowError)
    return new UpstreamProblem('upstream-invalid', 'headers-too-large');
  if (error instanceof errors.HTTPParserError || error instanceof errors.ResponseContentLengthMismatchError)
    return new UpstreamProblem('upstream-invalid', 'malformed-answer');
  const code = errorCode(error, null);
  if (code === 'ECONNRESET' || code === 'EPIPE' || error instanceof errors.SocketError) {
    return new UpstreamProblem(
      'upstream-ended-early',
      code === 'EPIPE' ? 'closed-during-upload' : 'connection-lost',
    );
  }
  if (error instanceof errors.RequestContentLengthMismatchError)
    return new UpstreamProblem('upstream-ended-early', 'body-length');
  // A status below 100 fails in undici's own check.
  if (code === 'ERR_ASSERTION') return new UpstreamProblem('upstream-invalid', 'malformed-answer');
  return new UpstreamProblem(wentOut ? 'upstream-ended-early' : 'upstream-unreachable', networkReason(code));
}

/** What an exchange that failed comes to, for the caller and for the record. */
export function failureOf(error: unknown): FailedExchange {
  if (error instanceof BodyRefused) return { failed: error.refusal, byBody: true };
  const failed: Refusal =
    error instanceof UpstreamProblem ? error.refusal : { problem: 'internal-error', reason: 'forwarding' };
  return { failed, byBody: false };
}

function bodyErrorOf({ body }: Call): Error | null {
  return body instanceof InspectedBody ? body.errored : null;
}
