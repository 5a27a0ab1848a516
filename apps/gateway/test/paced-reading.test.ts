import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { PacedReading } from '../src/admission/paced-reading.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('so many chunks are read in each tick and no more, and the timer ends with them', () => {
  const pace = new PacedReading(10);
  let read = 0;
  for (let i = 0; i < 25; i++) pace.next('a', () => read++);
  expect(read).toBe(0);
  const after: number[] = [];
  for (let tick = 0; tick < 4; tick++) {
    vi.advanceTimersByTime(5);
    after.push(read);
  }
  expect(after).toEqual([10, 20, 25, 25]);
  expect(vi.getTimerCount()).toBe(0);
});

test('an address with much to read off does not keep another waiting', () => {
  const pace = new PacedReading(10);
  const order: string[] = [];
  for (let i = 0; i < 1000; i++) pace.next('flood', () => order.push('flood'));
  pace.next('other', () => order.push('other'));
  vi.advanceTimersByTime(5);
  expect(order).toContain('other');
});
