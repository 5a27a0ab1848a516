import type { Operation } from '@ideogate/contract';
import { isCanonicalNumber, numberForm } from './limited-fields.ts';
import { fault, fieldFault, type RequestFault, webhookFault } from './request-fault.ts';
import { isOwnWebhookPair, type WebhookUrls, webhookUrlsIn } from './own-webhook.ts';
import { namesWebhookUrl } from './webhook-name.ts';

/** How a call is let through: as it is, or inside the operation's *limited* bounds. */
export type Level = 'full' | 'limited';

/**
 * Checks a query string (without `?`; empty when there is none). For every caller: escapes that decode, and no
 * `webhook_url` in any spelling, but once and plainly one of `webhookUrls`, where it is declared. Under *limited* also: declared names only, each once, no `;`, numbers in canonical
 * form, and `dry_run` only as exactly `dry_run=true` and nothing else. Null when all is well.
 */
export function checkQuery(
  operation: Operation,
  level: Level,
  rawQuery: string,
  webhookUrls?: WebhookUrls,
): RequestFault | null {
  if (rawQuery === '') return null;
  const limited = level === 'limited';
  if (limited && rawQuery.includes(';')) {
    return fault(
      'invalid-target',
      'query-malformed',
      'The query holds a semicolon, which some readers take for &.',
    );
  }
  const declared = new Map(operation.query.map((field) => [field.name, field]));
  const seen = new Set<string>();
  const own = webhookUrlsIn(operation.query, webhookUrls);
  let webhooks = 0;
  let failed: RequestFault | null = null;
  // Readers disagree whether `;` separates: a name after either one counts.
  for (const pair of rawQuery.split(/[&;]/)) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? '' : decode(pair.slice(equals + 1));
    if (name === null || value === null) {
      return fault(
        'invalid-target',
        'query-malformed',
        'The query holds an escape that does not decode to UTF-8.',
      );
    }
    if (namesWebhookUrl(name)) {
      webhooks += 1;
      if (webhooks > 1 || !isOwnWebhookPair(pair, value, rawQuery, own)) return webhookFault(own);
    }
    if (!limited || failed !== null) continue;
    const field = declared.get(name);
    if (name === 'dry_run') {
      if (!operation.dryRun || rawQuery !== 'dry_run=true') failed = dryRunForm();
    } else if (field === undefined) {
      failed = unknownParameter(name);
    } else if (seen.has(name)) {
      failed = fieldFault('repeated-parameter', name, `${name} may be sent once only.`, { bound: 'once' });
    } else if ((field.type === 'integer' || field.type === 'number') && !isCanonicalNumber(value)) {
      failed = numberForm(name);
    }
    seen.add(name);
  }
  return failed;
}

/** application/x-www-form-urlencoded: `+` is a space. Null when an escape is broken or no UTF-8 comes out. */
function decode(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

function dryRunForm(): RequestFault {
  const detail =
    'Under write:limited the only query with dry_run is exactly dry_run=true, where the operation declares it.';
  return fieldFault('dry-run-form', 'dry_run', detail, { bound: 'exactly dry_run=true' });
}

function unknownParameter(name: string): RequestFault {
  const found = fieldFault('unknown-parameter', name, '');
  const what = found.field ?? 'A query parameter';
  return { ...found, detail: `${what} is not a parameter of this operation, so write:limited refuses it.` };
}
