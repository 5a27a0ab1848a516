import { inspect } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createKeyRing, KeyError } from '../src/index.ts';

const READ = 'fake-read-9f8e7d6c5b4a';
const WRITE = 'fake-write-1a2b3c4d5e6f';
const ring = () =>
  createKeyRing({ environment: 'staging', read: READ, write: WRITE, fingerprintSecret: 'fake-installation' });

test('a read operation carries the read key, a write operation the write key, and an open one none', () => {
  const keys = ring();
  const sent = (['read', 'write', 'none'] as const).map((capability) => {
    const headers: Record<string, string> = {};
    keys.setHeader(capability, headers);
    return headers;
  });
  expect(sent).toEqual([{ 'api-key': READ }, { 'api-key': WRITE }, {}]);
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
  expect(keys.id('read')).toMatch(/^key_[0-9a-f]{16}$/);
  expect(keys.id('read')).not.toBe(keys.id('write'));
  const other = createKeyRing({ environment: 'staging', both: READ, fingerprintSecret: 'fake-other' });
  expect(other.id('read')).not.toBe(keys.id('read'));
  expect(`${inspect(keys, { depth: 9, showHidden: true })}${JSON.stringify(keys)}`).not.toMatch(
    /9f8e7d|1a2b3c/,
  );
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
  keys.markSuspect('write');
  keys.markSuspect('none');
  expect(keys.suspects()).toEqual([keys.id('write')]);
  keys.markAccepted('read');
  expect(keys.suspects()).toEqual([keys.id('write')]);
  keys.markAccepted('write');
  expect(keys.suspects()).toEqual([]);
  keys.markSuspect('read');
  now = 59_999;
  expect(keys.suspects()).toEqual([keys.id('read')]);
  now = 60_000;
  expect(keys.suspects()).toEqual([]);
});
