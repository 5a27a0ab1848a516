import { bytesGrownOld } from '@ideogate/testkit';
import { expect, test } from 'vitest';
import { WaitingRoom } from '../src/writing/waiting-room.ts';
import { decision, nowMicros, outcome } from './record-under-test.ts';

const MEGABYTE = 1024 * 1024;
const AT_ONCE = 10;

const openRoom = (): WaitingRoom =>
  new WaitingRoom({
    commitTimeoutMs: 60_000,
    maxWaiting: 100,
    maxOutcomes: 100,
    now: nowMicros,
    onArrival: () => undefined,
    onGivenUp: () => undefined,
  });

test('an event that is committed is not kept until a full collection', () => {
  const room = openRoom();
  const kept = bytesGrownOld(() => {
    for (let batch = 0; batch < 2_000; batch++) {
      for (let number = 0; number < AT_ONCE; number++) {
        const event = decision({ resource: `/${'x'.repeat(500)}${batch}` });
        void room.decide(event);
        room.outcome(outcome({ callId: event.callId }));
      }
      room.committed(room.take(1_000));
    }
  });
  expect(room.waiting()).toBe(0);
  expect(kept).toBeLessThan(MEGABYTE);
});
