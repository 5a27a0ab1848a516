import type { IncomingHttpHeaders } from 'node:http';
import type { Call } from '../call.ts';
import { answerFields } from '../edge/answer-fields.ts';

/** Request fields that go to the upstream, besides those of the body. To pass on one more, add it here. */
const REQUEST_FIELDS = ['accept', 'accept-language', 'user-agent'] as const;

/** Response fields that come back to the caller. */
const RESPONSE_FIELDS = [
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-type',
  'retry-after',
  'x-request-id',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
] as const;

/** A new set of request fields for the upstream; nothing of the caller's gets in but by the list. */
export function requestFields(call: Call): Record<string, string> {
  const fields: Record<string, string> = { 'accept-encoding': 'identity' };
  const from: IncomingHttpHeaders = call.request?.headers ?? {};
  const hopByHop = namedBy(from.connection);
  for (const name of REQUEST_FIELDS) {
    const value = from[name];
    if (typeof value === 'string' && !hopByHop.has(name)) fields[name] = value;
  }
  if (call.body === null) return fields;
  if (call.contentType !== null) fields['content-type'] = call.contentType;
  if (call.bodyLength !== null) fields['content-length'] = String(call.bodyLength);
  return fields;
}

/** The fields of the caller's answer, from those of the upstream's with names in lower case. */
export function responseFields(upstream: IncomingHttpHeaders, call: Call): IncomingHttpHeaders {
  const fields: IncomingHttpHeaders = answerFields(call);
  const hopByHop = namedBy(upstream.connection);
  for (const name of RESPONSE_FIELDS) {
    const value = upstream[name];
    if (hopByHop.has(name)) continue;
    if (typeof value === 'string') fields[name] = value;
    // A list may be in several fields (RFC 9110 section 5.3), and an answer without its codings can't be read.
    else if (name === 'content-encoding' && value !== undefined) fields[name] = [value].flat().join(', ');
  }
  return fields;
}

/** Fields that `Connection` names end at this hop (RFC 9110 section 7.6.1). Undici gives a repeated field as a list. */
function namedBy(connection: string | readonly string[] | undefined): ReadonlySet<string> {
  if (connection === undefined || connection === 'keep-alive') return NO_NAMES;
  const names = [connection ?? []].flat().flatMap((value) => value.split(','));
  return new Set(names.map((name) => name.trim().toLowerCase()));
}

const NO_NAMES: ReadonlySet<string> = new Set();
