import { bytesGrownOld } from '@ideogate/testkit';
import { randomUUIDv7 } from 'node:crypto';
import type { CallId } from '@ideogate/contract';
import { expect, test } from 'vitest';
import { type Call, newCall } from '../src/call.ts';
import { CallsInFlight } from '../src/edge/calls-in-flight.ts';

const MEGABYTE = 1024 * 1024;
const AT_ONCE = 10;

const aCall = (target = '/'): Call => ({
  ...newCall(randomUUIDv7() as CallId, 0, null, null, null), // as: it makes what the brand says
  target,
});

test('calls are there from arrival to end, in whatever order they end', () => {
  const calls = new CallsInFlight();
  const [first, second, third] = [aCall('/1'), aCall('/2'), aCall('/3')];
  for (const call of [first, second, third]) calls.add(call);
  calls.delete(first);
  expect(new Set(calls.now())).toEqual(new Set([second, third]));
  calls.delete(third);
  calls.delete(first);
  calls.delete(third);
  expect(calls.now()).toEqual([second]);
  calls.delete(second);
  expect(calls.size).toBe(0);
});

test('a call that is over is not kept until a full collection', () => {
  const calls = new CallsInFlight();
  const kept = bytesGrownOld(() => {
    const open: Call[] = [];
    for (let number = 0; number < 50_000; number++) {
      const call = aCall(`/${'x'.repeat(500)}${number}`);
      calls.add(call);
      open.push(call);
      if (open.length > AT_ONCE) for (const over of open.splice(0, 1)) calls.delete(over);
    }
  });
  expect(kept).toBeLessThan(MEGABYTE);
});
