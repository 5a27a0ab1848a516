/**
 * One unit of a written form: a character of the key, a letter of its base64, a digit of its hex. `bytes` are those that
 * mean the same there (both alphabets, both cases); `escaped`: writers may escape it.
 */
export interface Unit {
  readonly bytes: readonly number[];
  readonly escaped: boolean;
}

/** A key as writers write it, unit by unit. */
export interface WrittenForm {
  readonly units: readonly Unit[];
  /** What may stand before a unit and means nothing there; never before the first. */
  readonly separators: (unit: number) => readonly (readonly number[])[];
}

const PERCENT = 0x25;
/** The byte that begins an escape in JSON (RFC 8259 section 7). */
export const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
const ZERO = 0x30;
/** What JSON may write with a backslash alone (RFC 8259 section 7). */
const SHORT_ESCAPES: readonly number[] = [0x22, 0x2f, BACKSLASH];
/** The last two letters of both alphabets (RFC 4648 sections 4 and 5). */
const LETTER_62: Unit = { bytes: [0x2b, 0x2d], escaped: true };
const LETTER_63: Unit = { bytes: [0x2f, 0x5f], escaped: true };

const bytesOf = (texts: readonly string[]) => texts.map((text) => Array.from(Buffer.from(text)));
const NONE: readonly (readonly number[])[] = [];
/** Line ends (RFC 2045 section 6.8, RFC 7468), and how JSON writes them. */
const LINE_ENDS = bytesOf(['\r', '\n', '\\r', '\\n', '\\u000d', '\\u000a', '\\u000D', '\\u000A']);
/** What listings put between two bytes in hex. */
const BETWEEN_PAIRS = [...LINE_ENDS, ...bytesOf([' ', ':'])];

/**
 * The forms in which a key is looked for: as it is, any of its characters percent-encoded or as JSON escapes; in hex,
 * with blanks or colons between its pairs; and in base64 from each of the three places in a group of three bytes where it may begin, less the letters that it
 * shares with its neighbours. Hex and base64 may be broken into lines.
 */
export function writtenForms(key: Uint8Array): readonly WrittenForm[] {
  const plain = Array.from(key, (byte) => ({ bytes: [byte], escaped: true }));
  const hex = Array.from(Buffer.from(key).toString('hex'), (digit) => ({
    bytes: [...new Set([digit, digit.toUpperCase()])].map((char) => char.charCodeAt(0)),
    escaped: false,
  }));
  return [
    { units: plain, separators: () => NONE },
    { units: hex, separators: (unit) => (unit % 2 === 0 ? BETWEEN_PAIRS : LINE_ENDS) },
    ...[0, 1, 2].map((offset) => ({ units: base64From(offset, key), separators: () => LINE_ENDS })),
  ];
}

function base64From(offset: number, key: Uint8Array): readonly Unit[] {
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
