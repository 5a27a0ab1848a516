import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { PacedLine } from '../src/admission/paced-line.ts';

describe('a line with a pace', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  /** A line of a thousand a second, and who has begun. */
  function started() {
    const line = new PacedLine(1000, 20);
    const begun: string[] = [];
    const enter = (key: string, count: number, isGone = () => false) => {
      for (let at = 0; at < count; at++) {
        const turn = line.next(key, isGone);
        if (turn === null) begun.push(key);
        else void turn.then(() => begun.push(key));
      }
    };
    return { begun, enter };
  }

  test('lets few begin at once, and many at its pace, however many there are (H.62)', async () => {
    const { begun, enter } = started();
    enter('flood', 1000);
    expect(begun).toHaveLength(20);
    await vi.advanceTimersByTimeAsync(100);
    expect(begun.length).toBeGreaterThan(100);
    expect(begun.length).toBeLessThanOrEqual(120);
    await vi.advanceTimersByTimeAsync(900);
    expect(begun).toHaveLength(1000);
  });

  test('lets one of another key begin before all the others (H.62)', async () => {
    const { begun, enter } = started();
    enter('flood', 1000);
    await vi.advanceTimersByTimeAsync(100);
    enter('other', 1);
    await vi.advanceTimersByTimeAsync(5);
    expect(begun).toContain('other');
  });

  test('lets nobody wait for who is gone (H.62)', async () => {
    const { begun, enter } = started();
    enter('flood', 20);
    enter('flood', 10_000, () => true);
    enter('flood', 1);
    await vi.advanceTimersByTimeAsync(5);
    expect(begun).toHaveLength(10_021);
  });

  test('counts what each takes in units: one that takes many is followed by a pause', async () => {
    const line = new PacedLine(1000, 20);
    const none = () => false;
    expect(line.next('large', none, 120)).toBeNull();
    const next = line.next('other', none);
    let began = false;
    void next?.then(() => (began = true));
    await vi.advanceTimersByTimeAsync(95);
    expect(began).toBe(false);
    await vi.advanceTimersByTimeAsync(10);
    expect(began).toBe(true);
  });

  test('saves up no more than a few while nobody comes', async () => {
    const { begun, enter } = started();
    await vi.advanceTimersByTimeAsync(60_000);
    enter('flood', 1000);
    expect(begun).toHaveLength(20);
  });
});
