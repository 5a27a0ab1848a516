import { OPERATIONS } from '@ideogate/ideogram';
import { expect, describe, test } from 'vitest';
import { disagreements } from '../src/readers/compare.ts';
import { passedForms, readAll } from '../src/readers/compare-all.ts';
import { verdictOf } from '../src/readers/our-reading.ts';
import { NPM_READERS } from '../src/readers/reader.ts';
import { RECORDED_BARE_QUOTES, RECORDED_FORMS } from '../src/readers/recorded-forms.ts';

const remix = OPERATIONS.find(({ path }) => path === '/v1/ideogram-v3/remix');
if (remix === undefined) throw new Error('the catalogue has no remix');

describe('a form as a client sent it', () => {
  test.each(RECORDED_FORMS)('$client: passes for every caller (I.67)', ({ type, body }) => {
    const frame = { type, body: Buffer.from(body, 'latin1') };
    for (const level of ['full', 'limited'] as const) {
      for (const size of [1, 16, frame.body.length]) expect(verdictOf(remix, level, frame, size)).toBeNull();
    }
  });

  test.each(RECORDED_BARE_QUOTES)(
    '$client: a bare quote in its file name is refused, with the part and the remedy',
    ({ type, body }) => {
      const frame = { type, body: Buffer.from(body, 'latin1') };
      for (const level of ['full', 'limited'] as const) {
        const found = verdictOf(remix, level, frame);
        expect(found?.detail).toMatch(/^Part 3 \(image\) of the multipart body .* Write a quote as %22/);
      }
    },
  );
});

describe('readers in npm see what was decided (I.66)', () => {
  const { passed } = passedForms(66, 150);

  test.each(NPM_READERS)('$name', async (program) => {
    const { read, agreed, gaveUp, disagreements: found } = await readAll(program, passed);
    expect(found.map(({ faults, frame }) => [faults, frame.type, frame.body.toString('latin1')])).toEqual([]);
    expect(read).toBe(150);
    expect(agreed + gaveUp).toBe(150);
    expect(agreed).toBeGreaterThan(80);
  });
});

describe('what a reader saw is held against what was decided', () => {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const part = (name: string, text: string) => ({
    name,
    base64: base64(text),
    file: 'none' as const,
    typed: false,
  });
  const parts = [part('prompt', 'a'), part('num_images', '1')];
  const seen = (...entries: readonly (readonly [string, string])[]) =>
    entries.map(([name, text]) => [name, base64(text), false] as const);
  const faults = (entries: ReturnType<typeof seen>, refused?: string) =>
    disagreements(refused === undefined ? { entries } : { entries, refused }, parts, {}, remix, true);

  test.each<[string, readonly string[], readonly string[]]>([
    ['the same', faults(seen(['prompt', 'a'], ['num_images', '1'])), []],
    ['in another order', faults(seen(['num_images', '1'], ['prompt', 'a'])), []],
    ['a field less', faults(seen(['prompt', 'a'])), ['did not see text num_images MQ==']],
    ['nothing, having given up', faults([], 'no'), []],
    ['the beginning of a field, having given up', faults(seen(['prompt', '']), 'no'), []],
    [
      'another value',
      faults(seen(['prompt', 'b'], ['num_images', '1'])),
      ['saw text "prompt" "b"', 'did not see text prompt YQ=='],
    ],
    ['a field more, having given up', faults(seen(['seed', '1']), 'no'), ['saw text "seed" "1"']],
    [
      'the same field twice',
      faults(seen(['prompt', 'a'], ['prompt', 'a'], ['num_images', '1'])),
      ['saw text "prompt" "a"'],
    ],
    [
      'a value past its bound',
      faults(seen(['prompt', 'a'], ['num_images', '1'], ['numImages', '8'])),
      ['saw text "numImages" "8"', 'sees numImages=8, past its bound'],
    ],
    [
      'a webhook_url',
      faults(seen(['prompt', 'a'], ['num_images', '1'], ['webhookUrl', 'x'])),
      ['saw text "webhookUrl" "x"', 'sees webhookUrl'],
    ],
  ])('%s', (_, found, expected) => {
    expect(found).toEqual(expected);
  });
});
