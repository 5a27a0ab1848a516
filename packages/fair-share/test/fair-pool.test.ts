import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Claim, FairPool } from '../src/index.ts';

const claim = (key: string, units = 1, isRevocable = false): Claim => ({
  key,
  units,
  isRevocable: () => isRevocable,
});

/** Claims one after another; how many were granted at once. */
function take(pool: FairPool<Claim>, key: string, count: number, revocable = false): readonly Claim[] {
  const granted: Claim[] = [];
  for (let i = 0; i < count; i++) {
    const one = claim(key, 1, revocable);
    if (pool.claim(one).granted) granted.push(one);
  }
  return granted;
}

describe('a pool of 100', () => {
  test('one caller alone may borrow what is idle, but not the last quarter', () => {
    const pool = new FairPool<Claim>(100);
    expect(take(pool, 'greedy', 200)).toHaveLength(75);
    expect(pool.standing('greedy')).toEqual({ held: 75, share: 50, waiting: 125 });
  });

  test('a caller that comes late has a share at once, out of the last quarter', () => {
    const pool = new FairPool<Claim>(100);
    take(pool, 'greedy', 200);
    expect(take(pool, 'late', 30)).toHaveLength(25);
  });

  test('what is given back goes to who holds least, not to who came first', () => {
    const pool = new FairPool<Claim>(100);
    const held = take(pool, 'greedy', 200);
    take(pool, 'late', 30);
    for (const one of held.slice(0, 5)) pool.release(one);
    expect(pool.grantWaiting().map(({ key }) => key)).toEqual(['late', 'late', 'late', 'late', 'late']);
  });

  test('two who want all come to the same, and a quarter stays for who comes', () => {
    const pool = new FairPool<Claim>(100);
    const first = [...take(pool, 'first', 200)];
    const second = [...take(pool, 'second', 200)];
    for (let round = 0; round < 500; round++) {
      const from = round % 2 === 0 ? first : second;
      const done = from.shift();
      if (done !== undefined) pool.release(done);
      for (const one of pool.grantWaiting()) (one.key === 'first' ? first : second).push(one);
      take(pool, 'first', 1);
      take(pool, 'second', 1);
    }
    expect(Math.abs(pool.standing('first').held - pool.standing('second').held)).toBeLessThanOrEqual(2);
    expect(pool.size - pool.held).toBeGreaterThanOrEqual(24);
  });

  test('who finds it full within its share gets the oldest that can be taken back from who holds most', () => {
    const pool = new FairPool<Claim>(100);
    const greedy = take(pool, 'greedy', 75, true);
    take(pool, 'other', 25, true);
    const late = claim('late');
    expect(pool.claim(late)).toEqual({ granted: true, revoked: [greedy[0]] });
    expect(pool.held).toBe(100);
  });

  test('nothing is taken back that may not be, nor for who is beyond its share', () => {
    const pool = new FairPool<Claim>(100);
    take(pool, 'greedy', 75);
    take(pool, 'other', 25, true);
    // Its 26th would leave it with more than the one it is taken from.
    expect(pool.claim(claim('other'))).toEqual({ granted: false, revoked: [] });
    expect(pool.claim(claim('late'))).toMatchObject({ granted: true });
    expect(pool.standing('greedy').held).toBe(75);
    expect(pool.standing('other').held).toBe(24);
  });

  test('with a key for every unit, one more gets the unit of the oldest', () => {
    const pool = new FairPool<Claim>(100);
    for (let i = 0; i < 100; i++) take(pool, `peer ${i}`, 1, true);
    expect(pool.held).toBe(100);
    const { granted, revoked } = pool.claim(claim('late'));
    expect(granted).toBe(true);
    expect(revoked.map(({ key }) => key)).toEqual(['peer 0']);
  });

  test('where it is asked for, the oldest of a key give way to its newest', () => {
    const pool = new FairPool<Claim>(100);
    const held = take(pool, 'address', 75, true);
    const newest = { ...claim('address', 2, true), replacesOwn: true };
    expect(pool.claim(newest)).toEqual({ granted: true, revoked: held.slice(0, 2) });
    expect(pool.standing('address').held).toBe(75);
    expect(pool.claim(claim('address', 1, true))).toEqual({ granted: false, revoked: [] });
  });

  test('a large claim waits for its room and is not overtaken for ever by small ones of who holds more', () => {
    const pool = new FairPool<Claim>(100);
    const small = take(pool, 'small', 75);
    const large = claim('large', 40);
    expect(pool.claim(large)).toMatchObject({ granted: false });
    expect(pool.claim(claim('small'))).toMatchObject({ granted: false });
    for (const one of small.slice(0, 14)) pool.release(one);
    expect(pool.grantWaiting()).toEqual([]);
    for (const one of small.slice(14, 15)) pool.release(one);
    expect(pool.grantWaiting()[0]).toBe(large);
  });

  test('a claim larger than the pool is granted in an empty one', () => {
    const pool = new FairPool<Claim>(100);
    const huge = claim('huge', 1000);
    expect(pool.claim(huge)).toMatchObject({ granted: true });
    expect(pool.held).toBe(100);
    pool.release(huge);
    expect(pool.held).toBe(0);
  });

  test('a key that only the last quarter bars does not keep others waiting', () => {
    const pool = new FairPool<Claim>(100);
    take(pool, 'greedy', 200);
    const [late] = take(pool, 'late', 25);
    const other = claim('other');
    expect(pool.claim(other)).toMatchObject({ granted: false });
    if (late !== undefined) pool.release(late);
    expect(pool.grantWaiting()).toEqual([other]);
  });
});

test('what a claim turns out not to need is for others at once', () => {
  const pool = new FairPool<Claim>(100);
  const large = claim('large', 60);
  pool.claim(large);
  const other = claim('other', 60);
  expect(pool.claim(other)).toMatchObject({ granted: false });
  pool.shrink(large, 10);
  expect(pool.grantWaiting()).toEqual([other]);
  expect(pool.standing('large').held).toBe(10);
  pool.shrink(large, 50);
  expect(pool.standing('large').held).toBe(10);
  pool.release(large);
  pool.release(large);
  expect(pool.held).toBe(60);
});

test('a pool of one serves one after another', () => {
  const pool = new FairPool<Claim>(1);
  const first = claim('a');
  expect(pool.claim(first)).toMatchObject({ granted: true });
  const second = claim('b');
  expect(pool.claim(second)).toMatchObject({ granted: false });
  pool.release(first);
  expect(pool.grantWaiting()).toEqual([second]);
});

test('whatever is claimed, granted, taken back and given back: the pool is never overdrawn, nothing is lost, nobody starves (H.62)', () => {
  const step = fc.record({
    key: fc.constantFrom('a', 'b', 'c', 'd'),
    units: fc.integer({ min: 1, max: 8 }),
    revocable: fc.boolean(),
    replacesOwn: fc.boolean(),
    act: fc.constantFrom('claim', 'claim', 'release', 'withdraw'),
    pick: fc.nat(),
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(step, { maxLength: 120 }), (size, steps) => {
      const pool = new FairPool<Claim>(size);
      const held: Claim[] = [];
      const waiting: Claim[] = [];
      const settle = () => {
        for (const one of pool.grantWaiting()) {
          waiting.splice(waiting.indexOf(one), 1);
          held.push(one);
        }
      };
      const check = () => {
        const units = held.reduce((sum, one) => sum + Math.min(size, one.units), 0);
        expect(pool.held).toBe(units);
        expect(units).toBeLessThanOrEqual(size);
        expect(pool.waiting).toBe(waiting.length);
        // Work-conserving for who holds nothing: with the pool empty nobody waits.
        if (held.length === 0) expect(waiting).toEqual([]);
      };
      for (const { key, units, revocable, replacesOwn, act, pick } of steps) {
        if (act === 'claim') {
          const one = { ...claim(key, units, revocable), replacesOwn };
          const { granted, revoked } = pool.claim(one);
          for (const lost of revoked) {
            expect(lost.isRevocable?.()).toBe(true);
            held.splice(held.indexOf(lost), 1);
          }
          (granted ? held : waiting).push(one);
        } else {
          const from = act === 'release' ? held : waiting;
          const [one] = from.splice(pick % Math.max(1, from.length), 1);
          if (one !== undefined) pool.release(one);
        }
        settle();
        check();
      }
      // Everybody who still waits is served in the end.
      while (held.length > 0) {
        const one = held.shift();
        if (one !== undefined) pool.release(one);
        settle();
        check();
      }
      expect(waiting).toEqual([]);
      expect(pool.keys).toBe(0);
    }),
    { numRuns: 500 },
  );
});
