import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test, vi } from 'vitest';
import {
  type KeyChange,
  KeyError,
  type KeyRing,
  openKeyStore,
  StoreError,
  type StoredKey,
} from '../src/index.ts';
import { startStore, type StoreUnderTest } from './store-under-test.ts';

const OLD = 'fake-old-key-MARKED-1111';
const NEW = 'fake-new-key-MARKED-2222';

async function sql<R extends Record<string, unknown>>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<R[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<R>(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** A key that the ring has left, that the store wants back, and that comes back to the gateway together with a read key. */
async function leavesAndIsWantedAgain(
  it: StoreUnderTest,
  ring: KeyRing,
  changes: readonly KeyChange[],
): Promise<{ fresh: string; left: number }> {
  const fresh = await it.serve('write', NEW);
  await vi.waitUntil(() => ring.ids('write')[0] === fresh, { timeout: 2000 });
  const refused = ring.pick('write');
  if (typeof refused !== 'string') ring.refused(refused);
  // The store knows of it, and the ring was filled with what it says since.
  await vi.waitUntil(
    () => changes.at(-1)?.what === 'followed' && changes.some(({ what }) => what === 'refused'),
    { timeout: 2000 },
  );
  const left = Date.now();
  await noLogin(it);
  await it.moveOn('write', fresh);
  await it.serve('read', 'fake-read-key-MARKED-3333');
  await sql(it.database.url, `ALTER ROLE "${it.database.name}_open" LOGIN`);
  return { fresh, left };
}

/** Nobody follows any more, until the login may log in again. */
async function noLogin({ database }: StoreUnderTest): Promise<void> {
  await sql(database.url, `ALTER ROLE "${database.name}_open" NOLOGIN`);
  await sql(
    database.url,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ideogate-keys-open' AND datname = current_database()`,
  );
}

describe('the logins of keys and of the record know nothing of each other (F.58, F.60):', () => {
  let it: StoreUnderTest;
  beforeAll(async () => {
    it = await startStore();
    await it.put('write', OLD);
  });
  afterAll(() => it.close());

  test.each<[keyof StoreUnderTest['urls'], string]>([
    ['put', 'SELECT sealed FROM ideogate_keys.upstream_key'],
    ['put', 'SELECT * FROM ideogate_keys.take_check()'],
    ['put', `SELECT ideogate_keys.answer_check(1, 'accepted', '')`],
    ['put', `UPDATE ideogate_keys.upstream_key SET state = 'active'`],
    ['put', `INSERT INTO ideogate_keys.upstream_key (id, slot) VALUES ('key_0123456789abcdef', 'read')`],
    ['put', 'DELETE FROM ideogate_keys.history'],
    ['put', `SELECT ideogate_keys.set_state('', 'write', '', 'active', 0, '', '')`],
    ['put', 'SELECT FROM ideogate.audit_event'],
    ['open', 'SELECT FROM ideogate.audit_event'],
    ['open', 'DELETE FROM ideogate_keys.upstream_key'],
    ['open', `SELECT ideogate_keys.put_key('staging', 'key_0123456789abcdef', 'read', '\\x00', '')`],
    ['open', `SELECT ideogate_keys.step('', 'write', '', '', 0, '', '')`],
    ['append', 'SELECT FROM ideogate_keys.upstream_key'],
    ['read', 'SELECT FROM ideogate_keys.upstream_key'],
    ['read', 'SELECT FROM ideogate_keys.history'],
  ])('%s may not %s', async (login, statement) => {
    await expect(sql(it.urls[login], statement)).rejects.toThrow(/permission denied/);
  });

  test('the history is only added to, even by its owner', async () => {
    for (const statement of [
      'UPDATE ideogate_keys.history SET who = $$x$$',
      'DELETE FROM ideogate_keys.history',
      'TRUNCATE ideogate_keys.history',
    ])
      await expect(sql(it.database.url, statement)).rejects.toThrow(/only added to/);
  });
});

describe('a key moves on one step at a time', () => {
  let it: StoreUnderTest;
  beforeEach(async () => {
    it = await startStore();
  });
  afterEach(() => it.close());

  const named = async (id: string): Promise<StoredKey> => {
    const key = (await it.store.list()).find((each) => each.id === id);
    if (key === undefined) throw new Error(`no ${id}`);
    return key;
  };
  const states = async () => Object.fromEntries((await it.store.list()).map(({ id, state }) => [id, state]));

  test('pending, verified, active, draining, idle, revoked; each step has its line of history, with who', async () => {
    const old = await it.serve('write', OLD);
    const fresh = await it.serve('write', NEW);
    expect(await states()).toEqual({ [old]: 'draining', [fresh]: 'active' });
    await expect(it.store.step(await named(old), 'revoked', 'x')).rejects.toThrow(/not known to be idle/);
    await it.store.step(await named(old), 'draining', 'x');
    await expect(it.store.step(await named(old), 'active', 'x')).rejects.toThrow(
      /no gateway goes back to it/,
    );
    await it.store.step(await named(old), 'revoked', 'the last one');
    expect(await states()).toEqual({ [old]: 'revoked', [fresh]: 'active' });
    const history = await sql<{ line: string }>(
      it.database.url,
      `SELECT concat_ws(' ', id, coalesce(was, 'new'), became, who) AS line FROM ideogate_keys.history ORDER BY n`,
    );
    expect(history.map(({ line }) => line)).toEqual([
      `${old} new pending a test`,
      `${old} pending verified a test`,
      `${old} verified active a test`,
      `${fresh} new pending a test`,
      `${fresh} pending verified a test`,
      `${old} active draining a test`,
      `${fresh} verified active a test`,
      `${old} draining draining x`,
      `${old} draining revoked the last one`,
    ]);
    expect(
      await sql(it.database.url, 'SELECT sealed FROM ideogate_keys.upstream_key WHERE id = $1', [old]),
    ).toEqual([{ sealed: null }]);
  });

  test('no other step is taken', async () => {
    const id = await it.put('write', OLD);
    for (const to of ['active', 'draining', 'pending'] as const)
      await expect(it.store.step(await named(id), to, 'x')).rejects.toThrow(/no such step/);
    await it.serve('read', NEW);
    const active = (await it.store.list()).find(({ state }) => state === 'active');
    for (const to of ['revoked', 'draining', 'verified'] as const)
      if (active !== undefined) await expect(it.store.step(active, to, 'x')).rejects.toThrow(/no such step/);
  });

  test('a third key in a slot, and one that is known already, is refused; the other slot is free (F.57)', async () => {
    await it.serve('write', OLD);
    await it.put('write', NEW);
    await expect(it.put('write', 'fake-third-key-MARKED-3')).rejects.toThrow(/on its way in or out/);
    await expect(it.put('write', OLD)).rejects.toThrow(/in the slot already/);
    await it.put('read', 'fake-third-key-MARKED-3');
  });

  test('a store of another environment takes no key (F.57)', async () => {
    const binding = { environment: 'production', slot: 'read', id: 'key_0123456789abcdef' } as const;
    await expect(it.store.put(binding, Buffer.from('x'), 'x')).rejects.toThrow(/another environment/);
  });

  test('of two who take the same step at once one does, and the other is told: never two active keys', async () => {
    await it.serve('write', OLD);
    const id = await it.put('write', NEW);
    await sql(
      it.database.url,
      `SELECT ideogate_keys.answer_check(ideogate_keys.ask_check($1, 'write', 'x'), 'accepted', '')`,
      [id],
    );
    const seen = await named(id);
    const stores = await Promise.all(Array.from({ length: 8 }, () => openKeyStore(it.urls.put)));
    const ended = await Promise.allSettled(stores.map((store) => store.step(seen, 'active', 'x')));
    await Promise.all(stores.map((store) => store.end()));
    expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const end of ended) if (end.status === 'rejected') expect(end.reason).toBeInstanceOf(StoreError);
    expect(Object.values(await states()).toSorted()).toEqual(['active', 'draining']);
  });
});

describe('a gateway that follows the store', () => {
  let it: StoreUnderTest;
  beforeEach(async () => {
    it = await startStore();
  });
  afterEach(() => it.close());

  test('has each change within a second, and its old key for those who picked it', async () => {
    const old = await it.serve('write', OLD);
    const { ring, changes } = await it.follow();
    expect([ring.ids('write'), ring.missing()]).toEqual([[old], ['read']]);
    const fresh = await it.serve('write', NEW);
    await vi.waitUntil(() => ring.ids('write')[0] === fresh, { timeout: 1000, interval: 5 });
    expect(ring.inHeaders([OLD])).toBe(true);
    expect(changes.filter(({ what }) => what !== 'followed')).toEqual([]);
    const following = await vi.waitUntil(
      async () => (await it.store.gateways()).find(({ followed }) => followed >= 6),
      { timeout: 2000 },
    );
    expect(following.instance).toBe('test 0');
  });

  test('tries a key when asked: one that Ideogram takes is verified, one that it refuses stays pending', async () => {
    let answer: 'accepted' | 'refused' = 'refused';
    await it.follow({ check: async () => ({ answer, detail: 'GET /models' }) });
    const id = await it.put('write', NEW);
    expect(await it.store.check({ id, slot: 'write' }, 'x', 5000)).toEqual({
      answer: 'refused',
      detail: 'GET /models',
    });
    expect((await it.store.list())[0]?.state).toBe('pending');
    answer = 'accepted';
    await it.store.check({ id, slot: 'write' }, 'x', 5000);
    expect((await it.store.list())[0]?.state).toBe('verified');
  });

  test('goes back when the new key is refused, and so do all others, within a second; one of them moves the store (F.59)', async () => {
    const old = await it.serve('write', OLD);
    const [one, two] = [await it.follow(), await it.follow()];
    const fresh = await it.serve('write', NEW);
    for (const { ring } of [one, two])
      await vi.waitUntil(() => ring.ids('write')[0] === fresh, { timeout: 1000 });
    const key = one.ring.pick('write');
    if (typeof key !== 'string') one.ring.refused(key);
    expect(one.ring.ids('write')).toEqual([old]);
    await vi.waitUntil(() => two.ring.ids('write')[0] === old, { timeout: 1000, interval: 5 });
    const told = [...one.changes, ...two.changes].filter(({ what }) => what === 'refused');
    expect(told).toEqual([{ what: 'refused', wentBack: true, slot: 'write', id: fresh, instead: old }]);
    const states = (await it.store.list()).map(({ id, state }) => [id, state]);
    expect(new Map(states as [string, string][])).toEqual(
      new Map([
        [old, 'active'],
        [fresh, 'pending'],
      ]),
    );
  });

  test('has a key back that it was about to destroy, though that falls due while it opens another (F.59)', async () => {
    const CALLS_MS = 3000;
    await it.serve('write', OLD);
    const gate = Promise.withResolvers<void>();
    let opening = false;
    const { ring, changes } = await it.follow({
      callsEndWithinMs: CALLS_MS,
      opener: {
        async open(sealed, binding) {
          opening ||= binding.slot === 'read';
          if (binding.slot === 'read') await gate.promise;
          return it.identity.open(sealed, binding);
        },
      },
    });
    const { fresh, left } = await leavesAndIsWantedAgain(it, ring, changes);
    await vi.waitUntil(() => opening, { timeout: 5000 });
    await vi.waitUntil(() => Date.now() - left > CALLS_MS + 200, { timeout: 5000 });
    gate.resolve();
    await vi.waitUntil(() => ring.ids('write')[0] === fresh, { timeout: 2000 });
    const fields: Record<string, string> = {};
    const key = ring.pick('write');
    if (typeof key !== 'string') key.setHeader(fields);
    expect(fields).toEqual({ 'api-key': NEW });
  });

  test('destroys a key that left when its calls are over, though another keeps it from being filled anew (F.59)', async () => {
    const CALLS_MS = 2000;
    await it.serve('write', OLD);
    const destroyed: string[] = [];
    const { ring, changes, faults } = await it.follow({
      callsEndWithinMs: CALLS_MS,
      opener: {
        async open(sealed, binding) {
          if (binding.slot === 'read') throw new Error('a read key that nobody can open');
          return it.identity.open(sealed, binding);
        },
      },
    });
    ring.forget = ({ id }) => void destroyed.push(id);
    const { fresh, left } = await leavesAndIsWantedAgain(it, ring, changes);
    await vi.waitUntil(() => faults.some((fault) => fault instanceof KeyError), { timeout: 5000 });
    expect(Date.now() - left).toBeLessThan(CALLS_MS);
    await vi.waitUntil(() => destroyed.length > 0, { timeout: CALLS_MS + 2000 });
    expect(destroyed[0]).toBe(fresh);
  });

  test('goes back to no key that is idle: it may be revoked at Ideogram already', async () => {
    const old = await it.serve('write', OLD);
    const fresh = await it.serve('write', NEW);
    const draining = (await it.store.list()).find(({ id }) => id === old);
    if (draining !== undefined) await it.store.step(draining, 'draining', 'x');
    const { ring, changes } = await it.follow();
    const key = ring.pick('write');
    if (typeof key !== 'string') ring.refused(key);
    expect(ring.ids('write')).toEqual([fresh]);
    expect(changes.at(-1)).toMatchObject({ what: 'refused', instead: null });
    expect(
      await sql(it.urls.open, `SELECT ideogate_keys.go_back($1, 'write', 'x') AS back`, [fresh]),
    ).toEqual([{ back: false }]);
  });

  test('goes on with its keys while the database is away, and follows again when it is back', async () => {
    const old = await it.serve('write', OLD);
    const { ring, faults } = await it.follow();
    await noLogin(it);
    await vi.waitUntil(() => faults.length > 0, { timeout: 5000 });
    expect(ring.ids('write')).toEqual([old]);
    const fresh = await it.serve('write', NEW);
    await sql(it.database.url, `ALTER ROLE "${it.database.name}_open" LOGIN`);
    await vi.waitUntil(() => ring.ids('write')[0] === fresh, { timeout: 5000 });
    await vi.waitUntil(() => faults.at(-1) === null, { timeout: 5000 });
  });

  test('does not start on a key that it cannot open, and keeps its keys when one comes later', async () => {
    const old = await it.serve('write', OLD);
    const { ring, faults } = await it.follow();
    const id = await it.serve('read', NEW);
    await vi.waitUntil(() => ring.ids('read')[0] === id, { timeout: 2000 });
    // A row that somebody moved: the write key, sealed for its slot, under the name of a new one.
    await sql(
      it.database.url,
      `UPDATE ideogate_keys.upstream_key SET id = 'key_0123456789abcdef' WHERE id = $1`,
      [id],
    );
    await sql(
      it.database.url,
      `SELECT ideogate_keys.tell('key_0123456789abcdef', 'read', 'active', 'active', 0, 'x', 'x')`,
    );
    await vi.waitUntil(() => faults.length > 0, { timeout: 2000 });
    expect(String(faults[0])).toMatch(/another place/);
    expect([ring.ids('read'), ring.ids('write')]).toEqual([[id], [old]]);
    await expect(it.follow()).rejects.toThrow(/another place/);
  });
});
