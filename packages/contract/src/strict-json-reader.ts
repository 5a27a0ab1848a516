import { NameSet } from './name-set.ts';

/** A text that is no JSON, or that two readers could read in two ways; the message quotes none of it. */
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

/** JSON that may be in order, but holds more values or levels than was agreed on. */
export class JsonBoundError extends StrictJsonError {
  readonly bound: 'values' | 'depth';
  constructor(bound: 'values' | 'depth', message: string, offset: number, path: readonly string[]) {
    super(message, offset, path);
    this.bound = bound;
  }
}

/** What else is refused, and the bounds. */
export interface StrictJsonOptions {
  /**
   * Refuse numbers in any spelling but the one `JSON.stringify` writes: `1.0`, `1e0`, `-0` and integers past
   * 2^53 that would be rounded. Two readers can disagree about those (integer or not, rounded or not).
   */
  readonly canonicalNumbers?: boolean;
  /**
   * Refuse also what is strict JSON and read differently all the same: integers past 2^53 - 1, which some readers round
   * (RFC 8259 section 6), and names in one object that differ in letter case only, which Go and .NET take for one.
   */
  readonly everyReader?: boolean;
  /** Most values, those in lists and objects counted, and these themselves. */
  readonly maxValues?: number;
  /** Most lists and objects open within one another. */
  readonly maxDepth?: number;
}

/** Some fifty times what a call of the API holds. */
export const MAX_JSON_VALUES = 20_000;
/** .NET's reader goes no deeper; a call of the API needs five. */
export const MAX_JSON_DEPTH = 64;
/** Longer than any field is called, in bytes of UTF-8. */
const MAX_NAME_BYTES = 1024;
/** No number that `JSON.stringify` writes has more than 25 signs, and no reader keeps more than some twenty digits. */
const MAX_NUMBER_BYTES = 128;

/** Is told of each value as it is read, in the order of the text. What it does costs the reader's time. */
export interface JsonVisitor {
  /** A member of the innermost object begins. */
  name(name: string): void;
  /** The longest text, in bytes, that is wanted of a string that begins now. */
  textLimit(): number;
  /** A string; null when it was longer than wanted. */
  text(value: string | null): void;
  scalar(value: number | boolean | null): void;
  openObject(): void;
  openArray(): void;
  /** The innermost object or list ends. */
  close(): void;
}

type State =
  /** A value must come. */
  | 'value'
  /** After `[`: a value, or the end of the list. */
  | 'first-item'
  /** After `{`: a member, or the end of the object. */
  | 'first-name'
  /** After `,` in an object: a member must come. */
  | 'name'
  | 'colon'
  /** After a value: what its container allows, or nothing. */
  | 'after-value'
  | 'string'
  | 'escape'
  | 'hex'
  | 'number'
  | 'literal'
  | 'failed';

/** How far a number has come (RFC 8259 section 6); it may end after a digit. */
type NumberState = 'minus' | 'zero' | 'integer' | 'point' | 'fraction' | 'e' | 'e-sign' | 'exponent';

const SCRATCH_BYTES = 64;
/** A decoder costs more than putting together a token of so few signs. */
const SHORT = 32;
const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

const LITERALS: ReadonlyMap<number, readonly [word: string, value: boolean | null]> = new Map([
  [0x74, ['true', true]],
  [0x66, ['false', false]],
  [0x6e, ['null', null]],
]);

/** What stands for what after a backslash, but `u`. */
const ESCAPES: ReadonlyMap<number, number> = new Map(
  Object.entries({ '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }).map(
    ([sign, meaning]) => [sign.charCodeAt(0), meaning.charCodeAt(0)],
  ),
);

/**
 * Reads strict JSON from UTF-8 as it comes, in pieces of any size: the verdict does not depend on how it was cut. Time is
 * proportional to the bytes of a piece whatever they are, and memory to depth, to the names of objects still open, and
 * to the text that the visitor wants.
 */
export class StrictJsonReader {
  readonly #visitor: JsonVisitor;
  readonly #canonicalNumbers: boolean;
  readonly #everyReader: boolean;
  readonly #maxValues: number;
  readonly #maxDepth: number;
  #state: State = 'value';
  #fault: StrictJsonError | null = null;
  /** Bytes of the pieces before this one. */
  #before = 0;
  /** Bytes so far that begin no UTF-16 unit, so that an offset counts characters. */
  #uncounted = 0;
  #values = 0;
  /** Names of the members being read, outermost first. */
  readonly #path: string[] = [];
  /** For each open container, outermost first, whether it is an object. */
  readonly #open: boolean[] = [];
  /** Names of the open objects, by depth; kept for the next object of that depth. */
  readonly #names: NameSet[] = [];

  // The token being read.
  /** Character offset at which it began. */
  #start = 0;
  #scratch = new Uint8Array(SCRATCH_BYTES);
  #length = 0;
  /** Most bytes to keep of it. */
  #limit = 0;
  #ascii = true;
  #isName = false;
  /** Continuation bytes that must come, and the range of the next one (RFC 3629 section 4). */
  #utf8Left = 0;
  #utf8Low = 0x80;
  #utf8High = 0xbf;
  /** The first half of a surrogate pair that was escaped, or 0. */
  #highHalf = 0;
  #hexLeft = 0;
  #unit = 0;
  #number: NumberState = 'integer';
  #integer = 0;
  /** Bytes of the number up to where it could have ended. */
  #numberEnd = 0;
  #literal = '';
  #literalValue: boolean | null = null;

  constructor(visitor: JsonVisitor, options: StrictJsonOptions = {}) {
    this.#visitor = visitor;
    this.#canonicalNumbers = options.canonicalNumbers === true;
    this.#everyReader = options.everyReader === true;
    this.#maxValues = options.maxValues ?? MAX_JSON_VALUES;
    this.#maxDepth = options.maxDepth ?? MAX_JSON_DEPTH;
  }

  /** @throws StrictJsonError when what came so far cannot be JSON that has exactly one meaning. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      switch (this.#state) {
        case 'string':
          at = this.#inString(chunk, at);
          break;
        case 'escape':
          at = this.#inEscape(chunk, at);
          break;
        case 'hex':
          at = this.#inHex(chunk, at);
          break;
        case 'number':
          at = this.#inNumber(chunk, at);
          break;
        case 'literal':
          at = this.#inLiteral(chunk, at);
          break;
        case 'failed':
          // as: the state is entered with its fault
          throw this.#fault as StrictJsonError;
        default:
          at = this.#between(chunk, at);
      }
    }
    this.#before += chunk.length;
  }

  /** @throws StrictJsonError when the text is not whole. */
  end(): void {
    if (this.#fault !== null) throw this.#fault;
    if (this.#state === 'number') this.#endNumber();
    if (this.#state === 'string') throw this.#fail(UNCLOSED, 0);
    if (this.#state === 'escape') throw this.#fail('unknown escape', 0);
    if (this.#state === 'hex') throw this.#fail(HEX, 0);
    if (this.#state === 'literal') throw this.#failAt('expected a value', this.#start);
    if (this.#state === 'value' || this.#state === 'first-item') throw this.#fail('ends too soon', 0);
    if (this.#state !== 'after-value' || this.#open.length > 0) throw this.#fail(this.#expected(), 0);
  }

  /** Outside strings and numbers. */
  #between(chunk: Uint8Array, start: number): number {
    const at = start;
    const byte = chunk[at] ?? 0;
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return at + 1;
    switch (this.#state) {
      case 'first-item':
        if (byte === 0x5d) return this.#close(at);
        return this.#beginValue(byte, at);
      case 'value':
        return this.#beginValue(byte, at);
      case 'first-name':
        if (byte === 0x7d) return this.#close(at);
        return this.#beginName(byte, at);
      case 'name':
        return this.#beginName(byte, at);
      case 'colon':
        if (byte !== 0x3a) throw this.#fail("expected ':'", at);
        this.#state = 'value';
        return at + 1;
      default:
        return this.#afterValue(byte, at);
    }
  }

  #afterValue(byte: number, at: number): number {
    const inObject = this.#open.at(-1);
    if (inObject !== undefined) {
      if (byte === 0x2c) {
        this.#state = inObject ? 'name' : 'value';
        return at + 1;
      }
      if (byte === (inObject ? 0x7d : 0x5d)) return this.#close(at);
    }
    throw this.#fail(this.#expected(), at);
  }

  /** What should have come where something else did. */
  #expected(): string {
    if (this.#state === 'first-name' || this.#state === 'name') return 'expected a member name';
    if (this.#state === 'colon') return "expected ':'";
    const inObject = this.#open.at(-1);
    if (inObject === undefined) return 'goes on after its end';
    return inObject ? "expected ',' or '}'" : "expected ',' or ']'";
  }

  #beginName(byte: number, at: number): number {
    if (byte !== QUOTE) throw this.#fail('expected a member name', at);
    this.#beginString(true, MAX_NAME_BYTES, at);
    return at + 1;
  }

  #beginValue(byte: number, at: number): number {
    this.#values++;
    if (this.#values > this.#maxValues) {
      throw this.#stop(
        new JsonBoundError('values', `holds more than ${this.#maxValues} values`, this.#offset(at), [
          ...this.#path,
        ]),
      );
    }
    if (byte === QUOTE) this.#beginString(false, this.#visitor.textLimit(), at);
    else if (byte === 0x7b) this.#enter(true, at);
    else if (byte === 0x5b) this.#enter(false, at);
    else if (byte === MINUS || (byte >= ZERO && byte <= NINE)) this.#beginNumber(byte, at);
    else {
      const literal = LITERALS.get(byte);
      if (literal === undefined) throw this.#fail('expected a value', at);
      [this.#literal, this.#literalValue] = literal;
      this.#length = 1;
      this.#start = this.#offset(at);
      this.#state = 'literal';
    }
    return at + 1;
  }

  #enter(object: boolean, at: number): void {
    const depth = this.#open.length;
    if (depth >= this.#maxDepth) {
      throw this.#stop(
        new JsonBoundError('depth', `nested deeper than ${this.#maxDepth} levels`, this.#offset(at), [
          ...this.#path,
        ]),
      );
    }
    this.#open.push(object);
    if (object) {
      this.#names[depth]?.clear();
      this.#visitor.openObject();
      this.#state = 'first-name';
    } else {
      this.#visitor.openArray();
      this.#state = 'first-item';
    }
  }

  #close(at: number): number {
    this.#open.pop();
    this.#visitor.close();
    this.#endValue();
    return at + 1;
  }

  #endValue(): void {
    if (this.#open.at(-1) === true) this.#path.pop();
    this.#state = 'after-value';
  }

  #beginString(isName: boolean, limit: number, at: number): void {
    this.#start = this.#offset(at);
    this.#isName = isName;
    this.#limit = limit;
    this.#length = 0;
    this.#ascii = true;
    this.#highHalf = 0;
    this.#state = 'string';
  }

  #inString(chunk: Uint8Array, start: number): number {
    let at = start;
    // Locals: this loop sees every byte of every prompt.
    let left = this.#utf8Left;
    let uncounted = this.#uncounted;
    let byte = chunk[at] ?? 0;
    if (this.#highHalf !== 0 && byte !== BACKSLASH) throw this.#fail(HALF, at);
    let valid = true;
    while (at < chunk.length) {
      byte = chunk[at] ?? 0;
      if (left > 0) {
        valid = byte >= this.#utf8Low && byte <= this.#utf8High;
        if (!valid) break;
        this.#utf8Low = 0x80;
        this.#utf8High = 0xbf;
        left--;
        uncounted++;
      } else if (byte < 0x80) {
        if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) break;
      } else {
        left = this.#beginUtf8(byte);
        valid = left > 0;
        if (!valid) break;
        this.#ascii = false;
        // The longest are two UTF-16 units.
        if (left === 3) uncounted--;
      }
      at++;
    }
    this.#utf8Left = left;
    this.#uncounted = uncounted;
    this.#keep(chunk, start, at);
    if (!valid) throw this.#fail('not valid UTF-8', at);
    if (at === chunk.length) return at;
    if (byte === BACKSLASH) this.#state = 'escape';
    else if (byte === QUOTE) this.#endString(at);
    else throw this.#fail(UNCLOSED, at);
    return at + 1;
  }

  /** How many continuation bytes a leading byte asks for; 0 when it can lead nothing. */
  #beginUtf8(byte: number): number {
    if (byte >= 0xc2 && byte <= 0xdf) return 1;
    if (byte >= 0xe0 && byte <= 0xef) {
      if (byte === 0xe0) this.#utf8Low = 0xa0;
      if (byte === 0xed) this.#utf8High = 0x9f;
      return 2;
    }
    if (byte >= 0xf0 && byte <= 0xf4) {
      if (byte === 0xf0) this.#utf8Low = 0x90;
      if (byte === 0xf4) this.#utf8High = 0x8f;
      return 3;
    }
    return 0;
  }

  #inEscape(chunk: Uint8Array, at: number): number {
    const byte = chunk[at] ?? 0;
    if (byte === 0x75) {
      this.#hexLeft = 4;
      this.#unit = 0;
      this.#state = 'hex';
      return at + 1;
    }
    const meaning = ESCAPES.get(byte);
    if (meaning === undefined) throw this.#fail('unknown escape', at);
    this.#noHalf(at);
    this.#keepByte(meaning);
    this.#escaped();
    return at + 1;
  }

  #inHex(chunk: Uint8Array, at: number): number {
    const digit = hexDigit(chunk[at] ?? 0);
    if (digit < 0) throw this.#fail(HEX, at);
    this.#unit = this.#unit * 16 + digit;
    this.#hexLeft--;
    if (this.#hexLeft > 0) return at + 1;
    const unit = this.#unit;
    if (unit >= 0xdc00 && unit <= 0xdfff) {
      if (this.#highHalf === 0) throw this.#fail(HALF, at);
      this.#keepCodePoint(0x10000 + ((this.#highHalf - 0xd800) << 10) + (unit - 0xdc00));
      this.#highHalf = 0;
    } else {
      this.#noHalf(at);
      if (unit >= 0xd800 && unit <= 0xdbff) this.#highHalf = unit;
      else this.#keepCodePoint(unit);
    }
    this.#escaped();
    return at + 1;
  }

  #escaped(): void {
    this.#checkName();
    this.#state = 'string';
  }

  /** Anything but its second half has come after the first half of a pair. */
  #noHalf(at: number): void {
    if (this.#highHalf !== 0) throw this.#fail(HALF, at);
  }

  #keep(chunk: Uint8Array, start: number, end: number): void {
    if (this.#length > this.#limit) return;
    const length = this.#length + end - start;
    if (length <= this.#limit) {
      const scratch = this.#room(length);
      // A call costs more than a few bytes do.
      if (end - start > 32) scratch.set(chunk.subarray(start, end), this.#length);
      else for (let at = start; at < end; at++) scratch[this.#length + at - start] = chunk[at] ?? 0;
    }
    this.#length = length;
    this.#checkName();
  }

  #keepCodePoint(point: number): void {
    if (point < 0x80) return this.#keepByte(point);
    this.#ascii = false;
    if (point < 0x800) this.#keepByte(0xc0 | (point >> 6));
    else {
      if (point < 0x10000) this.#keepByte(0xe0 | (point >> 12));
      else {
        this.#keepByte(0xf0 | (point >> 18));
        this.#keepByte(0x80 | ((point >> 12) & 0x3f));
      }
      this.#keepByte(0x80 | ((point >> 6) & 0x3f));
    }
    this.#keepByte(0x80 | (point & 0x3f));
  }

  #keepByte(byte: number): void {
    if (this.#length < this.#limit) this.#room(this.#length + 1)[this.#length] = byte;
    if (this.#length <= this.#limit) this.#length++;
  }

  #checkName(): void {
    if (this.#isName && this.#length > this.#limit) {
      throw this.#failAt(`a member name is longer than ${MAX_NAME_BYTES} bytes`, this.#start);
    }
  }

  #room(length: number): Uint8Array {
    if (length > this.#scratch.length) {
      const size = Math.min(Math.max(length, this.#scratch.length * 2), Math.max(this.#limit, SCRATCH_BYTES));
      const grown = new Uint8Array(size);
      grown.set(this.#scratch.subarray(0, this.#length));
      this.#scratch = grown;
    }
    return this.#scratch;
  }

  #endString(at: number): void {
    const text = this.#length > this.#limit ? null : this.#kept();
    // A long text is not held longer than it is wanted.
    if (this.#scratch.length > MAX_NAME_BYTES) this.#scratch = new Uint8Array(SCRATCH_BYTES);
    if (!this.#isName) {
      this.#visitor.text(text);
      this.#endValue();
      return;
    }
    const name = text ?? '';
    this.#path.push(name);
    const depth = this.#open.length - 1;
    const names = (this.#names[depth] ??= new NameSet(this.#everyReader));
    if (!names.add(name)) throw this.#fail(this.#everyReader ? REPEATED_IN_ANY_CASE : REPEATED, at + 1);
    this.#visitor.name(name);
    this.#state = 'colon';
  }

  /** The token, less `dropped` bytes at its end. */
  #kept(dropped = 0): string {
    const length = this.#length - dropped;
    if (!this.#ascii || length > SHORT) return UTF8.decode(this.#scratch.subarray(0, length));
    let text = '';
    for (let at = 0; at < length; at++) text += String.fromCharCode(this.#scratch[at] ?? 0);
    return text;
  }

  #beginNumber(byte: number, at: number): void {
    this.#start = this.#offset(at);
    this.#limit = MAX_NUMBER_BYTES;
    this.#length = 0;
    this.#ascii = true;
    this.#keepByte(byte);
    this.#integer = byte - ZERO;
    this.#number = byte === MINUS ? 'minus' : byte === ZERO ? 'zero' : 'integer';
    this.#numberEnd = byte === MINUS ? 0 : 1;
    this.#state = 'number';
  }

  #inNumber(chunk: Uint8Array, start: number): number {
    let at = start;
    while (at < chunk.length) {
      const byte = chunk[at] ?? 0;
      const next = numberAfter(this.#number, byte);
      if (next === null) {
        this.#endNumber();
        return at;
      }
      if (this.#length === MAX_NUMBER_BYTES) {
        throw this.#fail(`a number is longer than ${MAX_NUMBER_BYTES} characters`, at);
      }
      this.#keepByte(byte);
      if (next === 'integer') this.#integer = this.#integer * 10 + byte - ZERO;
      if (byte >= ZERO && byte <= NINE) this.#numberEnd = this.#length;
      this.#number = next;
      at++;
    }
    return at;
  }

  #endNumber(): void {
    if (this.#numberEnd === 0) throw this.#failAt('expected a value', this.#start);
    this.#visitor.scalar(this.#numberValue());
    this.#endValue();
    if (this.#numberEnd < this.#length) throw this.#failAt(this.#expected(), this.#start + this.#numberEnd);
  }

  #numberValue(): number {
    // Most numbers are short integers: they are what their digits add up to, and in their shortest form.
    if (this.#length <= 15 && this.#scratch[0] !== MINUS && isWhole(this.#number)) return this.#integer;
    const text = this.#kept(this.#length - this.#numberEnd);
    const value = Number(text);
    if (!Number.isFinite(value)) throw this.#failAt('a number is out of range', this.#start);
    if (this.#canonicalNumbers && String(value) !== text) {
      throw this.#stop(
        new NumberFormError('a number is not in its shortest form', this.#start, [...this.#path]),
      );
    }
    if (this.#everyReader && isWhole(this.#number) && !Number.isSafeInteger(value)) {
      throw this.#failAt('an integer is past 2^53 - 1, where some readers round', this.#start);
    }
    return value;
  }

  #inLiteral(chunk: Uint8Array, at: number): number {
    if (chunk[at] !== this.#literal.charCodeAt(this.#length)) {
      throw this.#failAt('expected a value', this.#start);
    }
    this.#length++;
    if (this.#length === this.#literal.length) {
      this.#visitor.scalar(this.#literalValue);
      this.#endValue();
    }
    return at + 1;
  }

  #offset(at: number): number {
    return this.#before + at - this.#uncounted;
  }

  #fail(message: string, at: number): StrictJsonError {
    return this.#failAt(message, this.#offset(at));
  }

  #failAt(message: string, offset: number): StrictJsonError {
    return this.#stop(new StrictJsonError(message, offset, [...this.#path]));
  }

  #stop(fault: StrictJsonError): StrictJsonError {
    this.#fault = fault;
    this.#state = 'failed';
    return fault;
  }
}

const UNCLOSED = 'a string is not closed, or holds a control character';
const HALF = 'a string holds half a surrogate pair';
const HEX = 'a \\u escape needs four hex digits';
const REPEATED = 'a member name is repeated';
const REPEATED_IN_ANY_CASE = 'a member name is repeated, or differs from another in letter case only';

function hexDigit(byte: number): number {
  if (byte >= ZERO && byte <= NINE) return byte - ZERO;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function isWhole(state: NumberState): boolean {
  return state === 'integer' || state === 'zero';
}

/** The state of a number after one more byte, or null when it is none of it. */
function numberAfter(state: NumberState, byte: number): NumberState | null {
  if (byte >= ZERO && byte <= NINE) {
    switch (state) {
      case 'minus':
        return byte === ZERO ? 'zero' : 'integer';
      case 'zero':
        return null;
      case 'integer':
        return 'integer';
      case 'point':
      case 'fraction':
        return 'fraction';
      case 'e':
      case 'e-sign':
      case 'exponent':
        return 'exponent';
    }
  }
  if (byte === POINT) return isWhole(state) ? 'point' : null;
  if (byte === 0x65 || byte === 0x45) return isWhole(state) || state === 'fraction' ? 'e' : null;
  return (byte === PLUS || byte === MINUS) && state === 'e' ? 'e-sign' : null;
}
