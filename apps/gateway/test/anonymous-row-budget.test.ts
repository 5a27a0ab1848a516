import { describe, expect, test } from 'vitest';
import { createAnonymousRowBudget } from '../src/admission/anonymous-row-budget.ts';

const HOUR = 3_600_000;
const BYTES = 8_000_000;
const ROW = 1_000;

function budget() {
  let now = 0;
  const { spend } = createAnonymousRowBudget(BYTES, () => now);
  /** How many of so many rows find room. */
  const rows = (address: string, wanted: number) =>
    Array.from({ length: wanted }, () => spend(address, ROW)).filter(Boolean).length;
  return {
    rows,
    pass: (milliseconds: number) => {
      now += milliseconds;
    },
  };
}

describe('the bytes that refusals without a token may take (H.64)', () => {
  test('no hour has more than all of them, however many addresses come, and whenever it begins', () => {
    const { rows, pass } = budget();
    const perMinute: number[] = [];
    for (let minute = 0; minute < 180; minute++) {
      let taken = 0;
      for (let address = 0; address < 40; address++) taken += rows(`10.${minute}.0.${address}`, 200) * ROW;
      perMinute.push(taken);
      pass(HOUR / 60);
    }
    for (let from = 0; from <= 120; from++)
      expect(perMinute.slice(from, from + 60).reduce((sum, taken) => sum + taken, 0)).toBeLessThanOrEqual(
        BYTES,
      );
    // A flood that goes on has rows as it goes on.
    for (const taken of perMinute) expect(taken).toBeGreaterThan(0);
  });

  test('one address has its part, an eighth of what is there, and others have theirs beside it', () => {
    const { rows } = budget();
    expect(rows('10.0.0.1', 10_000)).toBe(500);
    expect(rows('10.0.0.1', 10)).toBe(0);
    expect(rows('10.0.0.2', 10_000)).toBe(500);
  });

  test('a network of one IPv6 peer is one address', () => {
    const { rows } = budget();
    expect(rows('2001:db8::1', 10_000)).toBe(500);
    expect(rows('2001:db8::2', 10)).toBe(0);
    expect(rows('2001:db8:0:1::1', 10)).toBe(10);
  });

  test('the last quarter is for addresses that have spent little', () => {
    const { rows } = budget();
    for (let noisy = 0; noisy < 10; noisy++) rows(`10.0.0.${noisy}`, 10_000);
    expect(rows('10.0.0.0', 10)).toBe(0);
    const quiet = Array.from({ length: 50 }, (_, at) => rows(`10.0.1.${at}`, 10));
    expect(new Set(quiet)).toEqual(new Set([10]));
  });

  test('what was spent comes back within an hour', () => {
    const { rows, pass } = budget();
    expect(rows('10.0.0.1', 10_000)).toBe(500);
    pass(HOUR / 2);
    expect(rows('10.0.0.1', 10_000)).toBe(250);
    pass(HOUR);
    expect(rows('10.0.0.1', 10_000)).toBe(500);
  });
});
