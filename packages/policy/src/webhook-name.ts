import type { JsonValue } from '@ideogate/contract';

/**
 * Whether a reader, however lenient, could take this name for `webhook_url`: any letter case, any separators
 * (`webhookUrl`, `webhook-url`), brackets (`webhook_url[]`, `image_request[webhook_url]`), full-width letters,
 * and percent escapes on top of each other.
 */
export function namesWebhookUrl(name: string): boolean {
  return couldMean(name, 'webhookurl');
}

/** As `namesWebhookUrl`, for `dry_run`. */
export function namesDryRun(name: string): boolean {
  return couldMean(name, 'dryrun');
}

/** Names as the API spells them, which have no second reading; nearly every name is one. */
const PLAIN_NAME = /^[a-z0-9_]{1,64}$/;

function couldMean(name: string, letters: string): boolean {
  if (PLAIN_NAME.test(name)) return name.replaceAll('_', '').includes(letters);
  let spelling = name;
  for (let round = 0; round < 4; round++) {
    if (bare(spelling).includes(letters)) return true;
    const decoded = spelling.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    if (decoded === spelling) return false;
    spelling = decoded;
  }
  // Escaped over and over: no honest client does that.
  return true;
}

/** Whether any member, at any depth, names `webhook_url`. */
export function holdsWebhookUrl(value: JsonValue): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(holdsWebhookUrl);
  return Object.entries(value).some(([name, member]) => namesWebhookUrl(name) || holdsWebhookUrl(member));
}

/** As `namesWebhookUrl`, for text that some reader may take for JSON although a strict one does not. */
export function mentionsWebhookUrl(text: string): boolean {
  const unescaped = text.replace(/\\u([0-9a-fA-F]{4})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return bare(unescaped).includes('webhookurl');
}

function bare(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '');
}
