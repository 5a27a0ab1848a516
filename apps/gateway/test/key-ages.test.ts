import { createKeyRing } from '@ideogate/upstream-keys';
import { expect, test } from 'vitest';
import { watchKeyAges } from '../src/startup/key-ages.ts';

const DAY_MS = 86_400_000;
const SINCE = new Date('2026-01-01T00:00:00Z');

function scene(atMaxAge: 'warn' | 'refuse') {
  const ring = createKeyRing({
    environment: 'staging',
    both: 'fake-key-MARKED-01',
    fingerprintSecret: 'fake',
  });
  const lines: string[] = [];
  let day = 0;
  const tell = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const [id = ''] = ring.ids('write');
  const watch = watchKeyAges({
    policy: { read: null, write: null, maxAgeDays: 90, atMaxAge },
    ring,
    keys: () => [{ id, slot: 'write', since: SINCE }],
    log: { info: tell, error: tell },
    now: () => new Date(SINCE.getTime() + day * DAY_MS),
  });
  watch.stop();
  return {
    lines,
    id,
    ages: () => watch.ages(),
    serves: () => typeof ring.pick('write') !== 'string',
    lookOn(next: number) {
      day = next;
      watch.look();
    },
  };
}

test('a key is told of when four fifths of its age are over, each day again, and louder when all of it is', () => {
  const it = scene('warn');
  it.lookOn(71);
  expect(it.lines).toEqual([]);
  it.lookOn(72);
  it.lookOn(72.5);
  expect(it.lines).toEqual([expect.stringMatching(/replaced soon.*"days":72,"max_days":90/)]);
  it.lookOn(73.2);
  expect(it.lines).toHaveLength(2);
  it.lookOn(90);
  expect(it.lines.at(-1)).toMatch(/ALARM: an Ideogram key is too old: /);
  expect(it.serves()).toBe(true);
  expect(it.ages()).toEqual([{ id: it.id, slot: 'write', days: 90, maxDays: 90 }]);
});

test('where policy says refuse, no call goes out with a key that is too old', () => {
  const it = scene('refuse');
  it.lookOn(89);
  expect(it.serves()).toBe(true);
  it.lookOn(90);
  expect(it.serves()).toBe(false);
  expect(it.lines.at(-1)).toMatch(/policy refuses calls with it/);
});
