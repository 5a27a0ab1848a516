import { type Field, isReadScope, type Operation, type ScopeName } from '@ideogate/contract';
import { dryRunQuery } from './fields.ts';
import { FREE, UNKNOWN } from './prices.ts';

/** What an open entry has to say for itself; the rest follows from it, or has the usual value. */
type OpenEntry = Pick<Operation, 'id' | 'path' | 'summary'> &
  Partial<Omit<Operation, 'id' | 'path' | 'summary' | 'scope' | 'closed'>> & { readonly scope: ScopeName };

const WEBHOOK = 'takes webhook_url, which makes Ideogram send the result to any address';

/**
 * An open operation. Unless said otherwise: POST, no body, the key its scope calls for, bad key = 401, free when it
 * only reads, price unknown when it does not, and no *limited* bounds. `danger` is a clause ("stores …").
 */
export function open(entry: OpenEntry): Operation {
  const reads = isReadScope(entry.scope);
  const capability = entry.capability ?? (reads ? 'read' : 'write');
  const fields = entry.fields ?? null;
  const query = entry.query ?? [];
  return {
    method: 'POST',
    contentTypes: [],
    asynchronous: 'never',
    dryRun: false,
    price: reads ? FREE : UNKNOWN,
    keyRefusedStatus: capability === 'none' ? [] : [401],
    limited: null,
    ...entry,
    capability,
    fields,
    query,
    closed: null,
    danger: sentence([entry.danger ?? '', takesWebhook(fields, query) ? WEBHOOK : '']),
  };
}

/** As `open`, for a GET. */
export function get(entry: OpenEntry): Operation {
  return open({ fields: [], ...entry, method: 'GET' });
}

/** Takes its fields as JSON alone. */
export const JSON_ONLY: Operation['contentTypes'] = ['application/json'];
/** Takes its fields as a form alone. */
export const MULTIPART: Operation['contentTypes'] = ['multipart/form-data'];
/** Takes its fields as a form or as JSON, which carries no files. */
export const EITHER: Operation['contentTypes'] = ['multipart/form-data', 'application/json'];

/** As `open`, for a v2 route: its id is its path with dots (`/v2/image/describe/ideogram-3` → `v2.image.describe.ideogram-3`). */
export function v2(
  route: string,
  entry: Omit<OpenEntry, 'id' | 'path' | 'query'> & { readonly dryRun?: boolean },
): Operation {
  return open({
    id: `v2.${route.replaceAll('/', '.')}`,
    path: `/v2/${route}`,
    query: entry.dryRun === true ? [dryRunQuery] : [],
    ...entry,
  });
}

/** An operation that no scope opens: it is known so that the refusal can say why. */
export function closed(
  why: string,
  entry: Pick<Operation, 'id' | 'path' | 'summary'> & Partial<Pick<Operation, 'method' | 'query'>>,
  danger: string | null = null,
): Operation {
  return {
    method: 'GET',
    contentTypes: [],
    fields: null,
    query: [],
    ...entry,
    scope: null,
    closed: why,
    // No key of ours may ever be sent there.
    capability: 'none',
    asynchronous: 'never',
    dryRun: false,
    price: UNKNOWN,
    keyRefusedStatus: [],
    limited: null,
    danger: danger === null ? null : sentence([danger]),
  };
}

function takesWebhook(fields: readonly Field[] | null, query: readonly Field[]): boolean {
  return [...(fields ?? []), ...query].some((field) => field.name === 'webhook_url');
}

function sentence(clauses: readonly string[]): string | null {
  const said = clauses.filter((clause) => clause !== '').join('; ');
  return said === '' ? null : `${said.slice(0, 1).toUpperCase()}${said.slice(1)}.`;
}
