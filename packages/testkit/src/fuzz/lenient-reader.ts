import { Busboy } from '@fastify/busboy';
import type { Field, Operation } from '@ideogate/contract';
import type { ReadRequest } from './http-reader.ts';

type Values = readonly (readonly [name: string, value: unknown])[];

/**
 * A forwarded call as a reader sees it that takes whatever it can get: the common libraries, the last of two equal
 * names and each of them, escapes decoded. What must not be there is looked for in everything that it sees; only the
 * text of a field that is declared as text, a number or a flag is never taken for JSON, since no reader of it does.
 */
export async function lenientFaults(
  operation: Operation,
  request: ReadRequest,
  limited: boolean,
): Promise<readonly string[]> {
  const mark = request.target.indexOf('?');
  const query = mark === -1 ? [] : [...new URLSearchParams(request.target.slice(mark + 1))];
  const type = request.fields.find(([name]) => name === 'content-type')?.[1] ?? '';
  const body = request.body === '' ? [] : await bodyValues(type, request.body);
  if (typeof body === 'string') return [body];
  const faults: string[] = [];
  if (anyWebhook(query, operation.query) || anyWebhook(body, operation.fields ?? []))
    faults.push('webhook_url');
  if (limited) faults.push(...outOfBounds(operation, body));
  return faults;
}

function outOfBounds(operation: Operation, values: Values): string[] {
  return (operation.limited ?? []).flatMap((bound) => {
    const found = valuesAt(values, bound.field.split('.'));
    if ('forbidden' in bound) return found.length > 0 ? [`${bound.field} is forbidden`] : [];
    const effective = found.length > 0 ? found : [bound.absent];
    const within = (value: unknown) =>
      'max' in bound ? Number(value) <= bound.max && Number(value) > 0 : bound.oneOf.includes(String(value));
    return effective.every(within) ? [] : [`${bound.field} is ${JSON.stringify(effective)}`];
  });
}

/** Every value that some reader could find at a path: `a.b` as a member, or spelled out in one name. */
function valuesAt(values: Values, path: readonly string[]): unknown[] {
  const [first = '', ...rest] = path;
  const here = values.filter(([name]) => plain(name) === plain(first)).map(([, value]) => value);
  if (rest.length === 0) return here.filter((value) => value !== null);
  const inner = here.map(parsed).flatMap((value) => (isObject(value) ? Object.entries(value) : []));
  const spelled = values.filter(([name]) => plain(name) === plain(path.join(''))).map(([, value]) => value);
  return [...valuesAt(inner, rest), ...spelled];
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}

function namesWebhook(name: string): boolean {
  return plain(name).includes('webhookurl');
}

function anyWebhook(values: Values, declared: readonly Field[]): boolean {
  return values.some(([name, value]) => {
    const field = declared.find((one) => one.name === name);
    // Null sends nothing anywhere.
    return (namesWebhook(name) && value !== null) || holdsWebhook(value, field);
  });
}

/** @param field what the catalogue says of it; undefined when it says nothing. */
function holdsWebhook(value: unknown, field: Field | undefined): boolean {
  const read = field !== undefined && SCALARS.has(field.type) ? value : parsed(value);
  if (Array.isArray(read)) return read.some((item) => holdsWebhook(item, undefined));
  return isObject(read) && anyWebhook(Object.entries(read), field?.fields ?? []);
}

const SCALARS: ReadonlySet<Field['type']> = new Set(['string', 'integer', 'number', 'boolean']);

/** JSON inside text is read too, as some APIs do. */
function parsed(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[{[]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What the body holds, or why even a lenient reader gives up. */
async function bodyValues(type: string, body: string): Promise<Values | string> {
  const bytes = Buffer.from(body, 'latin1');
  if (type.toLowerCase().startsWith('multipart/')) return formValues(type, bytes);
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8').replace(/^\ufeff/, ''));
    return isObject(value) ? Object.entries(value) : [['', value]];
  } catch {
    return 'the body is no JSON';
  }
}

function formValues(type: string, bytes: Buffer): Promise<Values | string> {
  return new Promise((resolve) => {
    const values: [string, unknown][] = [];
    try {
      const reader = new Busboy({ headers: { 'content-type': type } });
      reader.on('field', (name, value) => void values.push([name, value]));
      reader.on('file', (name, file) => {
        values.push([name, 'a file']);
        file.resume();
      });
      reader.on('finish', () => resolve(values));
      reader.on('error', () => resolve('the body is no form'));
      reader.end(bytes);
    } catch {
      resolve('the body is no form');
    }
  });
}
