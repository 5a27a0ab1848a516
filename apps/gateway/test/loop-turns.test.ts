import { expect, test } from 'vitest';
import { LoopTurns } from '../src/admission/loop-turns.ts';

test('few requests begin at once', () => {
  const turns = new LoopTurns(32);
  expect([turns.next('a'), turns.next('b')]).toEqual([null, null]);
});

test('of a thousand at once each begins, some in each turn, and one from elsewhere does not wait for them', async () => {
  const turns = new LoopTurns(32);
  const begun: string[] = [];
  const begin = async (address: string) => {
    const turn = turns.next(address);
    if (turn !== null) await turn;
    begun.push(address);
  };
  const flood = Array.from({ length: 1000 }, () => begin('flood'));
  await begin('other');
  expect(begun.length).toBeLessThan(80);
  await Promise.all(flood);
  expect(begun).toHaveLength(1001);
});
