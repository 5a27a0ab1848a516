import { METHODS } from 'node:http';
import type { Reason } from '@ideogate/contract';
import { connectionOf } from '../edge/connection.ts';
import { pageOriginOf } from '../edge/cross-origin.ts';
import { type HeadFault, readRawHead } from '../edge/request-head.ts';
import { requestLineFault } from '../edge/request-lines.ts';
import type { Refusal } from '../refusal.ts';
import type { Received } from '../call.ts';
import type { Check } from './pipeline.ts';

const DETAILS: Readonly<Partial<Record<Reason, string>>> = {
  'missing-host': 'The Host field is missing.',
  'invalid-host': 'The Host field is not a host with an optional port.',
  protocol: 'The request line does not say HTTP/1.1 or HTTP/1.0.',
  'request-line': 'The request line is not a method, a target and a version with one space between them.',
  'http-version': 'Only HTTP/1.1 and HTTP/1.0 are understood.',
  'chunked-on-1.0': 'HTTP/1.0 has no transfer codings: send Content-Length.',
  'transfer-encoding': 'The only transfer coding is chunked.',
  'two-framings': 'Content-Length and Transfer-Encoding exclude each other.',
  'content-length': 'Content-Length is not a plain decimal number.',
  'body-on-get': 'GET and HEAD carry no body.',
  'header-count': 'The header section has too many fields.',
  expectation: 'The only expectation is 100-continue.',
  upgrade: 'Connections are not upgraded: a WebSocket, or any other protocol than HTTP, cannot be had here.',
  'connection-option': 'Connection names a field that is meant for the other end.',
  'after-doubtful-head': 'It came behind a request whose header section cannot be trusted.',
};

/** Step 3, first half: one meaning for the header section, or refusal. */
export const readHead: Check<Received> = (call, gateway) => {
  const { request } = call;
  const connection = connectionOf(request.socket);
  if (connection?.isDoubtful) return refusedHead('invalid-request', 'after-doubtful-head');
  const lineFault = requestLineFault(call.requestLine, request);
  if (lineFault !== null) {
    if (connection !== undefined) connection.isDoubtful = true;
    return refusedHead('invalid-request', lineFault);
  }
  const { maxHeaderCount, maxBodyBytes } = gateway.config.limits;
  const head = readRawHead(request.rawHeaders, request.httpVersion, call.method, maxHeaderCount);
  if ('reason' in head) {
    if (connection !== undefined) connection.isDoubtful = true;
    return refusedHead(head.problem, head.reason);
  }
  // Node knows methods of other protocols, for which fastify has no route and no words.
  if (!METHODS.includes(call.method)) return { problem: 'method-not-implemented', reason: 'unknown-method' };
  for (const name of head.dropped) delete request.headers[name];
  call.traceId = head.traceId;
  call.pageOrigin = pageOriginOf(call, gateway.config.pageOrigins);
  call.hasBody = head.hasBody;
  call.bodyLength = head.contentLength;
  call.awaitsContinue = head.awaitsContinue;
  if ((head.contentLength ?? 0) > maxBodyBytes) {
    return {
      problem: 'body-too-large',
      reason: 'content-length',
      detail: `The limit is ${maxBodyBytes} bytes.`,
    };
  }
  return null;
};

function refusedHead(problem: HeadFault['problem'], reason: Reason): Refusal {
  return { problem, reason, detail: DETAILS[reason] ?? 'A header field that may appear once is repeated.' };
}
