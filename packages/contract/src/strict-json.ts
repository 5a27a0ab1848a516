/**
 * Reads JSON (RFC 8259) in the one way that every reader agrees on: no repeated member names (RFC 8259 section 4
 * leaves their meaning open), no byte-order mark, no lone surrogates, numbers finite, nesting bounded.
 * Objects come back without a prototype, so `__proto__` and `constructor` are plain member names.
 */
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export interface JsonObject {
  [member: string]: JsonValue;
}

export class StrictJsonError extends Error {
  override readonly name = 'StrictJsonError';
  /** Zero-based character offset of the fault. */
  readonly offset: number;
  /** Member names that lead to the fault, outermost first; array positions are left out. */
  readonly path: readonly string[];
  constructor(message: string, offset: number, path: readonly string[] = []) {
    super(message);
    this.offset = offset;
    this.path = path;
  }
}

/** A number that is valid JSON but not written the shortest way, where `canonicalNumbers` was asked for. */
export class NumberFormError extends StrictJsonError {}

export interface StrictJsonOptions {
  /**
   * Refuse numbers in any spelling but the one `JSON.stringify` writes: `1.0`, `1e0`, `-0` and integers past
   * 2^53 that would be rounded. Two readers can disagree about those (integer or not, rounded or not).
   */
  readonly canonicalNumbers?: boolean;
}

const MAX_DEPTH = 64;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/**
 * @throws StrictJsonError when the text is not JSON that has exactly one meaning.
 */
export function parseStrictJson(text: string, options: StrictJsonOptions = {}): JsonValue {
  const reader = new Reader(text, options);
  const value = reader.value(0);
  reader.end();
  return value;
}

/** As `parseStrictJson`, from UTF-8 bytes; invalid UTF-8 and a byte-order mark are faults. */
export function parseStrictJsonBytes(bytes: Uint8Array, options: StrictJsonOptions = {}): JsonValue {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new StrictJsonError('not valid UTF-8', 0);
  }
  return parseStrictJson(text, options);
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

class Reader {
  readonly #text: string;
  readonly #canonicalNumbers: boolean;
  readonly #path: string[] = [];
  #at = 0;

  constructor(text: string, options: StrictJsonOptions) {
    this.#text = text;
    this.#canonicalNumbers = options.canonicalNumbers === true;
  }

  value(depth: number): JsonValue {
    if (depth > MAX_DEPTH) throw this.#fault(`nested deeper than ${MAX_DEPTH} levels`);
    this.#space();
    const next = this.#text[this.#at];
    switch (next) {
      case '{':
        return this.#object(depth);
      case '[':
        return this.#array(depth);
      case '"':
        return this.#string();
      case 't':
        return this.#literal('true', true);
      case 'f':
        return this.#literal('false', false);
      case 'n':
        return this.#literal('null', null);
      case undefined:
        throw this.#fault('ends too soon');
      default:
        return this.#number();
    }
  }

  end(): void {
    this.#space();
    if (this.#at < this.#text.length) throw this.#fault('goes on after its end');
  }

  #object(depth: number): JsonObject {
    const object = Object.create(null) as JsonObject; // as: Object.create is typed any
    this.#at++;
    this.#space();
    if (this.#skip('}')) return object;
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') throw this.#fault('expected a member name');
      const name = this.#string();
      this.#path.push(name);
      if (name in object) throw this.#fault('a member name is repeated');
      this.#space();
      if (!this.#skip(':')) throw this.#fault("expected ':'");
      object[name] = this.value(depth + 1);
      this.#path.pop();
      this.#space();
      if (this.#skip('}')) return object;
      if (!this.#skip(',')) throw this.#fault("expected ',' or '}'");
    }
  }

  #array(depth: number): JsonValue[] {
    const array: JsonValue[] = [];
    this.#at++;
    this.#space();
    if (this.#skip(']')) return array;
    for (;;) {
      array.push(this.value(depth + 1));
      this.#space();
      if (this.#skip(']')) return array;
      if (!this.#skip(',')) throw this.#fault("expected ',' or ']'");
    }
  }

  #string(): string {
    let out = '';
    this.#at++;
    for (;;) {
      PLAIN.lastIndex = this.#at;
      const plain = PLAIN.exec(this.#text)?.[0] ?? '';
      out += plain;
      this.#at += plain.length;
      if (this.#skip('"')) break;
      if (!this.#skip('\\')) throw this.#fault('a string is not closed, or holds a control character');
      out += this.#escape();
    }
    if (!out.isWellFormed()) throw this.#fault('a string holds half a surrogate pair');
    return out;
  }

  #escape(): string {
    const kind = this.#text[this.#at++] ?? '';
    if (kind === 'u') {
      const hex = this.#text.slice(this.#at, this.#at + 4);
      if (!/^[0-9a-fA-F]{4}$/.test(hex)) throw this.#fault('a \\u escape needs four hex digits');
      this.#at += 4;
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    const plain = Object.hasOwn(ESCAPES, kind) ? ESCAPES[kind] : undefined;
    if (plain === undefined) throw this.#fault('unknown escape');
    return plain;
  }

  #number(): number {
    NUMBER.lastIndex = this.#at;
    const text = NUMBER.exec(this.#text)?.[0];
    if (text === undefined) throw this.#fault('expected a value');
    const value = Number(text);
    if (!Number.isFinite(value)) throw this.#fault('a number is out of range');
    if (this.#canonicalNumbers && String(value) !== text) {
      throw new NumberFormError('a number is not in its shortest form', this.#at, [...this.#path]);
    }
    this.#at += text.length;
    return value;
  }

  #literal<T extends JsonValue>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#fault('expected a value');
    this.#at += word.length;
    return value;
  }

  #skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    for (;;) {
      const next = this.#text[this.#at];
      if (next !== ' ' && next !== '\t' && next !== '\n' && next !== '\r') return;
      this.#at++;
    }
  }

  #fault(message: string): StrictJsonError {
    return new StrictJsonError(message, this.#at, [...this.#path]);
  }
}
