import { didYouMean, type Operation } from '@ideogate/contract';
import { DeclaredFields } from './declared-fields.ts';
import { isCanonicalNumber, numberFormFault } from './limited-fields.ts';
import { foldName } from './folded-name.ts';
import { isAllowedWebhookPair, type WebhookUrls, allowedWebhookUrls } from './webhook-urls.ts';
import { otherSpellingFault, fault, fieldFault, type RequestFault, webhookFault } from './request-fault.ts';
import { namesDryRun, namesWebhookUrl } from './guarded-names.ts';

/** How a call is let through: as it is, or inside the operation's *limited* bounds. */
export type Level = 'full' | 'limited';

/** One `name=value` of a query. */
interface Pair {
  /** As it stands. */
  readonly text: string;
  readonly rawName: string;
  readonly name: string;
  readonly value: string;
}

/**
 * Checks a query string (without `?`; empty when there is none). For every caller: nothing that two readers in use would
 * take apart differently, and no `webhook_url` in any spelling, but once and plainly one of `webhookUrls`, where it is
 * declared. Under *limited* also: declared names only, numbers in canonical form, and `dry_run` only as exactly
 * `dry_run=true` and nothing else. Null when all is well.
 */
export function checkQuery(
  operation: Operation,
  level: Level,
  rawQuery: string,
  webhookUrls?: WebhookUrls,
): RequestFault | null {
  if (rawQuery === '') return null;
  const pairs: Pair[] = [];
  // Readers disagree whether `;` separates: a name after either one counts.
  for (const text of rawQuery.split(/[&;]/)) {
    if (text === '') continue;
    const equals = text.indexOf('=');
    const rawName = equals < 0 ? text : text.slice(0, equals);
    const name = decode(rawName);
    const value = equals < 0 ? '' : decode(text.slice(equals + 1));
    if (name === null || value === null) {
      return malformed('The query holds an escape that does not decode to UTF-8.');
    }
    pairs.push({ text, rawName, name, value });
  }
  const declared = DeclaredFields.of(operation.query);
  return (
    foreignWebhookUrl(pairs, rawQuery, allowedWebhookUrls(operation.query, webhookUrls)) ??
    readDifferently(pairs, rawQuery, declared) ??
    (level === 'limited' ? pastBounds(pairs, rawQuery, operation, declared) : null)
  );
}

function foreignWebhookUrl(pairs: readonly Pair[], rawQuery: string, own: WebhookUrls): RequestFault | null {
  const named = pairs.filter(({ name }) => namesWebhookUrl(name));
  const plain = named.every(({ text, value }) => isAllowedWebhookPair(text, value, rawQuery, own));
  const hidden = pairs.some(({ value }) => namesWithin(value).some(namesWebhookUrl));
  return named.length > 1 || !plain || hidden ? webhookFault(own) : null;
}

/** For every caller: what one reader takes for something else than the next. */
function readDifferently(
  pairs: readonly Pair[],
  rawQuery: string,
  declared: DeclaredFields,
): RequestFault | null {
  if (rawQuery.includes(';')) {
    return malformed('The query holds a semicolon, which some readers take for &. Write it as %3B.');
  }
  const seen = new Set<string>();
  for (const { text, rawName, name, value } of pairs) {
    const meant = declared.meantBy(name, foldName(name));
    if (meant !== null && meant.name !== name) return otherSpellingFault('invalid-target', name, meant.name);
    // PHP reads `a.b` and `a b` as `a_b`; PHP and Rack nest `a[b]`; proxies look for names as they stand, escapes and all.
    if (!/^[0-9A-Za-z_-]{1,128}$/.test(rawName)) {
      const detail =
        'The name of a parameter may hold letters, digits, _ and - only, none escaped: readers disagree about others.';
      return { ...fieldFault('unclear-name', name, detail), problem: 'invalid-target' };
    }
    // CGI.pm takes a query without one for keywords, and Rack tells `a` from `a=`.
    if (!text.includes('=')) {
      const detail = `A parameter needs an equals sign, and a value or none behind it. Send ${rawName}=.`;
      return { ...fieldFault('unclear-name', name, detail), problem: 'invalid-target' };
    }
    // PHP and Go keep one of two, but not the same; others join them.
    const key = name.toLowerCase();
    if (seen.has(key) && meant?.type.endsWith('[]') !== true) {
      const found = fieldFault('repeated-parameter', name, `${name} may be sent once only.`, {
        bound: 'once',
      });
      return { ...found, problem: 'invalid-target' };
    }
    seen.add(key);
    if (value.includes('\0')) return malformed('The query holds %00, where some readers end a value.');
    const within = namesWithin(value).find(
      (inner) => namesDryRun(inner) || declared.meantBy(inner, foldName(inner)) !== null,
    );
    if (within !== undefined) {
      return malformed(
        `The value of ${name} holds another parameter behind an escaped & or ;, which readers see that decode first.`,
      );
    }
  }
  return null;
}

/** Names that a reader sees in a value that decodes the query as a whole and then takes it apart. */
function namesWithin(value: string): readonly string[] {
  if (!/[&;]/.test(value)) return [];
  return value
    .split(/[&;]/)
    .slice(1)
    .map((pair) => pair.split('=', 1)[0] ?? '');
}

function pastBounds(
  pairs: readonly Pair[],
  rawQuery: string,
  operation: Operation,
  declared: DeclaredFields,
): RequestFault | null {
  for (const { name, value } of pairs) {
    const field = declared.byName.get(name);
    if (name === 'dry_run') {
      if (!operation.dryRun || rawQuery !== 'dry_run=true') return dryRunForm();
    } else if (field === undefined) {
      return unknownParameter(
        name,
        operation.query.map((declared) => declared.name),
      );
    } else if ((field.type === 'integer' || field.type === 'number') && !isCanonicalNumber(value)) {
      return numberFormFault(name);
    }
  }
  return null;
}

function malformed(detail: string): RequestFault {
  return fault('invalid-target', 'query-malformed', detail);
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

function unknownParameter(name: string, known: Iterable<string>): RequestFault {
  const near = didYouMean(name, known);
  const hint = near === undefined ? '' : ` Did you mean ${near}?`;
  const found = fieldFault('unknown-parameter', name, '');
  const what = found.field ?? 'A query parameter';
  return {
    ...found,
    detail: `${what} is not a parameter of this operation, so write:limited refuses it.${hint}`,
  };
}
