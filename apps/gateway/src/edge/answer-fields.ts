import type { Call } from '../call.ts';

/**
 * What every answer bears, whoever it is from: the call's id; nothing is stored (RFC 9111 section 5.2.2.5); and, for a page
 * of an allowed origin, what lets it be read.
 */
export function answerFields(call: Call): Record<string, string> {
  return { 'cache-control': 'no-store', 'ideogate-call-id': call.id, ...pageFields(call) };
}

/** Nothing for callers that are no pages. Cookies mean nothing here, so none are let in. */
function pageFields({ pageOrigin }: Call): Record<string, string> {
  if (pageOrigin === null) return {};
  return {
    'access-control-allow-origin': pageOrigin,
    'access-control-expose-headers': 'Ideogate-Call-Id, Retry-After, WWW-Authenticate',
    vary: 'Origin',
  };
}
