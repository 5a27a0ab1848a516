import { createDatabase, type TestDatabase } from '@ideogate/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { errorCode, SHORT_TIMEOUTS, sqlState, SQLSTATE, withSession } from '../src/index.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database?.drop());

/** What the work is refused with. */
function refusal(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

test('an answer of Postgres is told by its SQLSTATE, a fault of the network by its code, all else by a word', async () => {
  const ofPostgres = await refusal(
    withSession(database.url, 'ideogate-test', SHORT_TIMEOUTS, (session) =>
      session.rows('SELECT * FROM nowhere'),
    ),
  );
  expect([sqlState(ofPostgres), errorCode(ofPostgres, 'failed')]).toEqual([
    SQLSTATE.undefinedTable,
    SQLSTATE.undefinedTable,
  ]);
  const nobody = Object.assign(new URL(database.url), { port: '1' }).href;
  const ofNetwork = await refusal(withSession(nobody, 'ideogate-test', SHORT_TIMEOUTS, async () => {}));
  expect([sqlState(ofNetwork), errorCode(ofNetwork, 'failed')]).toEqual([undefined, 'ECONNREFUSED']);
  for (const other of [new Error('10.0.0.1 said no'), 'a text', null])
    expect([sqlState(other), errorCode(other, 'failed')]).toEqual([undefined, 'failed']);
});
