import { createDatabase, type TestDatabase } from '@ideogate/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SHORT_TIMEOUTS, SQLSTATE, sqlState, withSession } from '../src/index.ts';

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

test('an answer of Postgres is told by its SQLSTATE, which a fault of the network has none of', async () => {
  const ofPostgres = await refusal(
    withSession(database.url, 'ideogate-test', SHORT_TIMEOUTS, (session) =>
      session.rows('SELECT * FROM nowhere'),
    ),
  );
  expect(sqlState(ofPostgres)).toBe(SQLSTATE.undefinedTable);
  const nobody = Object.assign(new URL(database.url), { port: '1' }).href;
  const ofNetwork = await refusal(withSession(nobody, 'ideogate-test', SHORT_TIMEOUTS, async () => {}));
  expect(ofNetwork).toMatchObject({ code: 'ECONNREFUSED' });
  expect(sqlState(ofNetwork)).toBeUndefined();
});
