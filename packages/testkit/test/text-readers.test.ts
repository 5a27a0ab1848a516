import { OPERATIONS } from '@ideogate/ideogram';
import { describe, expect, test } from 'vitest';
import { readTexts } from '../src/readers/compare-texts.ts';
import { passedTexts } from '../src/readers/text-cases.ts';
import { NODE_TEXT_READERS } from '../src/readers/text-readers.ts';

const { passed } = passedTexts(14, 300);

describe('JSON and queries that passed', () => {
  test.each(NODE_TEXT_READERS.map((reader) => [reader.name, reader] as const))(
    '%s reads them as decided (I.66)',
    async (_, reader) => {
      const { read, disagreements } = await readTexts(reader, passed);
      expect(disagreements).toEqual([]);
      expect(read).toBe(300);
    },
  );

  test.each([
    ['JSON.parse', 'an image too many', '{"num_images":8,"rendering_speed":"TURBO"}'],
    ['JSON.parse', 'a speed past its bound', '{"rendering_speed":"QUALITY"}'],
    ['JSON.parse', 'a webhook', '{"style":{"Webhook-URL":"x"}}'],
    ['URLSearchParams', 'a webhook', 'tag=a&webhook%5Furl=x'],
    ['node:querystring', 'a name that is escaped', 't%61g=a'],
  ])('if they had not been refused, %s would see %s', async (name, _, text) => {
    const reader = NODE_TEXT_READERS.find((one) => one.name === name);
    const operation = OPERATIONS.find(({ id }) => id === 'v3.generate');
    if (reader === undefined || operation === undefined) throw new Error('no such reader or operation');
    const one = { of: reader.of, operation, text: Buffer.from(text), limited: true };
    const { disagreements } = await readTexts(reader, [one]);
    expect(disagreements).toHaveLength(1);
  });
});
