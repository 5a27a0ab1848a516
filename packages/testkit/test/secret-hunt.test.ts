import fc from 'fast-check';
import { expect, test } from 'vitest';
import { huntFor, spellingsOf, tableOfPlaces } from '../src/index.ts';

const SECRET = 'fake-secret-MARKED/+ä"1';

test('a secret is found in every spelling, whatever stands before and behind it', () => {
  const hunt = huntFor({ key: [SECRET] });
  const around = fc.string({ unit: 'binary', maxLength: 12 });
  fc.assert(
    fc.property(around, around, (before, behind) => {
      const text = `${before}${SECRET}${behind}`;
      const bytes = Buffer.from(text);
      for (const spelled of [
        text,
        JSON.stringify(text),
        bytes.toString('base64'),
        bytes.toString('base64url'),
        bytes.toString('hex'),
        bytes.toString('hex').toUpperCase(),
        encodeURIComponent(`${SECRET}${behind.toWellFormed()}`),
        encodeURIComponent(SECRET).toLowerCase(),
        bytes.toString('hex').replaceAll(/../g, '%$&'),
      ])
        if (hunt.in(spelled).length === 0) throw new Error(`not found in ${spelled}`);
    }),
  );
  expect(hunt.in(SECRET)).toContain('key, raw');
});

test('nothing is found where nothing is, and a finding says what and how', () => {
  const hunt = huntFor({ key: [SECRET], prompt: ['a fake lighthouse'] });
  expect(hunt.in('a lighthouse, and fake-secret-marked')).toEqual([]);
  expect(hunt.in(Buffer.from('a fake lighthouse').toString('hex'))).toEqual(['prompt, in hex']);
  expect(spellingsOf(SECRET).size).toBe(11);
  expect(
    tableOfPlaces(hunt.kinds, [
      ['log', []],
      ['row', ['key, raw']],
    ]),
  ).toBe('| place | key | prompt |\n| --- | --- | --- |\n| log | none | none |\n| row | key, raw | none |');
});

test('a hunt for nothing, or for what is everywhere, is a mistake', () => {
  expect(() => huntFor({ key: [] })).toThrow('no key to look for');
  expect(() => huntFor({ key: ['short'] })).toThrow('too short');
});
