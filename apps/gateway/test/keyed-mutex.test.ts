import { expect, test } from 'vitest';
import { KeyedMutex } from '../src/routes/keyed-mutex.ts';

test('what has one key runs one after another, also after one that failed; what has another does not wait', async () => {
  const mutex = new KeyedMutex();
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = mutex.run('x', async () => {
    await gate.promise;
    seen.push('first');
    throw new Error('it broke off');
  });
  const second = mutex.run('x', async () => void seen.push('second'));
  await mutex.run('y', async () => void seen.push('other'));
  gate.resolve();
  await expect(first).rejects.toThrow('it broke off');
  await second;
  expect(seen).toEqual(['other', 'first', 'second']);
});
