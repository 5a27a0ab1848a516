import { bytesGrownOld } from '@ideogate/testkit';
import { expect, test } from 'vitest';
import { AppendQueue } from '../src/append/append-queue.ts';
import { decision, nowMicros, outcome } from './events-under-test.ts';

const MEGABYTE = 1024 * 1024;
const AT_ONCE = 10;

const openQueue = (): AppendQueue =>
  new AppendQueue({
    commitTimeoutMs: 60_000,
    maxWaiting: 100,
    maxOutcomes: 100,
    now: nowMicros,
    onArrival: () => undefined,
    onGivenUp: () => undefined,
  });

test('an event that is committed is not kept until a full collection', () => {
  const queue = openQueue();
  const kept = bytesGrownOld(() => {
    for (let batch = 0; batch < 2_000; batch++) {
      for (let number = 0; number < AT_ONCE; number++) {
        const event = decision({ resource: `/${'x'.repeat(500)}${batch}` });
        void queue.decide(event);
        queue.outcome(outcome({ callId: event.callId }));
      }
      queue.committed(queue.dequeueBatch(1_000));
    }
  });
  expect(queue.waiting()).toBe(0);
  expect(kept).toBeLessThan(MEGABYTE);
});
