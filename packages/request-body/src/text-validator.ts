/** What a charset parameter promises of the bytes. `ascii`: a charset in which only ASCII means the same as in UTF-8. */
export type Charset = 'utf-8' | 'ascii';

const CHARSETS: Readonly<Record<string, Charset>> = {
  'utf-8': 'utf-8',
  'us-ascii': 'ascii',
  'iso-8859-1': 'ascii',
  'windows-1252': 'ascii',
};

/** The value of a charset parameter; null when there is none. */
export function charsetOf(value: string | undefined): Charset | 'other' | null {
  if (value === undefined) return null;
  const name = value.toLowerCase();
  return Object.hasOwn(CHARSETS, name) ? (CHARSETS[name] ?? 'other') : 'other';
}

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/**
 * Watches text go by in chunks of any size, and finds the first byte at which readers part: what is not UTF-8 (RFC 3629
 * section 4) is replaced by one, kept by the next and an error to the third, and a byte-order mark at the beginning is
 * dropped by some. Holds no text.
 */
export class TextValidator {
  readonly charset: Charset;
  /** Bytes that the character in progress still needs, and the range of the next one. */
  #due = 0;
  #least = 0x80;
  #most = 0xbf;
  /** Bytes of a byte-order mark seen so far; -1: the text does not begin with one. */
  #mark = 0;

  constructor(charset: Charset) {
    this.charset = charset;
  }

  /** Index of the first byte that is not as it should be, or -1. */
  push(bytes: Uint8Array): number {
    let at = 0;
    while (this.#mark >= 0 && at < bytes.length) {
      if (!this.#take(bytes[at] ?? 0)) return at;
      this.#mark = bytes[at] === BYTE_ORDER_MARK[this.#mark] ? this.#mark + 1 : -1;
      if (this.#mark === BYTE_ORDER_MARK.length) return at;
      at++;
    }
    for (; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0;
      if (byte < 0x80 && this.#due === 0) continue;
      if (!this.#take(byte)) return at;
    }
    return -1;
  }

  #take(byte: number): boolean {
    if (this.#due > 0) {
      if (byte < this.#least || byte > this.#most) return false;
      this.#due--;
      this.#least = 0x80;
      this.#most = 0xbf;
      return true;
    }
    if (byte < 0x80) return true;
    if (this.charset === 'ascii' || byte < 0xc2 || byte > 0xf4) return false;
    this.#due = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    // No overlong forms, no surrogates, nothing past U+10FFFF.
    if (byte === 0xe0) this.#least = 0xa0;
    if (byte === 0xed) this.#most = 0x9f;
    if (byte === 0xf0) this.#least = 0x90;
    if (byte === 0xf4) this.#most = 0x8f;
    return true;
  }
}
