import { readRawHead } from '../edge/head.ts';
import type { Step } from '../step.ts';

const DETAILS: Readonly<Record<string, string>> = {
  'missing-host': 'The Host field is missing.',
  'invalid-host': 'The Host field is not a host with an optional port.',
  'http-version': 'Only HTTP/1.1 is understood.',
  'transfer-encoding': 'The only transfer coding is chunked.',
  'two-framings': 'Content-Length and Transfer-Encoding exclude each other.',
  'content-length': 'Content-Length is not a plain decimal number.',
  'body-on-get': 'GET and HEAD carry no body.',
  expectation: 'The only expectation is 100-continue.',
  upgrade: 'Connections are not upgraded.',
};

/** Step 3, first half: one meaning for the header section, or refusal. */
export const readHead: Step = (call, gateway) => {
  const { request } = call;
  if (request === null) return null;
  const head = readRawHead(request.rawHeaders, request.httpVersion, request.method ?? '');
  if ('reason' in head) {
    const detail = DETAILS[head.reason] ?? 'A header field that may appear once is repeated.';
    return { problem: head.problem, reason: head.reason, detail };
  }
  call.traceId = head.traceId;
  call.hasBody = head.hasBody;
  call.bodyLength = head.contentLength;
  call.awaitsContinue = head.awaitsContinue;
  const { maxBodyBytes } = gateway.config.limits;
  if ((head.contentLength ?? 0) > maxBodyBytes) {
    return {
      problem: 'body-too-large',
      reason: 'content-length',
      detail: `The limit is ${maxBodyBytes} bytes.`,
    };
  }
  return null;
};
