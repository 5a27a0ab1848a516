import type { Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openReadPool } from '../src/index.ts';
import { recordBegins, scopesUsed } from '../src/query/index.ts';
import { decision, nowMicros, outcome, refusal } from './events-under-test.ts';
import { openWriter, type RecordDatabase, recordDatabase } from './record-under-test.ts';

const DAY_MICROS = 86_400_000_000n;
let database: RecordDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await recordDatabase();
  pool = openReadPool(database.readUrl);
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

async function write(events: readonly ReturnType<typeof decision>[], now: () => bigint): Promise<void> {
  const { appendUrl, readUrl } = database;
  const record = openWriter({ appendUrl, readUrl }, { now });
  for (const event of events)
    if (event.result === 'allowed') {
      await record.decide(event);
      record.outcome(outcome({ callId: event.callId, atMicros: event.atMicros }));
    } else await record.refuse(event);
  await record.close(2_000);
}

test('a grant is used by a call that was let through since then, by this caller of this issuer, under this scope', async () => {
  expect(await recordBegins(pool)).toBeNull();
  const old = nowMicros() - 20n * DAY_MICROS;
  await write([decision({ subject: 'long-ago', atMicros: old })], () => old);
  await write([decision({ subject: 'a' }), refusal({ subject: 'refused' })], nowMicros);
  expect((await recordBegins(pool))?.getTime()).toBe(Number(old / 1000n));
  const scope = 'write:generate';
  const here = 'https://issuer.test';
  const granted = [
    { subject: 'a', issuer: null, scope },
    { subject: 'a', issuer: here, scope },
    { subject: 'a', issuer: 'https://other.test', scope },
    { subject: 'a', issuer: null, scope: 'write:remix' },
    { subject: 'refused', issuer: null, scope },
    { subject: 'long-ago', issuer: null, scope },
    { subject: 'nobody', issuer: null, scope },
  ];
  expect(await scopesUsed(pool, granted, new Date(Date.now() - 86_400_000))).toEqual(granted.slice(0, 2));
});
