import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_TEXT_BYTES, originalText, storableText } from '../src/index.ts';
import { storableList } from '../src/storable.ts';

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 300 })
    .map((units) => String.fromCharCode(...units)),
  fc.string({
    unit: fc.constantFrom('\\', 'u', '0', '[', ']', '\u0000', '\ud800', '5 more, sha256:'),
    maxLength: 60,
  }),
);

describe('text made storable', () => {
  test('is well formed, holds nothing that breaks a line or turns it round, and can be read back', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const stored = storableText(text);
        expect(stored.isWellFormed()).toBe(true);
        expect(stored).not.toMatch(/[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/u);
        expect(originalText(stored)).toBe(text);
      }),
    );
  });

  test('is never longer than an index entry may be, says that it was cut, and keeps unlike texts unlike', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 2_049, max: 5_000 }), (text, length) => {
        const long = `${text}x`.repeat(length).slice(0, length);
        const stored = storableText(long);
        expect(Buffer.byteLength(stored)).toBeLessThanOrEqual(MAX_TEXT_BYTES);
        expect(stored.isWellFormed()).toBe(true);
        expect(originalText(stored)).toBeUndefined();
        expect(storableText(`${long}y`)).not.toBe(stored);
      }),
      { numRuns: 50 },
    );
  });

  test('no text can claim to be cut', () => {
    const cut = storableText('a'.repeat(3_000));
    expect(originalText(storableText(cut.slice(-60)))).toBe(cut.slice(-60));
  });

  test('a list says how many items were cut', () => {
    const stored = storableList(Array.from({ length: 300 }, (_, index) => `generation:${index}`));
    expect(stored.length).toBe(257);
    expect(stored.at(-1)).toBe(String.raw`\[44 more]`);
  });
});
