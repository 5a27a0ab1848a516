import { type Field, isLoopback, type Operation } from '@ideogate/contract';
import { fieldAt } from '../catalogue/check.ts';
import type { RequestFields } from '../price.ts';
import { type Body, FilePart, type Part, parseObject, TextPart } from './body.ts';

/** A request that passed: its plain values by path (`image_request.seed`), and how many files each field has. */
export interface Request {
  readonly values: RequestFields;
  readonly files: ReadonlyMap<string, number>;
  /** Every field that was sent, by name. */
  readonly sent: ReadonlySet<string>;
}

/** Why the real API would refuse a body, in a sentence. */
export interface Rejection {
  readonly rejected: string;
}

/** Checks a body and a query against the operation, as the API reference documents its fields. */
export function validate(operation: Operation, body: Body, query: URLSearchParams): Request | Rejection {
  const values = new Map<string, string | number | boolean>();
  const files = new Map<string, number>();
  const faults: string[] = [];
  const fields = operation.fields;
  const sent = collect(body);
  if (fields === null) {
    // Where the fields are not known, everything passes; what can be read is kept for the answer.
    for (const [name, value] of sent) keepScalar(values, name, value);
  } else {
    for (const field of fields) checkField(field, field.name, sent.get(field.name));
    faults.push(...rulesBroken(operation, new Set(sent.keys()), values));
  }
  for (const parameter of operation.query) checkQuery(parameter);
  const first = faults[0];
  return first === undefined ? { values, files, sent: new Set(sent.keys()) } : { rejected: first };

  function checkField(field: Field, path: string, value: Sent): void {
    if (value === undefined || value === null) {
      if (field.required) faults.push(`${path} is required`);
      return;
    }
    if (field.type === 'file' || field.type === 'file[]') {
      const parts = partsOf(value);
      const count = parts?.filter((part) => part instanceof FilePart).length ?? 0;
      if (parts === undefined || parts.length > count) faults.push(`${path} must be a file`);
      if (field.type === 'file' && count > 1) faults.push(`${path} is sent more than once`);
      if (field.maxItems !== undefined && count > field.maxItems) faults.push(`${path} has too many files`);
      files.set(path, count);
      values.set(path, true);
      return;
    }
    const members = field.type.endsWith('[]') ? listOf(value) : [single(value)];
    if (members === undefined) {
      faults.push(`${path} must be a list`);
      return;
    }
    if (field.maxItems !== undefined && members.length > field.maxItems)
      faults.push(`${path} has too many entries`);
    for (const member of members) checkValue(field, path, member);
  }

  function checkValue(field: Field, path: string, raw: unknown): void {
    const value = typed(field, raw);
    if (value === undefined) {
      faults.push(`${path} has a wrong type or value`);
      return;
    }
    if (typeof value === 'object') {
      for (const member of field.fields ?? []) {
        checkField(member, `${path}.${member.name}`, value[member.name]);
      }
      return;
    }
    const wrong = valueFault(field, value);
    if (wrong !== undefined) faults.push(`${path} ${wrong}`);
    values.set(path, value);
  }

  function checkQuery(parameter: Field): void {
    const given = query.getAll(parameter.name);
    const [first] = given;
    if (first === undefined) {
      if (parameter.required) faults.push(`${parameter.name} is required`);
      return;
    }
    for (const text of parameter.type === 'string[]' ? given.flatMap((each) => each.split(',')) : [first]) {
      checkValue(parameter, parameter.name, new TextPart(text));
    }
  }
}

/** A JSON value, or the parts of one multipart field; undefined when it was not sent. */
type Sent = unknown;

function collect(body: Body): ReadonlyMap<string, Sent> {
  if (body.kind === 'json') return new Map(Object.entries(body.value));
  return body.kind === 'multipart' ? body.fields : new Map();
}

function partsOf(value: Sent): readonly Part[] | undefined {
  const isPart = (part: unknown): part is Part => part instanceof TextPart || part instanceof FilePart;
  return Array.isArray(value) && value.length > 0 && value.every(isPart) ? value : undefined;
}

/** The one value of a field: of several parts with one name the last counts. */
function single(value: Sent): unknown {
  const parts = partsOf(value);
  return parts === undefined ? value : parts.at(-1);
}

function listOf(value: Sent): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

type Typed = string | number | boolean | Readonly<Record<string, unknown>>;

function typed(field: Field, raw: unknown): Typed | undefined {
  const text = raw instanceof TextPart ? raw.text : undefined;
  switch (field.type) {
    case 'string':
    case 'string[]':
      return text ?? (typeof raw === 'string' ? raw : undefined);
    case 'integer':
    case 'number': {
      const number = text !== undefined && /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : raw;
      const fits = typeof number === 'number' && (field.type === 'number' || Number.isSafeInteger(number));
      return fits ? number : undefined;
    }
    case 'boolean': {
      const word = text ?? raw;
      if (word === 'true' || word === true) return true;
      return word === 'false' || word === false ? false : undefined;
    }
    case 'object':
    case 'object[]': {
      const value = text === undefined ? raw : parseObject(text);
      return isRecord(value) ? value : undefined;
    }
    case 'file':
    case 'file[]':
      return undefined;
    default:
      return field.type satisfies never;
  }
}

function valueFault(field: Field, value: string | number | boolean): string | undefined {
  if (typeof value === 'number') {
    if (field.min !== undefined && value < field.min) return `must be at least ${field.min}`;
    return field.max !== undefined && value > field.max ? `must be at most ${field.max}` : undefined;
  }
  if (typeof value === 'boolean') return undefined;
  if (field.enum !== undefined && !field.enum.includes(value))
    return `must be one of ${field.enum.join(', ')}`;
  if (field.minLength !== undefined && value.length < field.minLength) return 'is too short';
  if (field.maxLength !== undefined && value.length > field.maxLength) return 'is too long';
  if (field.pattern !== undefined && !new RegExp(field.pattern).test(value)) return 'has a wrong form';
  return undefined;
}

/** Rules between fields that the reference states. */
function rulesBroken(
  operation: Operation,
  sent: ReadonlySet<string>,
  values: RequestFields,
): readonly string[] {
  const fields = operation.fields ?? [];
  const has = (name: string) => fieldAt(fields, name) !== undefined;
  const broken: string[] = [];
  if (has('text_prompt') && has('json_prompt') && sent.has('text_prompt') === sent.has('json_prompt')) {
    broken.push('exactly one of text_prompt and json_prompt must be sent');
  }
  if (operation.id.startsWith('v4') && values.get('rendering_speed') === 'FLASH') {
    broken.push('rendering_speed FLASH is not available');
  }
  if (operation.id.startsWith('v3.')) {
    if (sent.has('resolution') && sent.has('aspect_ratio')) {
      broken.push('resolution and aspect_ratio may not be sent together');
    }
    if (sent.has('style_codes') && (sent.has('style_type') || sent.has('style_reference_images'))) {
      broken.push('style_codes may not be sent together with style_type or style_reference_images');
    }
  }
  for (const name of ['image', 'mask']) {
    const asset = `${name}_asset_identifier`;
    if (has(asset) && !sent.has(name) && !sent.has(asset)) broken.push(`${name} is required`);
  }
  if (operation.id === 'v1.edit' && !sent.has('images') && !sent.has('image_urls')) {
    broken.push('images or image_urls is required');
  }
  const webhook = values.get('webhook_url');
  // Ideogram takes https alone; nobody has a certificate for the loopback that the emulator lives on.
  if (typeof webhook === 'string' && !webhook.startsWith('https://') && !isOnLoopback(webhook))
    broken.push('webhook_url must be https');
  return broken;
}

function isOnLoopback(address: string): boolean {
  const url = URL.canParse(address) ? new URL(address) : null;
  return url?.protocol === 'http:' && isLoopback(url.hostname);
}

function keepScalar(values: Map<string, string | number | boolean>, name: string, value: Sent): void {
  const raw = single(value);
  const scalar = raw instanceof TextPart ? raw.text : raw;
  if (typeof scalar === 'string' || typeof scalar === 'number' || typeof scalar === 'boolean') {
    values.set(name, scalar);
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof TextPart);
}
