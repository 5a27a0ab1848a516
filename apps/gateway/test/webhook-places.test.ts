import { expect, test } from 'vitest';
import { Turns, WebhookPlaces } from '../src/webhook-places.ts';

test('one address gets half of the places, all together no more than there are, and what is given back is free', () => {
  const places = new WebhookPlaces(4);
  const taken = ['a', 'a', 'a', 'b', 'b', 'c'].map((address) => places.take(address));
  expect(taken).toEqual([true, true, false, true, true, false]);
  places.giveBack('a');
  expect([places.take('c'), places.take('a')]).toEqual([true, false]);
  for (const address of ['a', 'b', 'b', 'c']) places.giveBack(address);
  expect(['a', 'a', 'a'].map((address) => places.take(address))).toEqual([true, true, false]);
});

test('what has one name runs one after another, also after one that failed; what has another does not wait', async () => {
  const turns = new Turns();
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.take('x', async () => {
    await gate.promise;
    seen.push('first');
    throw new Error('it broke off');
  });
  const second = turns.take('x', async () => void seen.push('second'));
  await turns.take('y', async () => void seen.push('other'));
  gate.resolve();
  await expect(first).rejects.toThrow('it broke off');
  await second;
  expect(seen).toEqual(['other', 'first', 'second']);
});
