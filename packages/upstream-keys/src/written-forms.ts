/**
 * One unit of a written form: a character of the key, a letter of its base64, a digit of its hex. `bytes` are those that
 * mean the same there (both alphabets, both cases); `escaped`: writers may escape it.
 */
export interface Unit {
  readonly bytes: readonly number[];
  readonly escaped: boolean;
}

/** A key as writers write it, unit by unit. */
export type WrittenForm = readonly Unit[];

export const PERCENT = 0x25;
export const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
const ZERO = 0x30;
/** What JSON may write with a backslash alone (RFC 8259 section 7). */
const SHORT_ESCAPES: readonly number[] = [0x22, 0x2f, BACKSLASH];
/** The last two letters of both alphabets (RFC 4648 sections 4 and 5). */
const LETTER_62: Unit = { bytes: [0x2b, 0x2d], escaped: true };
const LETTER_63: Unit = { bytes: [0x2f, 0x5f], escaped: true };

/**
 * The forms in which a key is looked for: as it is, any of its characters percent-encoded or as JSON escapes; in hex;
 * and in base64 from each of the three places in a group of three bytes where it may begin, less the letters that it
 * shares with its neighbours.
 */
export function writtenForms(key: Uint8Array): readonly WrittenForm[] {
  const plain = Array.from(key, (byte) => ({ bytes: [byte], escaped: true }));
  const hex = Array.from(Buffer.from(key).toString('hex'), (digit) => ({
    bytes: [...new Set([digit, digit.toUpperCase()])].map((char) => char.charCodeAt(0)),
    escaped: false,
  }));
  return [plain, hex, ...[0, 1, 2].map((offset) => base64From(offset, key))];
}

function base64From(offset: number, key: Uint8Array): WrittenForm {
  const letters = Buffer.concat([Buffer.alloc(offset), key]).toString('base64');
  const whole = Math.floor(((offset + key.length) * 4) / 3);
  return Array.from(letters.slice([0, 2, 3][offset], whole), (letter) => {
    if (letter === '+') return LETTER_62;
    return letter === '/' ? LETTER_63 : { bytes: [letter.charCodeAt(0)], escaped: false };
  });
}

/** Every way to write a unit. */
export function spellings({ bytes, escaped }: Unit): readonly (readonly number[])[] {
  if (!escaped) return bytes.map((byte) => [byte]);
  return bytes.flatMap((byte) => {
    const lower = byte.toString(16).padStart(2, '0');
    return [
      [byte],
      ...(SHORT_ESCAPES.includes(byte) ? [[BACKSLASH, byte]] : []),
      ...[...new Set([lower, lower.toUpperCase()])].flatMap((digits) => {
        const [high, low] = [digits.charCodeAt(0), digits.charCodeAt(1)];
        return [
          [PERCENT, high, low],
          [BACKSLASH, LOWER_U, ZERO, ZERO, high, low],
        ];
      }),
    ];
  });
}

/** How far a form was followed. */
export interface Followed {
  /** Its units so far. */
  readonly unit: number;
  /** Where the last of them ended: more than one place where the key's own characters look like an escape. */
  readonly ends: readonly number[];
  /** The bytes ended before the form did, and what follows may complete it. */
  readonly open: boolean;
}

/**
 * Follows a form from one of its units on, in bytes from a place on.
 * @param onUnit told of each unit that was read, with how many there are now and where the last of them ended
 */
export function follow(
  form: WrittenForm,
  unit: number,
  bytes: Uint8Array,
  at: number,
  onUnit?: (unit: number, ends: readonly number[]) => void,
): Followed {
  let ends: readonly number[] = [at];
  let open = false;
  for (; unit < form.length; unit++) {
    const expected = form[unit] as Unit; // as: below the length
    const next: number[] = [];
    for (const end of ends) {
      if (readInto(next, expected, bytes, end)) open = true;
    }
    if (next.length === 0) break;
    ends = next;
    onUnit?.(unit + 1, ends);
  }
  return { unit, ends, open: open && unit < form.length };
}

/** Adds where a unit that begins at `at` ends; true when the bytes end within it. */
function readInto(ends: number[], { bytes: means, escaped }: Unit, bytes: Uint8Array, at: number): boolean {
  const first = bytes[at];
  if (first === undefined) return true;
  if (means.includes(first)) addOnce(ends, at + 1);
  if (!escaped) return false;
  if (first === PERCENT) return readHex(ends, means, bytes, at + 1);
  if (first !== BACKSLASH) return false;
  const second = bytes[at + 1];
  if (second === undefined) return true;
  if (SHORT_ESCAPES.includes(second) && means.includes(second)) addOnce(ends, at + 2);
  if (second !== LOWER_U) return false;
  for (const zero of [at + 2, at + 3]) {
    if (zero >= bytes.length) return true;
    if (bytes[zero] !== ZERO) return false;
  }
  return readHex(ends, means, bytes, at + 4);
}

function readHex(ends: number[], means: readonly number[], bytes: Uint8Array, at: number): boolean {
  const [high, low] = [digitOf(bytes[at]), digitOf(bytes[at + 1])];
  // Another high digit can't be followed by the right low one.
  if (high !== undefined && !means.some((byte) => byte >> 4 === high)) return false;
  if (high === undefined || low === undefined)
    return at + 1 >= bytes.length && (at >= bytes.length || high !== undefined);
  if (means.includes((high << 4) | low)) addOnce(ends, at + 2);
  return false;
}

function digitOf(byte: number | undefined): number | undefined {
  if (byte === undefined) return undefined;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : undefined;
}

function addOnce(ends: number[], end: number): void {
  if (!ends.includes(end)) ends.push(end);
}
