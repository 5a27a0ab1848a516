import {
  type JsonVisitor,
  StrictJsonError,
  type StrictJsonOptions,
  StrictJsonReader,
} from './strict-json-reader.ts';

/**
 * Reads JSON (RFC 8259) in the one way that every reader agrees on: no repeated member names (RFC 8259 section 4
 * leaves their meaning open), no byte-order mark, no lone surrogates, numbers finite, values and nesting bounded.
 * Objects come back without a prototype, so `__proto__` and `constructor` are plain member names.
 */
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
/** An object as `parseStrictJson` makes it: without a prototype. */
export interface JsonObject {
  [member: string]: JsonValue;
}

/**
 * @throws StrictJsonError when the text is not JSON that has exactly one meaning.
 */
export function parseStrictJson(text: string, options: StrictJsonOptions = {}): JsonValue {
  // Encoding would turn half a pair into another sign.
  if (!text.isWellFormed()) throw new StrictJsonError('the text holds half a surrogate pair', 0);
  return parseStrictJsonBytes(new TextEncoder().encode(text), options);
}

/** As `parseStrictJson`, from UTF-8 bytes; invalid UTF-8 and a byte-order mark are faults. */
export function parseStrictJsonBytes(bytes: Uint8Array, options: StrictJsonOptions = {}): JsonValue {
  const tree = new Tree();
  const reader = new StrictJsonReader(tree, options);
  reader.push(bytes);
  reader.end();
  return tree.root;
}

/** Whether it is an object, and neither null nor a list. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Puts a text's values together again. */
class Tree implements JsonVisitor {
  root: JsonValue = null;
  readonly #open: (JsonObject | JsonValue[])[] = [];
  readonly #names: string[] = [];

  name(name: string): void {
    this.#names.push(name);
  }

  textLimit(): number {
    return Number.POSITIVE_INFINITY;
  }

  text(value: string | null): void {
    this.#add(value);
  }

  scalar(value: number | boolean | null): void {
    this.#add(value);
  }

  openObject(): void {
    const object = Object.create(null) as JsonObject; // as: Object.create is typed any
    this.#add(object);
    this.#open.push(object);
  }

  openArray(): void {
    const array: JsonValue[] = [];
    this.#add(array);
    this.#open.push(array);
  }

  close(): void {
    this.#open.pop();
  }

  #add(value: JsonValue): void {
    const within = this.#open.at(-1);
    if (within === undefined) this.root = value;
    else if (Array.isArray(within)) within.push(value);
    else within[this.#names.pop() ?? ''] = value;
  }
}
