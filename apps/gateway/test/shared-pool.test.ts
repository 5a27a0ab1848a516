import { expect, test, vi } from 'vitest';
import { Lease, SharedPool } from '../src/admission/shared-pool.ts';

function poolOf(size: number, waitMs = 1000) {
  const done: string[] = [];
  const pool = new SharedPool('calls', { size, waitMs, random: () => 0, onDone: (how) => done.push(how) });
  const take = (key: string, units = 1) => {
    const lease = new Lease(pool, key, units);
    return { lease, answer: pool.acquire(lease) };
  };
  return { pool, take, done };
}

test('what is free is had at once, without waiting for a promise', () => {
  const { take } = poolOf(4);
  expect(take('a').answer).toBeNull();
});

test('the wait is bounded, and says who holds what', async () => {
  const { take, done } = poolOf(4, 20);
  for (let i = 0; i < 3; i++) take('greedy');
  take('other');
  const refusals = await Promise.all([take('greedy').answer, take('late').answer]);
  expect(refusals).toMatchObject([
    { pool: 'calls', because: 'share', held: 3, share: 1, size: 4 },
    { pool: 'calls', because: 'full', held: 0, share: 1, size: 4 },
  ]);
  expect(done.slice(-2)).toEqual(['share', 'full']);
});

test('who stands behind a claim that gave up, and fits, does not go on waiting', async () => {
  vi.useFakeTimers();
  try {
    const { take } = poolOf(64);
    take('holder', 44);
    take('other', 16);
    const large = take('large', 8);
    await vi.advanceTimersByTimeAsync(500);
    const small = take('small', 2);
    expect(small.answer).toBeInstanceOf(Promise);
    await vi.advanceTimersByTimeAsync(500);
    expect(await large.answer).toMatchObject({ because: 'full' });
    expect(await small.answer).toBeNull();
  } finally {
    vi.useRealTimers();
  }
});

test('who leaves while it waits is told so, and what it held is for the next', async () => {
  const { pool, take } = poolOf(1);
  const held = take('a');
  const waiting = [take('b'), take('c')];
  waiting[0]?.lease.release();
  expect(await waiting[0]?.answer).toMatchObject({ because: 'left' });
  held.lease.release();
  expect(await waiting[1]?.answer).toBeNull();
  waiting[1]?.lease.release();
  waiting[1]?.lease.release();
  expect([pool.held, pool.waiting]).toEqual([0, 0]);
});

test('a pool without a wait refuses at once', () => {
  const { take, pool } = poolOf(1, 0);
  take('a');
  expect(take('b').answer).toMatchObject({ because: 'full', waitedMs: 0 });
  expect(pool.waiting).toBe(0);
});

test('no more wait than may, and one who has nothing in the queue comes in last', () => {
  const { take, pool } = poolOf(1, 60_000);
  take('a');
  const flood = Array.from({ length: 900 }, () => take('flood'));
  expect(flood.filter(({ answer }) => !(answer instanceof Promise)).length).toBeGreaterThan(100);
  expect(take('late').answer).toBeInstanceOf(Promise);
  expect(pool.waiting).toBeLessThanOrEqual(752);
  for (const { lease } of flood) lease.release();
});
