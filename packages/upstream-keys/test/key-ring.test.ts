import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ageOfKey,
  createKeyRing,
  holdKey,
  KeyError,
  type KeyRing,
  type KeySlot,
  type UpstreamKey,
} from '../src/index.ts';

const READ = 'fake-read-9f8e7d6c5b4a';
const WRITE = 'fake-write-1a2b3c4d5e6f';
const ring = () =>
  createKeyRing({ environment: 'staging', read: READ, write: WRITE, fingerprintSecret: 'fake-installation' });

function picked(keys: KeyRing, slot: KeySlot): UpstreamKey {
  const key = keys.pick(slot);
  if (typeof key === 'string') throw new Error(`the ${slot} key is ${key}`);
  return key;
}

/** The header that the next call of a slot goes out with. */
function sent(keys: KeyRing, slot: KeySlot): string | undefined {
  const headers: Record<string, string> = {};
  picked(keys, slot).setHeader(headers);
  return headers['api-key'];
}

const idOf = (keys: KeyRing, slot: KeySlot) => picked(keys, slot).id;

test('a read operation carries the read key, a write operation the write key', () => {
  const keys = ring();
  expect([sent(keys, 'read'), sent(keys, 'write')]).toEqual([READ, WRITE]);
});

test('an empty slot gives no key, whatever the other one holds (F.57)', () => {
  const keys = ring();
  keys.fill('read', { current: null });
  expect([keys.pick('read'), sent(keys, 'write'), keys.missing()]).toEqual(['missing', WRITE, ['read']]);
});

describe('while a key is rotated', () => {
  const held = (text: string) => holdKey(Buffer.from(text), 'fake', 'a test key');

  test('of a hundred calls the new key has its share, spread evenly', () => {
    const keys = ring();
    const [old, fresh] = [held(WRITE), held('fake-new-write-key-000')];
    keys.fill('write', { current: old, trial: { key: fresh, share: 10 } });
    const picks = Array.from({ length: 1000 }, () => idOf(keys, 'write'));
    expect(picks.filter((id) => id === fresh.id)).toHaveLength(100);
    expect(new Set(picks.slice(0, 10)).size).toBe(2);
  });

  test('a new key that is refused is not used again, in its trial or after: the one before it serves (F.59)', () => {
    const keys = ring();
    const [old, fresh] = [held(WRITE), held('fake-new-write-key-000')];
    const told: unknown[] = [];
    keys.onRefused = (refusal) => void told.push(refusal);
    keys.fill('write', { current: old, trial: { key: fresh, share: 99 } });
    keys.refused(fresh);
    expect(new Set(Array.from({ length: 200 }, () => idOf(keys, 'write')))).toEqual(new Set([old.id]));
    keys.fill('write', { current: fresh, fallback: old });
    keys.refused(fresh);
    expect(idOf(keys, 'write')).toBe(old.id);
    // Calls that were under way with it come back refused too, and change nothing.
    keys.refused(fresh);
    const refusal = { slot: 'write', id: fresh.id, instead: old.id };
    expect(told).toEqual([refusal, refusal]);
    expect(keys.suspects()).toEqual([]);
  });

  test('with nothing to go back to, a refused key stays, and is told of once a minute, not by each call', () => {
    const keys = ring();
    const told: unknown[] = [];
    keys.onRefused = (refusal) => void told.push(refusal);
    const key = picked(keys, 'write');
    for (let calls = 0; calls < 100; calls++) keys.refused(key);
    expect(told).toEqual([{ slot: 'write', id: key.id, instead: null }]);
    expect([sent(keys, 'write'), keys.suspects()]).toEqual([WRITE, [key.id]]);
  });

  test('a replaced key serves the calls that picked it, is known in what comes back, and then is destroyed', () => {
    const keys = ring();
    const before = picked(keys, 'write');
    const [replaced] = keys.fill('write', { current: held('fake-new-write-key-000') });
    const headers: Record<string, string> = {};
    before.setHeader(headers);
    expect(headers['api-key']).toBe(WRITE);
    expect(keys.inHeaders([WRITE])).toBe(true);
    if (replaced !== undefined) keys.forget(replaced);
    expect(keys.inHeaders([WRITE])).toBe(false);
    before.setHeader(headers);
    expect(headers['api-key']).not.toContain(WRITE.slice(0, 8));
  });

  test('a key that came back meanwhile is not destroyed', () => {
    const keys = ring();
    const [old, fresh] = [held(WRITE), held('fake-new-write-key-000')];
    keys.fill('write', { current: old });
    expect(keys.fill('write', { current: fresh })).toContain(old);
    keys.fill('write', { current: old });
    keys.forget(old);
    expect(sent(keys, 'write')).toBe(WRITE);
  });
});

test.each([
  ['missing', undefined, /read key of staging is missing/],
  ['empty', '  ', /is missing/],
  ['a placeholder', 'your-api-key-here', /placeholder/],
  ['one letter over and over', 'xxxxxxxxxxxxxxxx', /placeholder/],
  ['a token', 'eyJhbGciOiJub25lIn0.e30.', /is a token/],
  ['with a line break', 'fake-read\r\nX-Evil: 1', /printable ASCII/],
  ['padded', ' fake-read-9f8e7d6c5b4a', /white space/],
])('a key that is %s is refused by name and never quoted (F.57)', (_what, read, message) => {
  const make = () => createKeyRing({ environment: 'staging', read, write: WRITE, fingerprintSecret: 'fake' });
  expect(make).toThrow(KeyError);
  expect(make).toThrow(message);
  if (read?.trim()) expect(make).not.toThrow(new RegExp(read.slice(0, 8)));
});

test('an id names a key without revealing it, and inspection shows no key (F.58)', () => {
  const keys = ring();
  expect(idOf(keys, 'read')).toMatch(/^key_[0-9a-f]{16}$/);
  expect(idOf(keys, 'read')).not.toBe(idOf(keys, 'write'));
  const other = createKeyRing({ environment: 'staging', both: READ, fingerprintSecret: 'fake-other' });
  expect(idOf(other, 'read')).not.toBe(idOf(keys, 'read'));
  const key = picked(keys, 'write');
  key.setHeader({});
  const shown = [keys, key].map(
    (it) => `${inspect(it, { depth: 9, showHidden: true })}${JSON.stringify(it)}`,
  );
  expect(shown.join()).not.toMatch(/9f8e7d|1a2b3c/);
  expect(shown[1]).toBe(`${key.id}"${key.id}"`);
});

test('a header value that holds a key is noticed', () => {
  expect(ring().inHeaders(['ok', `prefix ${WRITE} suffix`])).toBe(true);
  expect(ring().inHeaders(['ok', WRITE.slice(1)])).toBe(false);
});

test('a body that holds a key is noticed however it is cut into chunks, and no byte of the key gets out', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.string(),
      fc.boolean(),
      fc.array(fc.nat(60), { maxLength: 12 }),
      (before, after, leak, cuts) => {
        const body = Buffer.from(before + (leak ? READ : READ.slice(0, -1)) + after);
        const scan = ring().scanBody();
        const passed: Buffer[] = [];
        let found = false;
        const edges = [...new Set([0, ...cuts.map((cut) => Math.min(cut, body.length)), body.length])].sort(
          (a, b) => a - b,
        );
        for (let i = 1; i < edges.length && !found; i++) {
          const result = scan.push(body.subarray(edges[i - 1], edges[i]));
          if (result === 'leak') found = true;
          else passed.push(result);
        }
        const out = Buffer.concat(passed);
        if (body.includes(READ)) {
          expect(found).toBe(true);
          expect(body.indexOf(READ)).toBeGreaterThanOrEqual(out.length);
        } else {
          expect(found).toBe(false);
          expect(Buffer.concat([out, scan.end()])).toEqual(body);
        }
      },
    ),
  );
});

test('a key is suspect from its refusal until the upstream takes it again, or for a minute', () => {
  let now = 0;
  const keys = createKeyRing({
    environment: 'staging',
    read: READ,
    write: WRITE,
    fingerprintSecret: 'fake',
    now: () => now,
  });
  const [read, write] = [picked(keys, 'read'), picked(keys, 'write')];
  keys.refused(write);
  expect(keys.suspects()).toEqual([write.id]);
  keys.accepted(read);
  expect(keys.suspects()).toEqual([write.id]);
  keys.accepted(write);
  expect(keys.suspects()).toEqual([]);
  keys.refused(read);
  now = 59_999;
  expect(keys.suspects()).toEqual([read.id]);
  now = 60_000;
  expect(keys.suspects()).toEqual([]);
});

test('a key that is too old serves no call once that is refused, and serves again when it is not', () => {
  const keys = ring();
  keys.refuseTooOld([idOf(keys, 'write')]);
  expect([keys.pick('write'), sent(keys, 'read')]).toEqual(['too-old', READ]);
  keys.refuseTooOld([]);
  expect(sent(keys, 'write')).toBe(WRITE);
});

test.each([
  [0, 'young'],
  [71, 'young'],
  [72, 'due'],
  [89, 'due'],
  [90, 'over'],
  [400, 'over'],
] as const)('of ninety days, %i are %s', (days, verdict) => {
  const since = new Date('2026-01-01T00:00:00Z');
  expect(ageOfKey(since, new Date(since.getTime() + days * 86_400_000), 90)).toEqual({ days, verdict });
});
