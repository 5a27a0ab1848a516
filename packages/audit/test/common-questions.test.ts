import { COMMON_QUESTIONS, exampleCall, fillMonth, planOf, watched } from '@ideogate/testkit/large-record';
import type { Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openReadPool } from '../src/index.ts';
import { type Call } from '../src/query/index.ts';
import { type RecordDatabase, recordDatabase } from './record-under-test.ts';

let database: RecordDatabase;
let pool: Pool;
let example: Call;

/** Months that are over, so that they have no partition yet; with some fifty thousand rows in all. */
const MONTHS_AGO = [4, 3, 2] as const;
const CALLS_A_MONTH = 8_700;

const begun = new Date();
const firstOf = (ago: number) => new Date(Date.UTC(begun.getUTCFullYear(), begun.getUTCMonth() - ago, 1));

beforeAll(async () => {
  database = await recordDatabase();
  pool = openReadPool(database.readUrl);
  for (const ago of MONTHS_AGO) await fillMonth(database.owner, firstOf(ago), CALLS_A_MONTH);
  example = await exampleCall(pool, firstOf(2));
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

test.each(COMMON_QUESTIONS)(
  'its index finds $name, and no table is read from end to end',
  async ({ found, index, question }) => {
    const { pool: spy, asked } = watched(pool);
    const calls = await question(spy, example);
    expect(calls.length > 0 ? 'some' : 'none').toBe(found);
    expect(asked).toHaveLength(1);
    for (const statement of asked) {
      const { wholeTables, indexes } = await planOf(pool, statement);
      expect(wholeTables).toEqual([]);
      expect(indexes).toContainEqual(
        expect.stringMatching(new RegExp(`^audit_event_\\d{4}_\\d\\d_${index}_idx\\d*$`)),
      );
    }
  },
);

test('a sum over the calls of one month reads no other month from end to end', async () => {
  const text = `SELECT subject, count(*) FILTER (WHERE result = 'success') FROM ideogate.audit_call
    WHERE decided_at >= $1::timestamptz GROUP BY subject`;
  const since = firstOf(MONTHS_AGO[2]).toISOString();
  const month = `audit_event_${since.slice(0, 7).replace('-', '_')}`;
  const { wholeTables } = await planOf(pool, { text, values: [since] });
  expect(wholeTables.filter((table) => table !== month)).toEqual([]);
});

test('a question without an index is seen to read the tables from end to end', async () => {
  const text = `SELECT FROM ideogate.audit_event WHERE address = '10.0.0.1'`;
  expect((await planOf(pool, { text, values: [] })).wholeTables).toHaveLength(MONTHS_AGO.length);
});
