import type { Reason } from '@ideogate/contract';

/** What the header section says about framing and expectations, or why it cannot be trusted. */
export interface Head {
  readonly hasBody: boolean;
  /** Value of Content-Length; null with chunked, or without a body. */
  readonly contentLength: number | null;
  readonly awaitsContinue: boolean;
  readonly traceId: string | null;
  /** Fields that say nothing, for they came twice: whoever reads on forgets them. */
  readonly dropped: readonly string[];
}

/** Why a header section cannot be trusted. */
export interface HeadFault {
  readonly problem: 'invalid-request' | 'headers-too-large' | 'expectation-failed' | 'upgrade-refused';
  readonly reason: Reason;
}

/** Fields that may appear once (RFC 9110 section 5.3); Node keeps the first of two in silence. */
const SINGLE = [
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'from',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'max-forwards',
  'referer',
  'transfer-encoding',
] as const;
/** Nothing is decided on these, and proxies and tracing libraries add a second one: neither counts then. */
const DROPPED_WHEN_REPEATED = new Set(['traceparent', 'user-agent']);
/** Fields that a `Connection` may not take off: what was decided on them would not be what is forwarded. */
const DECIDED_ON = new Set<string>([...SINGLE, ...DROPPED_WHEN_REPEATED, 'api-key', 'authorization']);
/** A full stop at its end says that the name is whole, as resolvers with search lists want it (RFC 3986 section 3.2.2). */
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;
/** Other ways to say the same over the same connection: who offers one takes an answer without it. */
const OTHER_HTTP = /^(?:h2c|(?:HTTP|TLS)\/[0-9]+(?:\.[0-9]+)?)$/i;
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/;

/**
 * Reads the raw header section (name, value, name, value, as received) in the only way it can be read.
 * RFC 9112 sections 3.2 and 6, RFC 9110 sections 7.8 and 10.1.1; `traceparent` as in W3C Trace Context.
 */
export function readRawHead(
  rawHeaders: readonly string[],
  httpVersion: string,
  method: string,
  maxFields: number,
): Head | HeadFault {
  if (rawHeaders.length > 2 * maxFields) return { problem: 'headers-too-large', reason: 'header-count' };
  const seen = new Map<string, string>();
  const hopByHop: string[] = [];
  const dropped: string[] = [];
  const upgrades: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    const single = seen.has(name) ? SINGLE.find((field) => field === name) : undefined;
    if (single !== undefined) return malformed(`repeated-${single}`);
    if (DROPPED_WHEN_REPEATED.has(name) && seen.has(name)) dropped.push(name);
    const value = rawHeaders[i + 1] ?? '';
    seen.set(name, value);
    if (name === 'connection') hopByHop.push(...listed(value).map((option) => option.toLowerCase()));
    if (name === 'upgrade') upgrades.push(...listed(value));
  }
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return malformed('http-version');
  const old = httpVersion === '1.0';
  const host = seen.get('host');
  if (host === undefined && !old) return malformed('missing-host');
  if (host !== undefined && !HOST.test(host)) return malformed('invalid-host');
  if (hopByHop.some((name) => DECIDED_ON.has(name))) return malformed('connection-option');
  if (upgrades.some((protocol) => !OTHER_HTTP.test(protocol)))
    return { problem: 'upgrade-refused', reason: 'upgrade' };

  const coding = seen.get('transfer-encoding');
  // An old recipient before us would have taken the chunks for the content (RFC 9112 section 6.1).
  if (coding !== undefined && old) return malformed('chunked-on-1.0');
  const length = seen.get('content-length');
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return malformed('transfer-encoding');
  if (coding !== undefined && length !== undefined) return malformed('two-framings');
  if (length !== undefined && !/^(?:0|[1-9][0-9]{0,14})$/.test(length)) return malformed('content-length');
  const hasBody = coding !== undefined || (length !== undefined && length !== '0');
  // A body in chunks may turn out to be none: `refuseBodyOnGet` looks, once the caller may be waited for.
  if (hasBody && coding === undefined && (method === 'GET' || method === 'HEAD'))
    return malformed('body-on-get');

  // A caller of HTTP/1.0 doesn't know what to do with a 100 (RFC 9110 section 10.1.1).
  const expect = old ? undefined : seen.get('expect');
  if (expect !== undefined && expect.toLowerCase() !== '100-continue') {
    return { problem: 'expectation-failed', reason: 'expectation' };
  }
  return {
    hasBody,
    contentLength: hasBody && length !== undefined ? Number(length) : null,
    awaitsContinue: expect !== undefined && hasBody,
    traceId: dropped.includes('traceparent')
      ? null
      : (TRACEPARENT.exec(seen.get('traceparent') ?? '')?.[1] ?? null),
    dropped,
  };
}

function listed(value: string): string[] {
  return value
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '');
}

function malformed(reason: Reason): HeadFault {
  return { problem: 'invalid-request', reason };
}
