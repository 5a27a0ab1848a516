import { describe, expect, test } from 'vitest';
import { Pacing } from '../src/append/pacing.ts';

/** Times in milliseconds; a batch of so many events began at 100, and the last decision came at `cameAt`. */
interface Case {
  readonly lastBatch: { readonly took: number; readonly events: number } | null;
  readonly waiting: number;
  readonly cameAt: number;
  readonly now: number;
  readonly waits: number;
}

describe('a decision that waits for its commit', () => {
  test.each<[string, Case]>([
    ['goes at once after a rest', { lastBatch: null, waiting: 1, cameAt: 500, now: 500, waits: 0 }],
    [
      'waits a moment for company where few come',
      { lastBatch: { took: 1, events: 2 }, waiting: 1, cameAt: 101.5, now: 101.5, waits: 0.5 },
    ],
    [
      'waits longer where many come, as long as they come',
      { lastBatch: { took: 1, events: 20 }, waiting: 5, cameAt: 105, now: 106, waits: 2 },
    ],
    [
      'but not longer than batches are kept apart',
      { lastBatch: { took: 1, events: 20 }, waiting: 5, cameAt: 109.5, now: 109.5, waits: 0.5 },
    ],
    [
      'goes when three milliseconds brought no other: those who call may all wait for their answers',
      { lastBatch: { took: 1, events: 20 }, waiting: 5, cameAt: 103, now: 106, waits: 0 },
    ],
    [
      'goes as the twelfth of those that wait',
      { lastBatch: { took: 1, events: 20 }, waiting: 12, cameAt: 102, now: 102, waits: 0 },
    ],
    [
      'goes at once where commits are slow, and gather enough by themselves',
      { lastBatch: { took: 3, events: 20 }, waiting: 1, cameAt: 103.5, now: 103.5, waits: 0 },
    ],
  ])('%s', (_, { lastBatch, waiting, cameAt, now, waits }) => {
    const pacing = new Pacing();
    if (lastBatch !== null) pacing.batchCommitted(100, lastBatch.took, lastBatch.events);
    pacing.decisionCame(cameAt);
    expect(Math.max(0, pacing.wait(waiting, now))).toBeCloseTo(waits);
  });
});
