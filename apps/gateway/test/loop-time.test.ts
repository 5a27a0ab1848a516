import { expect, test } from 'vitest';
import { LoopTime } from '../src/admission/loop-time.ts';

/** Work that takes so long, milliseconds. */
function work(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

test('while the loop has time a piece runs at once', () => {
  const loop = new LoopTime(1000);
  expect(loop.run('a', () => 7)).toBe(7);
});

test('no turn of the loop has more than a millisecond and the piece that ends them, whatever waits', async () => {
  const loop = new LoopTime(60_000);
  const turns = [0];
  let counting = true;
  const beat = () => {
    turns.push(0);
    if (counting) setImmediate(beat);
  };
  setImmediate(beat);
  const piece = () => {
    work(0.5);
    turns[turns.length - 1] = (turns.at(-1) ?? 0) + 1;
  };
  await Promise.all(Array.from({ length: 100 }, async () => loop.run('a', piece)));
  counting = false;
  expect(turns.reduce((sum, pieces) => sum + pieces)).toBe(100);
  // Two at once when they are asked for, and two of those that wait in the same turn.
  expect(turns.filter((pieces) => pieces > 4)).toEqual([]);
});

test('a caller with little to read does not wait for one with much (H.62)', async () => {
  const loop = new LoopTime(10_000);
  const order: string[] = [];
  const greedy = Array.from({ length: 100 }, () =>
    Promise.resolve(loop.run('greedy', () => work(0.5))).then(() => order.push('greedy')),
  );
  await loop.run('other', () => work(0.1));
  order.push('other');
  await Promise.all(greedy);
  expect(order.indexOf('other')).toBeLessThan(20);
});

test('a piece whose turn does not come in time is not run, and its caller is told', async () => {
  const loop = new LoopTime(20);
  let ran = 0;
  const answers = await Promise.all(
    Array.from({ length: 100 }, async () => loop.run('a', () => void (work(2), ran++))),
  );
  const late = answers.filter((answer) => answer === 'late').length;
  expect(late).toBeGreaterThan(0);
  expect(ran + late).toBe(100);
});

test('what a piece throws is for who asked', async () => {
  const loop = new LoopTime(1000);
  expect(() => loop.run('a', () => work(3))).not.toThrow();
  await expect(
    loop.run('a', () => {
      throw new Error('it broke');
    }),
  ).rejects.toThrow('it broke');
  expect(loop.waiting).toBe(0);
});
