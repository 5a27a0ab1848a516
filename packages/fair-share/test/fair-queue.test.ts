import { expect, test } from 'vitest';
import { FairQueue } from '../src/index.ts';

/** Serves so many turns, each of its key's cost; the keys in order. */
function serve(queue: FairQueue<string>, turns: number, cost: Readonly<Record<string, number>>): string[] {
  const order: string[] = [];
  for (let i = 0; i < turns; i++) {
    const next = queue.next();
    if (next === undefined) break;
    order.push(next.key);
    queue.charge(next.key, cost[next.key] ?? 1);
  }
  return order;
}

test('a caller with a thousand turns to come does not keep another waiting for them', () => {
  const queue = new FairQueue<string>();
  for (let i = 0; i < 1000; i++) queue.push('greedy', `${i}`);
  expect(serve(queue, 10, {})).toEqual(Array.from({ length: 10 }, () => 'greedy'));
  queue.push('late', 'a');
  queue.push('late', 'b');
  expect(serve(queue, 4, {}).filter((key) => key === 'late')).toHaveLength(2);
});

test('cost counts, not turns: who takes ten times as long has a tenth of the turns', () => {
  const queue = new FairQueue<string>();
  for (let i = 0; i < 100; i++) {
    queue.push('slow', `${i}`);
    queue.push('quick', `${i}`);
  }
  const served = serve(queue, 55, { slow: 10, quick: 1 });
  expect(served.filter((key) => key === 'slow').length).toBeLessThanOrEqual(6);
});

test('the turns of one key keep their order, and none is lost', () => {
  const queue = new FairQueue<number>();
  for (let i = 0; i < 50; i++) queue.push('a', i);
  const entries = Array.from({ length: 50 }, () => queue.next()?.entry);
  expect(entries).toEqual(Array.from({ length: 50 }, (_, i) => i));
  expect(queue.next()).toBeUndefined();
  expect(queue.size).toBe(0);
});

test('nobody saves up turns while away: who comes back is served like a newcomer', () => {
  const queue = new FairQueue<string>();
  for (let i = 0; i < 100; i++) queue.push('busy', `${i}`);
  queue.push('away', 'once');
  serve(queue, 60, {});
  for (let i = 0; i < 20; i++) queue.push('away', `${i}`);
  const served = serve(queue, 20, {});
  expect(served.filter((key) => key === 'away').length).toBeLessThanOrEqual(11);
});

test('what was used while nobody waited is not held against anybody', () => {
  const queue = new FairQueue<string>();
  for (let i = 0; i < 100; i++) queue.charge('busy', 10);
  queue.push('busy', 'a');
  queue.push('new', 'b');
  queue.push('new', 'c');
  expect(serve(queue, 2, {})).toEqual(['busy', 'new']);
});
