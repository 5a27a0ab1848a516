import { describe, expect, test } from 'vitest';
import { readSettings } from '../src/index.ts';

const numbersOf = (environment: Record<string, string>) => {
  const { values, faults } = readSettings(environment);
  return { replicas: values.gateway.replicas, discardMs: values.gateway.discardMs, faults };
};

describe('a number that an operator sets', () => {
  test.each([
    ['left out is the default', {}, { replicas: 1, discardMs: 5000 }],
    ['empty is the default', { IDEOGATE_REPLICAS: '' }, { replicas: 1, discardMs: 5000 }],
    ['at its least', { IDEOGATE_REPLICAS: '1', IDEOGATE_DISCARD_MS: '0' }, { replicas: 1, discardMs: 0 }],
    [
      'at its most',
      { IDEOGATE_REPLICAS: '1000', IDEOGATE_DISCARD_MS: '60000' },
      { replicas: 1000, discardMs: 60_000 },
    ],
  ])('%s', (_, environment, numbers) => {
    expect(numbersOf(environment)).toEqual({ ...numbers, faults: [] });
  });

  test.each(['0', '1001', '-1', '1e3', '1.5', ' 60', '0x10', 'many', '1000000000000000000'])(
    '%j is a fault in words, and the default holds',
    (text) => {
      const { replicas, faults } = numbersOf({ IDEOGATE_REPLICAS: text, IDEOGATE_DISCARD_MS: text });
      expect(replicas).toBe(1);
      expect(faults).toContainEqual({
        group: 'gateway',
        variable: 'IDEOGATE_REPLICAS',
        words: 'IDEOGATE_REPLICAS must be a whole number of gateways from 1 to 1000',
      });
    },
  );
});
