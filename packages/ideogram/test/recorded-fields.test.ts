import { describe, expect, it } from 'vitest';
import { OPERATIONS, pricedFields, promptOf, recordedFields } from '../src/index.ts';

describe('what the record needs of a request', () => {
  it('is what its price needs, and the prompt, as one list for each operation', () => {
    for (const operation of OPERATIONS) {
      const fields = recordedFields(operation);
      expect(fields).toEqual(expect.arrayContaining([...pricedFields(operation), 'prompt']));
      expect(fields).toHaveLength(new Set(fields).size);
      expect(recordedFields(operation)).toBe(fields);
    }
  });

  it.each([
    [{ prompt: 'a cat' }, 'a cat'],
    [{ text_prompt: 'a cat' }, 'a cat'],
    [{ 'image_request.prompt': 'a cat' }, 'a cat'],
    [{ text_prompt: 'a dog', prompt: 'a cat' }, 'a cat'],
    [{ prompt: true, text_prompt: 'a cat' }, 'a cat'],
    [{ num_images: 1 }, null],
  ])('the prompt among %j', (fields, prompt) => {
    expect(promptOf(new Map(Object.entries(fields)))).toBe(prompt);
  });
});
