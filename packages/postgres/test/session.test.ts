import { createDatabase, type Relay, relayTo, type TestDatabase } from '@ideogate/testkit';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  inTransaction,
  openSession,
  type Session,
  type SessionTimeouts,
  sqlState,
  withSession,
} from '../src/index.ts';

const TIMEOUTS: SessionTimeouts = { connectMs: 500, statementMs: 400, graceMs: 200 };

let database: TestDatabase;
let relay: Relay;
let url: string;
const sessions: Session[] = [];

beforeEach(async () => {
  database = await createDatabase();
  ({ relay, url } = await relayTo(database.url));
});
afterEach(async () => {
  for (const session of sessions.splice(0)) session.destroy();
  await relay.close();
  await database.drop();
});

async function opened(onLost?: () => void): Promise<Session> {
  const session = await openSession(url, 'ideogate-test', TIMEOUTS, onLost);
  sessions.push(session);
  return session;
}

/** What it failed of, and after how many milliseconds. */
async function failure(work: Promise<unknown>): Promise<{ error: unknown; afterMs: number }> {
  const began = performance.now();
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, afterMs: performance.now() - began };
}

describe('on a network that went silent', () => {
  test('a connection is given up after its time', async () => {
    relay.freeze();
    const { error, afterMs } = await failure(openSession(url, 'ideogate-test', TIMEOUTS));
    expect(error).toBeInstanceOf(Error);
    expect(afterMs).toBeGreaterThan(TIMEOUTS.connectMs - 50);
    expect(afterMs).toBeLessThan(5_000);
  });

  test('a statement is given up after its time, and its session with it: a late answer reaches nobody', async () => {
    const lost = vi.fn();
    const session = await opened(lost);
    relay.freeze();
    const { error, afterMs } = await failure(session.rows('SELECT 1'));
    expect(String(error)).toMatch(/timeout/);
    expect(afterMs).toBeGreaterThan(TIMEOUTS.statementMs + TIMEOUTS.graceMs - 50);
    expect([session.alive(), lost.mock.calls.length]).toEqual([false, 1]);
    relay.restore();
    await expect(session.rows('SELECT 1')).rejects.toThrow(/not queryable|terminated/);
  });

  test('a goodbye is cut short', async () => {
    const session = await opened();
    relay.freeze();
    const began = performance.now();
    await session.end();
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(session.alive()).toBe(false);
  });
});

test('a statement that takes too long is ended by the server, and the session goes on', async () => {
  const session = await opened();
  const { error } = await failure(session.rows('SELECT pg_sleep(60)'));
  expect(sqlState(error)).toBe('57014');
  expect(await session.rows('SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

test('statements asked at once go out one by one, each with its whole time', async () => {
  const session = await opened();
  // Together they take longer than one may.
  const asked = Array.from({ length: 4 }, () => session.rows('SELECT pg_sleep(0.2)'));
  expect(await Promise.all(asked)).toHaveLength(4);
});

test('a transaction that nobody goes on with is ended, and does not hold its locks for ever', async () => {
  const session = await opened();
  await session.query({ text: 'BEGIN' });
  await vi.waitFor(() => expect(session.alive()).toBe(false), 10_000);
});

test('whoever holds a session is told once that it was lost', async () => {
  const lost = vi.fn();
  const session = await opened(lost);
  relay.reset();
  await vi.waitUntil(() => lost.mock.calls.length > 0, { timeout: 5_000 });
  expect(session.alive()).toBe(false);
  session.destroy();
  await session.end();
  expect(lost).toHaveBeenCalledTimes(1);
});

test('a transaction is all or nothing', async () => {
  await withSession(url, 'ideogate-test', TIMEOUTS, async (session) => {
    await session.query({ text: 'CREATE TABLE kept (n integer)' });
    const put = (n: number) => session.query({ text: 'INSERT INTO kept VALUES ($1)', values: [n] });
    await inTransaction(session, () => put(1));
    const failing = inTransaction(session, async () => {
      await put(2);
      throw new Error('no more of it');
    });
    await expect(failing).rejects.toThrow('no more of it');
    expect(await session.rows('SELECT n FROM kept')).toEqual([{ n: 1 }]);
  });
});

test('rows are copied out in the order of the select', async () => {
  const session = await opened();
  const pieces: Buffer[] = [];
  for await (const piece of session.copyOut('SELECT n FROM generate_series(1, 3) AS n')) pieces.push(piece);
  expect(Buffer.concat(pieces).toString()).toBe('1\n2\n3\n');
  expect(await session.rows('SELECT 1 AS one')).toEqual([{ one: 1 }]);
});
