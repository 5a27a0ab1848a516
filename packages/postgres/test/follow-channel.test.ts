import { createDatabase, type Relay, relayTo, type TestDatabase } from '@ideogate/testkit';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type ChannelFollower,
  followChannel,
  type Session,
  SHORT_TIMEOUTS,
  type SessionTimeouts,
  withSession,
} from '../src/index.ts';

const TIMEOUTS: SessionTimeouts = { connectMs: 500, statementMs: 500, graceMs: 200 };
/** So long that only a notification can have been what woke it. */
const NEVER_MS = 600_000;

let database: TestDatabase;
let relay: Relay;
let url: string;
const followers: ChannelFollower[] = [];

beforeEach(async () => {
  database = await createDatabase();
  await sql('CREATE TABLE news (n serial)');
  ({ relay, url } = await relayTo(database.url));
});
afterEach(async () => {
  await Promise.all(followers.splice(0).map((one) => one.stop()));
  await relay.close();
  await database.drop();
});

function sql(...statements: readonly string[]): Promise<void> {
  return withSession(database.url, 'ideogate-test', SHORT_TIMEOUTS, async (session) => {
    for (const text of statements) await session.query({ text });
  });
}

const ADD = 'INSERT INTO news DEFAULT VALUES';
const NOTIFY = `NOTIFY "News of today"`;

async function newest(session: Session): Promise<number> {
  const [row] = await session.rows<{ n: number }>('SELECT count(*)::int AS n FROM news');
  return row?.n ?? 0;
}

/** Follows the table `news`: how many rows each read found, and what failed. */
async function follow(pollMs: number, read?: (session: Session) => Promise<void>) {
  const seen: number[] = [];
  const faults: unknown[] = [];
  const follower = await followChannel({
    url,
    name: 'ideogate-test-follower',
    channel: 'News of today',
    timeouts: TIMEOUTS,
    pollMs,
    retryMs: 20,
    async read(session) {
      await read?.(session);
      seen.push(await newest(session));
    },
    onFault: (fault) => void faults.push(fault),
  });
  followers.push(follower);
  return { seen, faults, follower };
}

test('what is there is read before it returns, and what comes is read at once when notified', async () => {
  await sql(ADD);
  const { seen, faults } = await follow(NEVER_MS);
  expect(seen[0]).toBe(1);
  await sql(ADD, NOTIFY);
  await vi.waitUntil(() => seen.at(-1) === 2, { timeout: 5_000, interval: 1 });
  expect(faults).toEqual([]);
});

test('a notification during a read is heeded: another read follows it at once', async () => {
  const gate = Promise.withResolvers<void>();
  let reads = 0;
  const { seen } = await follow(NEVER_MS, async (session) => {
    reads += 1;
    if (reads < 2) return;
    // This read has seen all it will see, and is held up; the session hears of the notification with its next answer.
    if (reads === 2) await gate.promise;
    await session.rows('SELECT');
  });
  await vi.waitUntil(() => reads === 2, { timeout: 5_000 });
  await sql(NOTIFY);
  gate.resolve();
  await vi.waitFor(() => expect(seen).toHaveLength(3), 5_000);
});

test('what nobody notified of is found by polling', async () => {
  const { seen } = await follow(30);
  await sql(ADD);
  await vi.waitFor(() => expect(seen.at(-1)).toBe(1), 5_000);
});

test('after its connection was cut it catches up by polling, and is notified again from then on', async () => {
  const { seen, faults } = await follow(3_000);
  relay.cut();
  await sql(ADD, NOTIFY);
  await vi.waitUntil(() => faults.length > 0, { timeout: 20_000 });
  expect(seen.at(-1)).toBe(0);
  relay.restore();
  await vi.waitUntil(() => seen.at(-1) === 1, { timeout: 20_000, interval: 5 });
  expect(faults.at(-1)).toBeNull();
  const began = performance.now();
  await sql(ADD, NOTIFY);
  await vi.waitUntil(() => seen.at(-1) === 2, { timeout: 20_000, interval: 5 });
  // The next poll is three seconds away from the last.
  expect(performance.now() - began).toBeLessThan(2_500);
});

test('a connection that is silent is given up, and another opened', async () => {
  const { seen, faults } = await follow(50);
  relay.freeze();
  await vi.waitUntil(() => faults.length > 0, { timeout: 10_000 });
  relay.restore();
  await sql(ADD);
  await vi.waitFor(() => expect(seen.at(-1)).toBe(1), 10_000);
});

test('is told of each way in which reading fails once, and once that it works again', async () => {
  let fault: string | null = null;
  let reads = 0;
  const { faults } = await follow(10, async () => {
    reads += 1;
    if (fault !== null) throw new Error(fault);
  });
  const meanwhile = async (next: string | null) => {
    fault = next;
    const since = reads;
    await vi.waitUntil(() => reads > since + 3, { timeout: 10_000 });
  };
  for (const next of ['one way', 'another', null, 'one way', null]) await meanwhile(next);
  expect(faults.map((one) => (one instanceof Error ? one.message : one))).toEqual([
    'one way',
    'another',
    null,
    'one way',
    null,
  ]);
});

test('does not start where the first read fails, and leaves no connection behind', async () => {
  await expect(
    follow(NEVER_MS, async () => {
      throw new Error('not a word of it is understood');
    }),
  ).rejects.toThrow('not a word of it is understood');
  const left = () =>
    withSession(database.url, 'ideogate-test', SHORT_TIMEOUTS, (session) =>
      session.rows(
        `SELECT FROM pg_stat_activity WHERE application_name = 'ideogate-test-follower' AND datname = current_database()`,
      ),
    );
  await vi.waitUntil(async () => (await left()).length === 0, { timeout: 5_000 });
});

describe('told to stop', () => {
  test('it ends after the read under way, says its goodbye, and reads no more', async () => {
    const gate = Promise.withResolvers<void>();
    let reads = 0;
    const { seen, follower } = await follow(NEVER_MS, async () => {
      reads += 1;
      if (reads === 2) await gate.promise;
    });
    follower.wake();
    await vi.waitUntil(() => reads === 2, { timeout: 5_000 });
    const order: string[] = [];
    const stopped = follower
      .stop(async (session) => {
        order.push(`leaves after ${seen.length} reads`);
        await session.query({ text: ADD });
      })
      .then(() => order.push('stopped'));
    gate.resolve();
    await stopped;
    expect(order).toEqual(['leaves after 2 reads', 'stopped']);
    await sql(NOTIFY);
    expect(reads).toBe(2);
  });

  test('with the database away it ends all the same', async () => {
    const { faults, follower } = await follow(20);
    relay.cut();
    await vi.waitUntil(() => faults.length > 0, { timeout: 10_000 });
    const leave = vi.fn();
    await follower.stop(leave);
    expect(leave).not.toHaveBeenCalled();
  });
});
