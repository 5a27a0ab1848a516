/**
 * Every refusal and failure Ideogate itself can answer with (RFC 9457 problem details). Nothing else invents an
 * error body. `type` on the wire is `<gateway>/-/problems/<code>`.
 */
export const PROBLEMS = {
  'invalid-request': p(
    400,
    'The request is malformed',
    'Send a well-formed HTTP/1.1 request; the detail says what was wrong.',
  ),
  'invalid-target': p(
    400,
    'The request target has more than one meaning',
    'Use the plain path from the API reference: no dot segments, double slashes, or escapes of reserved bytes; in the query no semicolons, and each name once, as the reference spells it.',
  ),
  'invalid-credential': p(
    400,
    'The credential is ambiguous',
    'Send exactly one token, in Authorization: Bearer or in Api-Key, never in the query.',
  ),
  'invalid-body': p(
    400,
    'The request body cannot be read with certainty',
    'Send the body as the API reference describes it; the detail says what was wrong.',
  ),
  'authentication-required': p(
    401,
    'A token is needed',
    'Get an access token from the issuer and send it as Authorization: Bearer or Api-Key.',
  ),
  'invalid-token': p(
    401,
    'The token was not accepted',
    'Get a fresh access token for this environment from the issuer. The security team can look up the exact reason by call id.',
  ),
  'webhook-not-verified': p(
    401,
    'The webhook was not accepted',
    'Sign the raw body with the current secret, and send it within five minutes. The platform team finds the exact reason in the log by the call id.',
  ),
  'insufficient-scope': p(
    403,
    'The token or policy does not allow this operation',
    'Ask for a token with the scope named here, or ask the platform team for a grant.',
  ),
  'bound-exceeded': p(
    403,
    'The request goes past what the grant allows',
    'Keep the named field within its bound, or ask the platform team for a wider grant.',
  ),
  'stopped-by-order': p(
    403,
    'An order stops calls like this one',
    'Tell the security team the call id: they gave the order, and they alone undo it.',
  ),
  'operation-closed': p(
    403,
    'No scope opens this operation',
    "This operation needs Ideogram's own web session; use Ideogram's console.",
  ),
  'cross-origin-refused': p(
    403,
    'Web pages may not call this gateway',
    'Call from a server of yours, which keeps the token. Where a page must call, ask the platform team to list its exact origin.',
  ),
  'unknown-operation': p(404, 'Ideogram has no such operation', 'Check the path against the API reference.'),
  'method-not-allowed': p(
    405,
    'The operation does not take this method',
    'Use one of the methods in the Allow header.',
  ),
  'request-timeout': p(
    408,
    'The request took too long to arrive',
    'Send the request faster, or in one piece.',
  ),
  'length-required': p(
    411,
    'The length of the body is not known',
    'Send Content-Length or Transfer-Encoding: chunked.',
  ),
  'body-too-large': p(
    413,
    'The request body is too large',
    'Send a smaller body; the detail names the limit.',
  ),
  'target-too-long': p(414, 'The request target is too long', 'Send fewer or shorter query parameters.'),
  'unsupported-content-type': p(
    415,
    'The operation does not take this content type',
    'Use a content type the API reference lists for the operation.',
  ),
  'expectation-failed': p(417, 'The expectation cannot be met', 'Only Expect: 100-continue is understood.'),
  'too-many-requests': p(429, 'Too many requests', 'Wait for the seconds in Retry-After, then try again.'),
  'headers-too-large': p(
    431,
    'The request header fields are too large',
    'Send fewer or shorter header fields.',
  ),
  'internal-error': p(
    500,
    'The gateway failed',
    'Try again; tell the platform team the call id if it goes on.',
  ),
  'method-not-implemented': p(501, 'No such method', 'Use a method the API reference lists.'),
  'upgrade-refused': p(
    501,
    'The gateway does not upgrade or tunnel connections',
    'Send a plain HTTP/1.1 request.',
  ),
  'upstream-unreachable': p(502, 'Ideogram could not be reached', 'Try again later.'),
  'upstream-key-refused': p(
    502,
    "Ideogram refused the gateway's key",
    'Tell the platform team; your token is fine.',
  ),
  'upstream-redirect': p(502, 'Ideogram answered with a redirect', 'Tell the platform team.'),
  'upstream-leak': p(502, 'The answer from Ideogram held a secret', 'Tell the security team the call id.'),
  'upstream-ended-early': p(
    502,
    'Ideogram ended the exchange early',
    'The call may or may not have run. Check before you try again.',
  ),
  'upstream-invalid': p(502, 'The answer from Ideogram was malformed', 'Try again later.'),
  'record-unavailable': p(
    503,
    'The record cannot be written',
    'Nothing was forwarded. Wait for the seconds in Retry-After, then try again.',
  ),
  'keys-unavailable': p(
    503,
    'The token cannot be checked now',
    'Nothing was forwarded. Wait for the seconds in Retry-After, then try again.',
  ),
  'no-key': p(
    503,
    'The gateway has no Ideogram key for this',
    'Nothing was forwarded. Tell the platform team: a key must be added and activated.',
  ),
  'webhook-unavailable': p(
    503,
    'The webhook cannot be taken now',
    'Nothing was kept. Wait for the seconds in Retry-After, then send it again.',
  ),
  'shutting-down': p(503, 'This gateway is stopping', 'Try again; another gateway will answer.'),
  overloaded: p(
    503,
    'The gateway is busy with the calls of others',
    'Wait for the seconds in Retry-After, then try again.',
  ),
  'upstream-timeout': p(
    504,
    'Ideogram took too long to answer',
    'The call may or may not have run. Check before you try again.',
  ),
} as const satisfies Record<string, Problem>;

/** What is said of one kind of refusal (RFC 9457). */
export interface Problem {
  /** HTTP status (RFC 9110 section 15). */
  readonly status: number;
  readonly title: string;
  /** What the reader should do. */
  readonly remedy: string;
}

/** A code of the table, which ends the `type` of a refusal. */
export type ProblemCode = keyof typeof PROBLEMS;

function p(status: number, title: string, remedy: string): Problem {
  return { status, title, remedy };
}

/** Whether it is exactly one of the table's codes. */
export function isProblemCode(text: string): text is ProblemCode {
  return Object.hasOwn(PROBLEMS, text);
}
