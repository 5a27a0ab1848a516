import { describe, expect, test } from 'vitest';
import { number, readNumbers } from '../src/index.ts';

const TABLE = {
  rate: number('RATE', 60, 'requests', 1, 1000, 'Requests a minute.'),
  drainMs: number('DRAIN_MS', 500, 'ms', 0, 60_000, 'Time to end.'),
};

describe('a number that an operator sets', () => {
  test.each([
    ['left out is the default', {}, { rate: 60, drainMs: 500 }],
    ['empty is the default', { RATE: '' }, { rate: 60, drainMs: 500 }],
    ['at its least', { RATE: '1', DRAIN_MS: '0' }, { rate: 1, drainMs: 0 }],
    ['at its most', { RATE: '1000', DRAIN_MS: '60000' }, { rate: 1000, drainMs: 60_000 }],
  ])('%s', (_, env, numbers) => {
    const faults: string[] = [];
    expect(readNumbers(TABLE, env, faults)).toEqual(numbers);
    expect(faults).toEqual([]);
  });

  test.each(['0', '1001', '-1', '1e3', '1.5', ' 60', '0x10', 'many', '1000000000000000000'])(
    '%j is a fault in words, and the default holds',
    (text) => {
      const faults: string[] = [];
      expect(readNumbers(TABLE, { RATE: text, DRAIN_MS: text }, faults).rate).toBe(60);
      expect(faults[0]).toBe('RATE must be a whole number of requests from 1 to 1000');
    },
  );
});
