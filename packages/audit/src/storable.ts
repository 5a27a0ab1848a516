import { createHash } from 'node:crypto';

/**
 * Makes any value storable, in one place, so that nothing a caller sends can stop a row (Postgres refuses U+0000
 * and half surrogate pairs in text, an index entry over 2,704 bytes, a number past its column) or forge one (line
 * breaks and direction marks, when a row is printed).
 *
 * Text: a backslash is doubled; a control, line-breaking, direction-changing or half character becomes `\uxxxx`.
 * What is longer than `MAX_TEXT_BYTES` ends in `\[<characters cut> more, sha256:<first 16 hex digits over the whole text>]`;
 * a doubled backslash can't be followed by `[` without being itself preceded by one, so no text can claim to be cut.
 */
export const MAX_TEXT_BYTES = 2_048;
const MAX_ITEMS = 256;
const MAX_ITEM_BYTES = 256;

// Controls (C0, C1, DEL); Arabic letter mark; LRM, RLM; line and paragraph separators; embeddings, overrides, isolates; BOM;
// the backslash itself; and, in unicode mode, only those surrogates that have no partner.
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\\\p{Surrogate}]/gu;
const ESCAPE = /\\(?:\\|u([0-9a-f]{4}))/g;
const CUT = /(?<!\\)(?:\\\\)*\\\[[0-9]+ more, sha256:[0-9a-f]{16}\]$/;

/** Printable ASCII without the backslash is stored as it is; nearly every text is such. */
const PLAIN = /^[\x20-\x5b\x5d-\x7e]*$/;

/** The text as it is stored: what is unsafe escaped, and cut with a digest of the whole when it is too long. */
export function storableText(text: string, maxBytes = MAX_TEXT_BYTES): string {
  if (text.length <= maxBytes && PLAIN.test(text)) return text;
  // No character needs fewer bytes stored than one, so what is surely too long isn't escaped first.
  const whole = text.length <= maxBytes ? escape(text) : undefined;
  if (whole !== undefined && Buffer.byteLength(whole) <= maxBytes) return whole;
  const digest = createHash('sha256').update(text, 'utf16le').digest('hex').slice(0, 16);
  const room = maxBytes - `\\[${text.length} more, sha256:${digest}]`.length;
  let kept = '';
  let bytes = 0;
  let taken = 0;
  for (const character of text.slice(0, maxBytes)) {
    const piece = escape(character);
    const size = Buffer.byteLength(piece);
    if (bytes + size > room) break;
    kept += piece;
    bytes += size;
    taken += character.length;
  }
  return `${kept}\\[${text.length - taken} more, sha256:${digest}]`;
}

/** The text as it was before `storableText`, or undefined when it was cut. */
export function originalText(stored: string): string | undefined {
  if (CUT.test(stored)) return undefined;
  return stored.replace(ESCAPE, (_, hex: string | undefined) =>
    hex === undefined ? '\\' : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** At most 256 items of at most 256 bytes; a last one says how many were cut. */
export function storableList(items: readonly string[]): string[] {
  const kept = items.slice(0, MAX_ITEMS).map((item) => storableText(item, MAX_ITEM_BYTES));
  return items.length > MAX_ITEMS ? [...kept, `\\[${items.length - MAX_ITEMS} more]`] : kept;
}

const MAX_MEMBERS = 16;

/** The RFC 8785 form of an object of texts: at most 16 members of at most 64 + 256 bytes, each text made storable. */
export function storableDetail(detail: Readonly<Record<string, string>>): string {
  const members = Object.entries(detail)
    .slice(0, MAX_MEMBERS)
    .map(([name, value]) => [storableText(name, 64), storableText(value, MAX_ITEM_BYTES)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
}

const MAX_INTEGER = 2_147_483_647;

/** A count that fits an `integer` column: rounded, held between 0 and 2,147,483,647; null when it is not a number. */
export function storableInteger(value: number): number | null {
  if (Number.isNaN(value)) return null;
  return Math.round(Math.min(Math.max(value, 0), MAX_INTEGER));
}

/** A count that fits a `bigint` column: as `storableInteger`, up to 2^53 - 1. */
export function storableBigint(value: number): bigint | null {
  if (Number.isNaN(value)) return null;
  return BigInt(Math.round(Math.min(Math.max(value, 0), Number.MAX_SAFE_INTEGER)));
}

function escape(text: string): string {
  return text.replace(UNSAFE, (unit) =>
    unit === '\\' ? '\\\\' : `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
