import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { type Dispatcher, Pool } from 'undici';
import type { Call, UpstreamEnd } from '../call.ts';
import { upstreamDone } from '../endings.ts';
import type { Gateway } from '../context.ts';
import { capabilityOf } from '../record-of-call.ts';
import type { Answer } from './answer.ts';
import { AnswerStream } from './answer-stream.ts';
import { createConnector } from './egress.ts';
import { requestFields } from './headers.ts';
import { problemOfError, UpstreamProblem } from './upstream-problem.ts';
import { BodyRefused } from './watched-body.ts';

/** Carries the call through http-proxy's header object down to the dispatcher; no header can have this name. */
const CALL: unique symbol = Symbol('call');

/** The header object that http-proxy passes on: empty but for the call it belongs to. */
export function markedHeaders(call: Call): IncomingHttpHeaders {
  const marked: IncomingHttpHeaders & { readonly [CALL]: Call } = { [CALL]: call };
  return marked;
}

interface ProxyRequest {
  readonly body: Readable | string | undefined;
  readonly headers: { readonly [CALL]?: Call };
}

interface ProxyAnswer {
  readonly statusCode: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable;
}

type Callback = (error: Error | null, answer?: ProxyAnswer) => void;

/** The last thing between Ideogate and Ideogram: sets the key beneath every hook and log, and sends once. */
export interface UpstreamDispatcher {
  request(request: ProxyRequest, callback: Callback): void;
  destroy(): Promise<void>;
}

export function createDispatcher(gateway: Gateway): UpstreamDispatcher {
  const { upstream } = gateway.config;
  const pool = new Pool(upstream.origin, {
    connections: upstream.connections,
    pipelining: 1,
    headersTimeout: upstream.firstByteMs,
    bodyTimeout: upstream.firstByteMs,
    connect: createConnector(upstream),
    maxHeaderSize: 32 * 1024,
  });
  return {
    request(request, callback) {
      const call = request.headers[CALL];
      if (call === undefined) throw new Error('a request without a call reached the dispatcher');
      // Also when the callback itself fails: an unhandled rejection would end the process.
      send(call, request, pool, gateway)
        .then((answer) => callback(null, answer))
        .catch((error: unknown) => callback(error instanceof Error ? error : new Error('unknown failure')));
    },
    destroy: () => pool.destroy(),
  };
}

/** Steps 9 and 10: the key goes in last; the call goes out once; the answer is checked before it comes back. */
async function send(call: Call, request: ProxyRequest, pool: Pool, gateway: Gateway): Promise<ProxyAnswer> {
  // The last guard of the first invariant: whatever led here, nothing goes out without a committed decision.
  if (call.decidedAt === null) throw new UpstreamProblem('internal-error', 'undecided');
  const headers = requestFields(call);
  gateway.keys.setHeader(capabilityOf(call), headers);
  if (call.body === null) call.bodySent = true;
  const whole = setTimeout(
    () => call.abort.abort(new UpstreamProblem('upstream-timeout', 'whole-call')),
    gateway.config.upstream.wholeMs,
  );
  let answered: Dispatcher.ResponseData;
  try {
    answered = await pool.request({
      path: call.target,
      method: call.method as Dispatcher.HttpMethod, // as: the catalogue's methods are all HTTP methods
      headers,
      body: call.body === null ? null : (request.body as Readable), // as: http-proxy hands on the stream it was given
      signal: call.abort.signal,
    });
  } catch (error) {
    clearTimeout(whole);
    throw problemOfError(error, call);
  }
  const answer: Answer = {
    status: answered.statusCode,
    startedAt: performance.now(),
    json: isJson(answered.headers['content-type']),
    bytes: 0,
    text: null,
    complete: false,
  };
  call.answer = answer;
  const problem = problemOfHead(call, answered, gateway);
  if (problem !== null) {
    clearTimeout(whole);
    answered.body.on('error', () => undefined);
    answered.body.destroy();
    throw problem;
  }
  const body = new AnswerStream({
    upstream: answered.body,
    answer,
    scan: gateway.keys.scanBody(),
    readOn: () => call.bodySent && call.operation?.capability === 'write' && !call.abort.signal.aborted,
    maxBytes: gateway.config.limits.maxAnswerBytes,
    maxUnreadBytes: gateway.config.limits.maxBodyBytes,
    done(how, why) {
      clearTimeout(whole);
      upstreamDone(call, how === 'cut' && why !== null ? endOfCut(why, call) : how, gateway);
    },
  });
  return { statusCode: answered.statusCode, headers: answered.headers, body };
}

/** Why an answer broke off: a body that broke a bound, the time that was up, or the upstream itself. */
function endOfCut(why: Error, call: Call): UpstreamEnd {
  const problem = problemOfError(why, call);
  if (problem instanceof BodyRefused) return { failed: problem.refusal, byBody: true };
  return problem.problem === 'upstream-timeout' ? 'slow' : 'cut';
}

/**
 * The answers that are not passed on as they are: our key refused, a redirect, the key in a header, and a status
 * that is none (RFC 9110 section 15).
 */
function problemOfHead(
  call: Call,
  answered: Dispatcher.ResponseData,
  gateway: Gateway,
): UpstreamProblem | null {
  const { statusCode, headers } = answered;
  const values = Object.values(headers).flatMap((value) => value ?? []);
  if (gateway.keys.inHeaders(values)) return new UpstreamProblem('upstream-leak', 'key-in-header');
  if (call.operation?.keyRefusedStatus.includes(statusCode)) {
    gateway.keys.markSuspect(capabilityOf(call));
    return new UpstreamProblem('upstream-key-refused', `status-${statusCode}`);
  }
  if (statusCode >= 200 && statusCode < 300) gateway.keys.markAccepted(capabilityOf(call));
  if (statusCode >= 300 && statusCode < 400)
    return new UpstreamProblem('upstream-redirect', `status-${statusCode}`);
  if (Number(headers['content-length']) > gateway.config.limits.maxAnswerBytes)
    return new UpstreamProblem('upstream-invalid', 'answer-too-large');
  if (statusCode < 200 || statusCode > 599)
    return new UpstreamProblem('upstream-invalid', `status-${statusCode}`);
  return null;
}

function isJson(contentType: string | string[] | undefined): boolean {
  return typeof contentType === 'string' && /^application\/json\b/i.test(contentType);
}
