import type { Field } from '@ideogate/contract';

/** Addresses of the gateway's own webhook endpoints, to which Ideogram may send a result. */
export type WebhookUrls = ReadonlySet<string>;

const NONE: WebhookUrls = new Set();

/** The field's name, as Ideogram's API spells it. */
export const WEBHOOK_URL = 'webhook_url';

/** What `webhook_url` may name among these fields: nothing where the operation doesn't declare it there. */
export function allowedWebhookUrls(declared: Iterable<Field>, urls: WebhookUrls = NONE): WebhookUrls {
  for (const { name } of declared) if (name === WEBHOOK_URL) return urls;
  return NONE;
}

/**
 * Whether one pair of a query is `webhook_url` with an endpoint of ours. The name stands there as it is, with no escape;
 * a value may be escaped, as every client does, and is compared as a whole. Nobody may read on beyond it: a semicolon
 * anywhere would for some readers belong to it.
 * @param pair as it stands in the query; `value` is the pair's, decoded
 */
export function isAllowedWebhookPair(
  pair: string,
  value: string,
  rawQuery: string,
  urls: WebhookUrls,
): boolean {
  return pair.startsWith(`${WEBHOOK_URL}=`) && urls.has(value) && !rawQuery.includes(';');
}

/** Bytes of the longest of them, in UTF-8: what is longer is none of ours, and need not be kept to be compared. */
export function longestUrlBytes(urls: WebhookUrls): number {
  return Math.max(0, ...[...urls].map((url) => new TextEncoder().encode(url).length));
}
