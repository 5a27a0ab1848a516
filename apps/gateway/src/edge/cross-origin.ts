import type { Call } from '../call.ts';
import { answerFields } from './answer-fields.ts';
import type { PageOrigins } from '../page-origins.ts';
import type { ToldRefusal } from '../refusal.ts';

/*
 * Calls from web pages (the Fetch standard's CORS). @fastify/cors answers by itself and sets its fields on fastify's
 * reply; here a preflight that is refused needs words and a row, and answers go out beneath fastify.
 */

/** The page's origin, if it may call; null for all others, and for callers that are no pages. */
export function pageOriginOf({ request }: Call, pageOrigins: PageOrigins): string | null {
  const origin = request?.headers.origin;
  return origin !== undefined && pageOrigins.has(origin) ? origin : null;
}

/** A browser asks first whether a page of another origin may make a call. It never sends the token with that. */
export function isPreflight({ request, method }: Call): boolean {
  return (
    method === 'OPTIONS' &&
    request?.headers.origin !== undefined &&
    request.headers['access-control-request-method'] !== undefined
  );
}

/** The answer to a preflight of a page that may call. */
export function preflightFields(call: Call): Record<string, string> {
  return {
    ...answerFields(call),
    'access-control-allow-methods': 'GET, POST, PATCH, DELETE',
    'access-control-allow-headers': 'api-key, authorization, content-type, traceparent',
    'access-control-max-age': '600',
  };
}

/** The answer to a preflight of a page that may not call. */
export function preflightRefusal(pageOrigins: PageOrigins): ToldRefusal {
  const which =
    pageOrigins.size === 0 ? 'pages may not call this gateway' : 'this page is not among those that may call';
  return {
    problem: 'cross-origin-refused',
    reason: 'cross-origin',
    detail: `A browser asked whether a page of another origin may call: ${which}. A token in a page can be read by whoever opens the page.`,
  };
}
