import type { Field } from '@ideogate/contract';
import type { PartHead } from './part-head.ts';

/** Addresses of the gateway's own webhook endpoints, to which Ideogram may send a result. */
export type WebhookUrls = ReadonlySet<string>;

const NONE: WebhookUrls = new Set();

/** As the API spells it. */
export const WEBHOOK_URL = 'webhook_url';

/** What may stand in `webhook_url` here: nothing where the operation doesn't declare it in this place. */
export function webhookUrlsIn(declared: Iterable<Field>, urls: WebhookUrls = NONE): WebhookUrls {
  for (const { name } of declared) if (name === WEBHOOK_URL) return urls;
  return NONE;
}

/**
 * Whether one pair of a query is `webhook_url` with an endpoint of ours. The name stands there as it is, with no escape;
 * a value may be escaped, as every client does, and is compared as a whole. Nobody may read on beyond it: a semicolon
 * anywhere would for some readers belong to it.
 */
export function isOwnWebhookPair(pair: string, value: string, rawQuery: string, urls: WebhookUrls): boolean {
  return pair.startsWith(`${WEBHOOK_URL}=`) && urls.has(value) && !rawQuery.includes(';');
}

/** Whether a part says no more of itself than that it is the text field `webhook_url`. */
export function isPlainWebhookPart({ name, file, contentType, charset }: PartHead): boolean {
  const text = contentType === null || contentType.type === 'text/plain';
  return name === WEBHOOK_URL && file === 'none' && text && charset !== 'other';
}

/** The longest of them, bytes: what is longer is none of ours, and need not be kept to be compared. */
export function longestOf(urls: WebhookUrls): number {
  return Math.max(0, ...[...urls].map((url) => new TextEncoder().encode(url).length));
}
