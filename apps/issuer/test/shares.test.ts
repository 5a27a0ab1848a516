import { describe, expect, test } from 'vitest';
import { AUTHENTICATION_FAULTS, FailureSums } from '../src/index.ts';
import { FailureRows } from '../src/failures.ts';
import { BackOff, Pace, RateLimit } from '../src/rates.ts';
import { type Turn, Turns } from '../src/turns.ts';

const HOUR_MS = 3_600_000;

describe('a rate', () => {
  test('gives all of a minute at once, then as much as has come back', () => {
    let now = 0;
    const rate = new RateLimit(60, () => now);
    for (let i = 0; i < 60; i++) expect(rate.take('a')).toBeNull();
    expect(rate.take('a')).toBe(1000);
    now = 400;
    expect(rate.take('a')).toBeCloseTo(600);
    now = 1000;
    expect(rate.take('a')).toBeNull();
    expect(rate.take('a')).toBe(1000);
    expect(rate.take('b')).toBeNull();
    now = 10 * 60_000;
    for (let i = 0; i < 60; i++) expect(rate.take('a')).toBeNull();
    expect(rate.take('a')).not.toBeNull();
  });

  test('remembers those that were last seen, however many have come', () => {
    const rate = new RateLimit(1, () => 0);
    for (let i = 0; i < 50_000; i++) rate.take(`address ${i}`);
    expect(rate.take('address 49999')).not.toBeNull();
    expect(rate.take('address 0')).toBeNull();
  });
});

describe('a back-off', () => {
  test('begins with the fifth failure at a second, and doubles up to a minute', () => {
    let now = 0;
    const backOff = new BackOff(() => now);
    for (let i = 0; i < 5; i++) expect(backOff.failed('a')).toBeNull();
    const waits: (number | null)[] = [];
    for (let i = 0; i < 9; i++) {
      const wait = backOff.failed('a');
      waits.push(wait);
      now += wait ?? 0;
      expect(backOff.failed('a')).toBeNull();
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  test('is not made longer by who asks while it lasts, and is forgiven after ten minutes', () => {
    let now = 0;
    const backOff = new BackOff(() => now);
    for (let i = 0; i < 1000; i++) backOff.failed('a');
    expect(backOff.failed('a')).toBe(1000);
    now = 1000 + 600_001;
    for (let i = 0; i < 5; i++) expect(backOff.failed('a')).toBeNull();
    expect(backOff.failed('a')).toBe(1000);
  });
});

test('a pace lets a few through at once, and the rest one by one, each key by itself', () => {
  let now = 0;
  const pace = new Pace(100, () => now);
  const waits = Array.from({ length: 24 }, () => pace.take('a'));
  expect(waits).toEqual([...Array<number>(21).fill(0), 10, 20, 30]);
  expect(pace.take('b')).toBe(0);
  now = 1000;
  expect(pace.take('a')).toBe(0);
});

describe('turns', () => {
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  test('go to each client alike, and not to who came first', async () => {
    const turns = new Turns();
    const order: string[] = [];
    const held: Turn[] = [];
    const take = (client: string) =>
      void turns.take(client).then((turn) => {
        order.push(client);
        held.push(turn);
      });
    for (let i = 0; i < 40; i++) take('greedy');
    await settled();
    const before = order.length;
    expect(before).toBeLessThan(16);
    for (let i = 0; i < 3; i++) take('other');
    await settled();
    // A place was kept for it, although forty were there before.
    expect(order.slice(before)).toEqual(['other', 'other', 'other']);
    for (const turn of held.splice(0)) if (turn.ok) turn.done();
    await settled();
    expect(turns.inFlight).toBeLessThan(40);
    while (held.length > 0) {
      for (const turn of held.splice(0)) if (turn.ok) turn.done();
      await settled();
    }
    expect(order.filter((client) => client === 'greedy')).toHaveLength(40);
    expect(turns.inFlight).toBe(0);
  });

  test('of one client may be waited for by so many; another is still given one', async () => {
    const turns = new Turns();
    const asked = Array.from({ length: 600 }, () => turns.take('greedy'));
    await settled();
    expect(await Promise.race(asked.slice(-1))).toEqual({ ok: false, reason: 'client-waiting' });
    expect(await turns.take('other')).toMatchObject({ ok: true });
  });

  test('are waited for two seconds', async () => {
    const turns = new Turns();
    const asked = Array.from({ length: 30 }, () => turns.take('slow'));
    const began = performance.now();
    expect(await asked.at(-1)).toEqual({ ok: false, reason: 'overloaded' });
    expect(performance.now() - began).toBeGreaterThan(1900);
  });
});

describe('failures on record', () => {
  const failure = { reason: 'wrong-secret', clientId: 'writer', address: '192.0.2.1' } as const;

  const floods: readonly [
    what: string,
    count: number,
    of: (i: number) => object,
    rows: number,
    sums: number,
  ][] = [
    ['one address and one client: ten rows', 1000, () => ({}), 10, 1],
    ['many addresses: as many rows as there are for all', 1000, (i) => ({ address: `192.0.2.${i}` }), 100, 1],
    ['two clients: each has rows and a sum', 1000, (i) => ({ clientId: `c${i % 2}` }), 20, 2],
    ['a few: each has its row', 9, () => ({}), 9, 0],
    [
      'more clients than sums: the rest in one',
      9000,
      (i) => ({ clientId: `c${i % 300}`, address: 'x' }),
      100,
      65,
    ],
  ];
  test.each(floods)('%s, and together they are exact (H.64)', (_, count, of, rows, sums) => {
    const kept = new FailureRows(100, () => 1000);
    let seen = 0;
    for (let i = 0; i < count; i++) if (kept.add({ ...failure, ...of(i) }) !== null) seen++;
    const summed = kept.sums.take();
    expect(seen).toBe(rows);
    expect(summed).toHaveLength(sums);
    expect(summed.reduce((sum, { count: of }) => sum + of, seen)).toBe(count);
    expect(kept.sums.take()).toEqual([]);
  });

  test('an hour later there are rows again', () => {
    let now = 0;
    const kept = new FailureRows(3, () => now);
    const rows = () =>
      Array.from({ length: 5 }, () => kept.add(failure)).filter((row) => row !== null).length;
    expect(rows()).toBe(3);
    now = HOUR_MS - 1;
    expect(rows()).toBe(0);
    now = HOUR_MS;
    expect(rows()).toBe(3);
  });

  test('sums added to sums keep counts and the first and the last moment', () => {
    const sums = new FailureSums();
    const [reason] = AUTHENTICATION_FAULTS;
    sums.add({ reason, clientId: null, count: 2, fromMs: 10, toMs: 20 });
    sums.add({ reason, clientId: null, count: 3, fromMs: 5, toMs: 15 });
    sums.add({ reason, clientId: 'a', count: 1, fromMs: 7, toMs: 7 });
    expect(sums.take()).toEqual([
      { reason, clientId: null, count: 5, fromMs: 5, toMs: 20 },
      { reason, clientId: 'a', count: 1, fromMs: 7, toMs: 7 },
    ]);
  });
});
