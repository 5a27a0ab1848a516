import { type Bound, didYouMean, type Field, type Operation } from '@ideogate/contract';
import { DeclaredFields } from './declared-fields.ts';
import { fieldFault, type RequestFault } from './request-fault.ts';

/** The bounds and known fields of one operation, looked up by path. Made once per operation. */
interface Rules {
  readonly bounds: ReadonlyMap<string, Bound>;
  readonly fields: ReadonlyMap<string, Field>;
}

/** Longest text that is compared with a bound, in bytes: what is longer is no word of an enum. */
export const MAX_BOUNDED_TEXT = 1024;

const NO_FIELDS: readonly Field[] = [];
const rulesOf = new WeakMap<Operation, Rules>();

/** Top-level body fields by name. */
export function fieldsOf(operation: Operation): ReadonlyMap<string, Field> {
  return rules(operation).fields;
}

/**
 * Holds the fields of one call against the *limited* bounds of its operation, in the order in which they arrive.
 * What is not known with certainty is refused: unknown names, other JSON types, numbers in another spelling.
 */
export class LimitedFields {
  readonly #rules: Rules;
  /** Paths of bounded fields that were sent. */
  readonly #sent = new Set<string>();

  constructor(operation: Operation) {
    this.#rules = rules(operation);
  }

  /** A multipart field begins, as text or as a file. */
  begin(name: string, file: boolean): RequestFault | null {
    const field = this.#rules.fields.get(name);
    if (field === undefined) return unknownField(name, this.#rules.fields.keys());
    const bound = this.#rules.bounds.get(name);
    if (bound !== undefined && 'forbidden' in bound) return forbidden(name);
    const wantsFile = field.type === 'file' || field.type === 'file[]';
    if (wantsFile && !file) {
      return fieldFault('file-as-text', name, `${name} is a file, so it must be sent with a file name.`);
    }
    if (!wantsFile && file) {
      return fieldFault('text-as-file', name, `${name} is no file, so it must be sent without a file name.`);
    }
    return null;
  }

  /** A whole multipart text field that does not hold JSON. */
  text(name: string, bytes: Uint8Array): RequestFault | null {
    const field = this.#rules.fields.get(name);
    if (field === undefined) return unknownField(name, this.#rules.fields.keys());
    const bound = this.#rules.bounds.get(name);
    const numeric = field.type === 'integer' || field.type === 'number';
    if (bound === undefined && !numeric) return null;
    // Anything outside ASCII becomes a sign that no number and no enum word holds.
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
    if (numeric && !isCanonicalNumber(text)) return numberFormFault(name);
    if (bound === undefined) return null;
    this.#sent.add(name);
    return checkValue(bound, field, numeric ? Number(text) : text);
  }

  /** Whether a bound speaks of the field at this path. */
  bounds(path: string): boolean {
    return this.#rules.bounds.has(path);
  }

  /** A member of a JSON object whose members are known, which is none of them. */
  unknownMember(path: string, known: DeclaredFields): RequestFault {
    return unknownField(path, known.byName.keys());
  }

  /** The value of a JSON member; undefined for text longer than `MAX_BOUNDED_TEXT`. */
  scalar(
    path: string,
    field: Field,
    value: string | number | boolean | null | undefined,
  ): RequestFault | null {
    // A null that Ideogram accepts is the same as leaving the field out.
    if (value === null && field.nullable === true) return null;
    const bound = this.#rules.bounds.get(path);
    if (bound !== undefined) {
      if ('forbidden' in bound) return forbidden(path);
      this.#sent.add(path);
      if (value === null || !hasType(field, value ?? '')) return wrongType(path, field);
      return value === undefined
        ? overBound(path, inWords(bound), null)
        : checkValue(bound, field, value, path);
    }
    if (field.type === 'file' || field.type === 'file[]') return fileInJson(path);
    // Other fields that no bound speaks of go on as they are: Ideogram judges their values.
    return field.type === 'object' || field.type === 'object[]' ? wrongType(path, field) : null;
  }

  /** An object or a list as the value of a JSON member. */
  structure(path: string, field: Field, kind: 'object' | 'array'): RequestFault | null {
    const bound = this.#rules.bounds.get(path);
    if (bound !== undefined) return 'forbidden' in bound ? forbidden(path) : wrongType(path, field);
    if (field.type === 'file' || field.type === 'file[]') return fileInJson(path);
    const fits =
      field.type === 'object' ? kind === 'object' : field.type === 'object[]' ? kind === 'array' : true;
    return fits ? null : wrongType(path, field);
  }

  /** An item of a list of objects that is none. */
  wrongItem(path: string, field: Field): RequestFault {
    return wrongType(path, field);
  }

  /** What has not been sent counts as its default, and must be within the bound as well. */
  end(): RequestFault | null {
    for (const [path, bound] of this.#rules.bounds) {
      if (this.#sent.has(path) || 'forbidden' in bound) continue;
      const { absent } = bound;
      if (absent !== undefined && within(bound, absent)) continue;
      const why = absent === undefined ? '' : `: without it Ideogram takes ${absent}`;
      return fieldFault('must-be-sent', path, `${path} must be sent, ${inWords(bound)}${why}.`, {
        bound: inWords(bound),
      });
    }
    return null;
  }
}

/** The spelling that `JSON.stringify` writes: `1`, not `01`, `1.0`, `1e0`, `+1`, ` 1` or `Infinity`. */
export function isCanonicalNumber(text: string): boolean {
  const value = Number(text);
  return Number.isFinite(value) && String(value) === text;
}

/** A number in another spelling than its shortest one, at a path of member names. */
export function numberFormFault(path: string): RequestFault {
  return fieldFault('number-form', path, `${path} must be a number in its shortest form, such as 1.`);
}

function rules(operation: Operation): Rules {
  const known = rulesOf.get(operation);
  if (known !== undefined) return known;
  const made: Rules = {
    bounds: new Map((operation.limited ?? []).map((bound) => [bound.field, bound])),
    fields: DeclaredFields.of(operation.fields ?? NO_FIELDS).byName,
  };
  rulesOf.set(operation, made);
  return made;
}

function hasType(field: Field, value: string | number | boolean): boolean {
  if (field.type === 'integer') return Number.isSafeInteger(value);
  return field.type === typeof value;
}

function checkValue(
  bound: Bound,
  field: Field,
  value: string | number | boolean,
  path: string = field.name,
): RequestFault | null {
  if (typeof value === 'number') {
    if (field.type === 'integer' && !Number.isSafeInteger(value)) return wrongType(path, field);
    // Zero or less has no meaning that could be relied on: some readers take it for "the default".
    const least = field.min ?? 0;
    if (value < least) {
      return overBound(path, `at least ${least}`, String(value));
    }
  }
  if (within(bound, value)) return null;
  const text = String(value);
  const showable = typeof value !== 'string' || field.enum?.includes(text) === true;
  const near = showable || !('oneOf' in bound) ? undefined : didYouMean(text, bound.oneOf);
  return overBound(path, inWords(bound), showable ? text : null, near);
}

/** Whether a value, sent or taken for one that was not, is inside the bound. */
function within(bound: Bound, value: string | number | boolean): boolean {
  if ('forbidden' in bound) return false;
  if ('max' in bound) return typeof value === 'number' && value <= bound.max;
  return bound.oneOf.includes(String(value));
}

function inWords(bound: Bound): string {
  if ('forbidden' in bound) return 'not at all';
  return 'max' in bound ? `at most ${bound.max}` : `one of ${bound.oneOf.join(', ')}`;
}

/** @param near the value that may have been meant: what was sent is no word of the catalogue, and isn't shown */
function overBound(path: string, bound: string, value: string | null, near?: string): RequestFault {
  const sent = value === null ? '' : ` (${value} was sent)`;
  const hint = near === undefined ? '' : ` Did you mean ${near}?`;
  return fieldFault('over-bound', path, `${path} must be ${bound} under write:limited${sent}.${hint}`, {
    bound,
    value,
  });
}

function wrongType(path: string, field: Field): RequestFault {
  return fieldFault('wrong-type', path, `${path} must be of type ${field.type} under write:limited.`);
}

function fileInJson(path: string): RequestFault {
  return fieldFault('file-as-text', path, `${path} is a file, which JSON cannot carry.`);
}

function forbidden(path: string): RequestFault {
  return fieldFault('forbidden-field', path, `${path} may not be sent under write:limited.`, {
    bound: 'not at all',
  });
}

/** A field that is no list, sent again. */
export function repeatedFieldFault(name: string): RequestFault {
  return fieldFault('repeated-field', name, `${name} may be sent once only.`, { bound: 'once' });
}

function unknownField(path: string, known: Iterable<string>): RequestFault {
  const dot = path.lastIndexOf('.') + 1;
  const near = didYouMean(path.slice(dot), known);
  const hint = near === undefined ? '' : ` Did you mean ${path.slice(0, dot)}${near}?`;
  const found = fieldFault('unknown-field', path, '');
  const name = found.field ?? 'A field';
  return { ...found, detail: `${name} is not known for this operation, so write:limited refuses it.${hint}` };
}
