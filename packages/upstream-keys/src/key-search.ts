import {
  BACKSLASH,
  follow,
  PERCENT,
  spellings,
  type Unit,
  type WrittenForm,
  writtenForms,
} from './written-forms.ts';

/** How far apart the two halves of a key may be in a body, in bytes. */
export const BETWEEN_HALVES = 1024;

/** What a search found. */
export interface Found {
  /** All of a key is there. */
  readonly leak: boolean;
  /** From here on, bytes could be the beginning of a key that is not all there yet. */
  readonly safe: number;
}

const QUOTE = 0x22;
const LEAK: Found = { leak: true, safe: 0 };
/** Six bits of each of three bytes. */
const GRAMS = 2 ** 18;

/**
 * Looks for keys in all their written forms, in one pass that reads few of the bytes.
 *
 * Whatever holds a key holds half of it in one piece, whose every three bytes in a row are three bytes of a written
 * form. So it is enough to look at three bytes now and then, as far apart as half the shortest form is long: where they
 * are of no form, nothing ends or begins. Only a place whose neighbours all are of some form is read letter by letter,
 * and other text has next to none. An automaton would read every byte, and a native search for each spelling would read
 * them once per spelling, of which a mix of escapes has more than can be listed.
 */
export class KeySearch {
  #forms: readonly WrittenForm[] = [];
  /** Which three bytes in a row are in any form, a bit each. */
  readonly #grams = new Uint32Array(GRAMS / 32);
  /** Which bytes a form can begin with. */
  readonly #first = new Uint8Array(256);
  /** Which bytes are in any form. */
  readonly #within = new Uint8Array(256);
  /** Bytes of the shortest form's half. */
  #half = 0;

  /** Looks for these from now on, in streams under way too; the others are forgotten. */
  replace(keys: readonly Uint8Array[]): void {
    this.#grams.fill(0);
    this.#first.fill(0);
    this.#within.fill(0);
    this.#forms = keys.flatMap(writtenForms);
    this.#half = Math.ceil(Math.min(...keys.map((key) => key.length)) / 2);
    for (const form of this.#forms) this.#learn(form);
  }

  #learn(form: WrittenForm): void {
    const ways = form.map(spellings);
    for (const [first = 0] of ways[0] ?? []) this.#first[first] = 1;
    for (const [unit, ofUnit] of ways.entries()) {
      for (const spelling of ofUnit) {
        for (const [at, byte] of spelling.entries()) {
          this.#within[byte] = 1;
          this.#learnGrams(ways, unit, spelling, at, 0, 2);
        }
      }
    }
  }

  /** Learns what may follow a place in a spelling, byte by byte, `left` bytes after this one. */
  #learnGrams(
    ways: Ways,
    unit: number,
    spelling: readonly number[],
    at: number,
    before: number,
    left: number,
  ) {
    const gram = (before << 6) | ((spelling[at] ?? 0) & 63);
    if (left === 0) this.#grams[gram >> 5] = (this.#grams[gram >> 5] ?? 0) | (1 << (gram & 31));
    else if (at + 1 < spelling.length) this.#learnGrams(ways, unit, spelling, at + 1, gram, left - 1);
    else {
      for (const next of ways[unit + 1] ?? []) this.#learnGrams(ways, unit + 1, next, 0, gram, left - 1);
    }
  }

  /**
   * Searches bytes that follow on others.
   * @param before the last bytes before them, `BETWEEN_HALVES` of them or all there were
   * @param between how far apart the halves of a key may be
   */
  in(bytes: Uint8Array, before: Uint8Array, between: number = BETWEEN_HALVES): Found {
    const length = bytes.length;
    let safe = length;
    if (this.#forms.length === 0) return { leak: false, safe };
    const stride = this.#half - 2;
    for (let at = 0; at + 2 < length; at += stride) {
      const first = bytes[at] ?? 0;
      const second = bytes[at + 1] ?? 0;
      const isWide = first === 0 || second === 0;
      if (!isWide && !this.#isGram(first, second, bytes[at + 2] ?? 0)) continue;
      const piece = isWide ? wideAround(bytes, first === 0 ? at + 1 : at) : this.#runAround(bytes, at);
      if ((isWide ? charsOf(piece) : piece.end - piece.start) >= this.#half) {
        const found = isWide
          ? this.#inWide(bytes, piece, before, between)
          : this.#inRun(bytes, piece, before, between);
        if (found === 'leak') return LEAK;
        safe = Math.min(safe, found);
      }
      // Long pieces are looked at once; what comes after one begins with its last two bytes at the earliest.
      at = Math.max(at, piece.end - 1 - stride);
    }
    return { leak: false, safe: Math.min(safe, this.#openFrom(bytes, before)) };
  }

  #isGram(a: number, b: number, c: number): boolean {
    if ((a | b | c) > 0x7f) return false;
    const gram = ((a & 63) << 12) | ((b & 63) << 6) | (c & 63);
    return (((this.#grams[gram >> 5] ?? 0) >>> (gram & 31)) & 1) === 1;
  }

  #isGramAt(bytes: Uint8Array, at: number): boolean {
    return this.#isGram(bytes[at] ?? 0xff, bytes[at + 1] ?? 0xff, bytes[at + 2] ?? 0xff);
  }

  /** The bytes around a place of which every three in a row are of some form. */
  #runAround(bytes: Uint8Array, at: number): Piece {
    let start = at;
    while (start > 0 && this.#isGramAt(bytes, start - 1)) start--;
    let end = at + 3;
    while (end < bytes.length && this.#isGramAt(bytes, end - 2)) end++;
    return { start, end };
  }

  /** Reads a run letter by letter. Where bytes must be held back, from where on. */
  #inRun(bytes: Uint8Array, { start, end }: Piece, before: Uint8Array, between: number): number | 'leak' {
    let safe = bytes.length;
    for (let at = start; at < end; at++) {
      const isFirst = this.#first[bytes[at] ?? 0] === 1;
      const begins = beginsText(bytes, at, before);
      if (!isFirst && !begins) continue;
      for (const form of this.#forms) {
        const half = Math.ceil(form.length / 2);
        const rests = new Set<Rest>();
        const found = isFirst
          ? follow(form, 0, bytes, at, (unit, ends) => {
              if (unit >= half && unit < form.length) rests.add(restAfter(form, unit, ends, bytes, between));
            })
          : null;
        if (found?.unit === form.length || rests.has('leak')) return 'leak';
        if (rests.has('open')) safe = Math.min(safe, at);
        if (begins && endsSplit(form, bytes, at, before, between)) return 'leak';
      }
    }
    return safe;
  }

  /** UTF-16, of either byte order, is searched without its zeros. */
  #inWide(bytes: Uint8Array, piece: Piece, before: Uint8Array, between: number): number | 'leak' {
    const context = endOf(before, bytes.subarray(0, piece.start), between * 2).filter((byte) => byte !== 0);
    const found = this.in(narrow(bytes, piece), context, between);
    if (found.leak) return 'leak';
    return isAtEnd(bytes, piece) ? Math.min(bytes.length, piece.start + found.safe * 2) : bytes.length;
  }

  /** From where on the last bytes could be the beginning of a form. */
  #openFrom(bytes: Uint8Array, before: Uint8Array): number {
    const { length } = bytes;
    let open = length;
    for (let at = length - 1; at >= 0 && (at > length - 3 || this.#isGramAt(bytes, at)); at--) {
      if (this.#isOpenAt(bytes, at, before)) open = at;
    }
    const last = bytes[length - 1] === 0 ? length - 2 : length - 1;
    if (last < 0 || (last === length - 1 && bytes[last - 1] !== 0)) return open;
    const piece = wideAround(bytes, last);
    // A longer one has been searched.
    if (charsOf(piece) >= this.#half) return open;
    const context = endOf(before, bytes.subarray(0, piece.start), 2).filter((byte) => byte !== 0);
    return Math.min(open, piece.start + this.#openFrom(narrow(bytes, piece), context) * 2);
  }

  #isOpenAt(bytes: Uint8Array, at: number, before: Uint8Array): boolean {
    const byte = bytes[at] ?? 0;
    if (this.#first[byte] === 1 && this.#forms.some((form) => follow(form, 0, bytes, at).open)) return true;
    if (this.#within[byte] !== 1 || !beginsText(bytes, at, before)) return false;
    return this.#forms.some((form) => {
      for (let unit = 1; unit <= form.length / 2; unit++) {
        if (canBegin(form, unit, bytes, at) && follow(form, unit, bytes, at).open) return true;
      }
      return false;
    });
  }
}

/** How each unit of a form may be written. */
type Ways = readonly (readonly (readonly number[])[])[];

type Rest = 'leak' | 'open' | 'none';

interface Piece {
  readonly start: number;
  readonly end: number;
}

/** The rest of a form whose first half was found: in a text that begins after the one which that half ends. */
function restAfter(
  form: WrittenForm,
  unit: number,
  ends: readonly number[],
  bytes: Uint8Array,
  between: number,
): Rest {
  let open = false;
  for (const end of ends) {
    const closes = closesText(bytes, end);
    if (closes === 'open') open = true;
    if (closes !== 'yes') continue;
    const last = Math.min(end + between, bytes.length);
    for (
      let quote = bytes.indexOf(QUOTE, end);
      quote !== -1 && quote < last;
      quote = bytes.indexOf(QUOTE, quote + 1)
    ) {
      const rest = follow(form, unit, bytes, quote + 1);
      if (rest.unit === form.length) return 'leak';
      if (rest.open) open = true;
    }
    if (end + between > bytes.length) open = true;
  }
  return open ? 'open' : 'none';
}

/** True when a text begins here with the larger half of a form, and one before it ended with the rest. */
function endsSplit(
  form: WrittenForm,
  bytes: Uint8Array,
  at: number,
  before: Uint8Array,
  between: number,
): boolean {
  for (let unit = 1; unit <= form.length / 2; unit++) {
    if (!canBegin(form, unit, bytes, at) || follow(form, unit, bytes, at).unit < form.length) continue;
    if (hasFirstPart(form.slice(0, unit), endOf(before, bytes.subarray(0, at), between))) return true;
  }
  return false;
}

/** True when a text that ends somewhere in these bytes ends with this part of a form. */
function hasFirstPart(part: WrittenForm, bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) {
    if (!canBegin(part, 0, bytes, at)) continue;
    const { unit, ends } = follow(part, 0, bytes, at);
    if (unit === part.length && ends.some((end) => closesText(bytes, end) === 'yes')) return true;
  }
  return false;
}

function canBegin(form: WrittenForm, unit: number, bytes: Uint8Array, at: number): boolean {
  const { bytes: means, escaped } = form[unit] as Unit; // as: callers stay below the length
  const byte = bytes[at] ?? 0;
  return means.includes(byte) || (escaped && (byte === PERCENT || byte === BACKSLASH));
}

/** A JSON text ends at a quote; one within another, at an escaped quote. */
function closesText(bytes: Uint8Array, at: number): 'yes' | 'no' | 'open' {
  const escaped = bytes[at] === BACKSLASH ? 1 : 0;
  if (at + escaped >= bytes.length) return 'open';
  return bytes[at + escaped] === QUOTE ? 'yes' : 'no';
}

/** True after a quote, or after one of two bytes. */
function beginsText(bytes: Uint8Array, at: number, before: Uint8Array): boolean {
  const byteBefore = (count: number) => (at >= count ? bytes[at - count] : before.at(at - count));
  return (byteBefore(1) || byteBefore(2)) === QUOTE;
}

/** The characters around one of them that have a zero between each two; nothing where there is a zero. */
function wideAround(bytes: Uint8Array, at: number): Piece {
  if ((bytes[at] ?? 0) === 0) return { start: at, end: at };
  let start = at;
  while (start >= 2 && bytes[start - 1] === 0 && bytes[start - 2] !== 0) start -= 2;
  let last = at;
  while (last + 2 < bytes.length && bytes[last + 1] === 0 && bytes[last + 2] !== 0) last += 2;
  return { start, end: last + 1 };
}

function charsOf({ start, end }: Piece): number {
  return (end - start + 1) >> 1;
}

function narrow(bytes: Uint8Array, { start, end }: Piece): Uint8Array {
  const narrowed = new Uint8Array(charsOf({ start, end }));
  for (let at = 0; at < narrowed.length; at++) narrowed[at] = bytes[start + at * 2] ?? 0;
  return narrowed;
}

function isAtEnd(bytes: Uint8Array, { end }: Piece): boolean {
  return end === bytes.length || (end === bytes.length - 1 && bytes[end] === 0);
}

/** The last so many bytes of two pieces. */
export function endOf(first: Uint8Array, second: Uint8Array, count: number): Uint8Array {
  if (second.length >= count) return second.subarray(second.length - count);
  return Buffer.concat([first.subarray(Math.max(0, first.length + second.length - count)), second]);
}
