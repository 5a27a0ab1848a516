import type { StoredKey } from '@ideogate/upstream-keys';
import { expect, test } from 'vitest';
import type { Finding } from '../src/doctor/finding.ts';
import { keyAges } from '../src/doctor/key-ages.ts';
import { keyEnvironments } from '../src/doctor/key-environments.ts';
import { keySlots } from '../src/doctor/key-slots.ts';
import type { Surroundings } from '../src/doctor/surroundings.ts';

/** Keys that come from the sealed store, which doctor cannot open: it goes by what the store tells of them. */
const DAY_MS = 86_400_000;
const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS);

function stored(id: string, slot: StoredKey['slot'], state: StoredKey['state'], days = 0): StoredKey {
  return { id, slot, state, share: 0, addedAt: daysAgo(days), since: daysAgo(days), idleAt: null };
}

const READ = stored('key_000000000000000a', 'read', 'active');
const WRITE = stored('key_000000000000000b', 'write', 'active');

type Check = (surroundings: Surroundings) => Promise<readonly Finding[]>;

test.each<[what: string, check: Check, keys: StoredKey[], status: string, evidence: RegExp]>([
  ['a key for each slot', keySlots, [READ, WRITE], 'ok', /has key_0+a for reading and key_0+b for writing/],
  [
    'no key to write with',
    keySlots,
    [READ, { ...WRITE, state: 'pending' }],
    'fault',
    /the write slot .* no active key/,
  ],
  [
    'one key in both slots',
    keySlots,
    [READ, { ...WRITE, id: READ.id }],
    'warning',
    /one key, key_0+a, is active in both/,
  ],
  ['a young key', keyAges, [READ], 'ok', /read key key_0+a is 0 days old, of at most 90/],
  ['a key that is due', keyAges, [stored('key_c', 'read', 'active', 73)], 'warning', /is 73 days old/],
  [
    'a key that is over',
    keyAges,
    [stored('key_c', 'read', 'active', 91)],
    'fault',
    /is 91 days old.*; calls with it are refused/,
  ],
  ['a rotation under way', keyAges, [READ, stored('key_c', 'read', 'verified', 0.5)], 'ok', /0 days old/],
  [
    'a forgotten rotation',
    keyAges,
    [stored('key_c', 'read', 'verified', 2)],
    'warning',
    /stands still: key_c is verified since/,
  ],
  [
    'a key of production',
    keyEnvironments,
    [READ, { ...WRITE, id: 'key_00000000000000ff' }],
    'fault',
    /the write key key_0+ff of staging is also a key of production/,
  ],
  [
    'a revoked key that production has now',
    keyEnvironments,
    [READ, { ...WRITE, id: 'key_00000000000000ff', state: 'revoked' }],
    'ok',
    /1 of --known/,
  ],
])('with %s in the store', async (_, check, keys, status, evidence) => {
  const policy = { keys: { maxAgeDays: 90, atMaxAge: 'refuse' } };
  const surroundings = {
    data: '/nowhere',
    ready: { environment: 'staging' },
    configuredKeys: () => [],
    config: {
      environment: 'staging',
      upstream: { kind: 'sealed' },
      release: { environments: new Map([['staging', policy]]) },
    },
    knownElsewhere: [
      { id: 'key_00000000000000ff', environment: 'production' },
      { id: READ.id, environment: 'staging' },
    ],
    storedKeys: async () => keys,
  } as unknown as Surroundings; // as: all that these checks look at
  expect(await check(surroundings)).toContainEqual({
    status,
    evidence: expect.stringMatching(evidence),
    mend: status === 'ok' ? null : expect.stringContaining('ideogate keys rotate'),
  });
});
