import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AuditWriter, AuditWriterOptions } from '../src/append/index.ts';
import { readChain } from './chain-of.ts';
import { decision, outcome, refusal } from './events-under-test.ts';
import { openWriter, type RecordDatabase, recordDatabase, until } from './record-under-test.ts';

let database: RecordDatabase;
const opened: AuditWriter[] = [];

beforeAll(async () => {
  database = await recordDatabase();
});
afterAll(() => database.close());
beforeEach(() => database.relay.restore());
afterEach(async () => {
  database.relay.restore();
  await Promise.all(opened.splice(0).map((record) => record.close(2_000)));
});

function open(changes: Partial<AuditWriterOptions> = {}): AuditWriter {
  const record = openWriter(database, { appendUrl: database.relayedAppendUrl, ...changes });
  opened.push(record);
  return record;
}

interface Summary {
  readonly result: string;
  readonly reason: string | null;
  readonly count: number;
  readonly from: string;
  readonly to: string;
}

async function summariesOf(record: AuditWriter): Promise<readonly Summary[]> {
  const chain = await readChain(database.owner, record.writer);
  return chain
    .filter(({ result }) => result === 'refusals-summed' || result === 'events-lost')
    .map(({ result, reason, detail }) => {
      const { count, from, to } = JSON.parse(detail ?? '{}') as Record<'count' | 'from' | 'to', string>; // as: what a summary holds
      return { result, reason, count: Number(count), from, to };
    });
}

/** Of each reason, the sum over all summaries. */
async function sums(record: AuditWriter): Promise<Readonly<Record<string, number>>> {
  const total: Record<string, number> = {};
  for (const { reason, count } of await summariesOf(record))
    total[reason ?? ''] = (total[reason ?? ''] ?? 0) + count;
  return total;
}

async function callRows(record: AuditWriter): Promise<number> {
  const chain = await readChain(database.owner, record.writer);
  return chain.filter(({ kind }) => kind === 'decision').length;
}

test('a flood takes one row a reason and interval, and its count is exact (E.48)', async () => {
  const record = open({ summaryMs: 400 });
  const began = performance.now();
  let asked = 0;
  while (performance.now() - began < 1_300) {
    for (let index = 0; index < 1_000; index++, asked++)
      record.countRefusal(asked % 2 === 0 ? 'address-rate' : 'tls-handshake');
    await delay(1);
  }
  const intervals = (performance.now() - began) / 400;
  await record.close(2_000);
  const summaries = await summariesOf(record);
  expect(await sums(record)).toEqual({
    'address-rate': Math.ceil(asked / 2),
    'tls-handshake': Math.floor(asked / 2),
  });
  // One more of each when the record closes.
  expect(summaries.length).toBeLessThanOrEqual(2 * (Math.ceil(intervals) + 1));
  expect(summaries.length).toBeGreaterThanOrEqual(4);
  expect(summaries.filter(({ from, to }) => from > to)).toEqual([]);
});

test('reasons beyond any that the code has are summed as one, so that rows stay bounded', async () => {
  const record = open();
  for (let index = 0; index < 1_000; index++) record.countRefusal(`made-up-${index}`);
  await record.close(2_000);
  const summed = await sums(record);
  expect(Object.keys(summed).length).toBe(257);
  expect(summed['other']).toBe(744);
});

test('across three outages the rows and the sums together are the calls, one by one (E.50)', async () => {
  const record = open({ commitTimeoutMs: 150, maxWaiting: 20, maxOutcomes: 5, summaryMs: 200 });
  let calls = 0;
  const asked: Promise<unknown>[] = [];
  const load = (count: number) => {
    for (let index = 0; index < count; index++, calls += 2) {
      asked.push(
        record.decide(decision()),
        record.refuse(refusal({ reason: index % 3 === 0 ? 'token-expired' : 'no-credential' })),
      );
    }
  };
  for (let outage = 0; outage < 3; outage++) {
    load(10);
    await record.flush(2_000);
    if (outage === 1) database.relay.freeze();
    else database.relay.cut();
    load(50);
    await until('callers have their answers', () => (record.notWritten().get('overloaded') ?? 0) > 0);
    await Promise.all(asked);
    load(30);
    await Promise.all(asked);
    database.relay.restore();
    await until(
      'the record takes rows again',
      async () => (await record.decide(decision())) === 'committed' || !(calls += 1),
    );
    calls += 1;
  }
  await Promise.all(asked);
  await record.close(5_000);
  const summed = await sums(record);
  const { outcome: _, notice: __, ...refused } = summed;
  const total = Object.values(refused).reduce((sum, count) => sum + count, 0);
  expect((await callRows(record)) + total).toBe(calls);
  expect(total).toBeGreaterThan(100);
  // What the counter says was given up is what the sums say.
  expect(refused).toEqual(
    Object.fromEntries([...record.notWritten()].filter(([reason]) => reason !== 'outcome')),
  );
});

test('a refusal that was answered without its row, and got it after all, is in no sum', async () => {
  const record = open({ commitTimeoutMs: 1_000, summaryMs: 50 });
  expect(await record.decide(decision())).toBe('committed');
  database.relay.cut();
  expect(await record.refuse(refusal())).toBe('late');
  expect(record.notWritten()).toEqual(new Map([['token-expired', 1]]));
  database.relay.restore();
  await until('its row is there', () => record.notWritten().size === 0);
  await record.close(2_000);
  expect(await summariesOf(record)).toEqual([]);
  expect(await callRows(record)).toBe(2);
});

describe('when the database is back', () => {
  test('what was counted before, and while the first sum waited, is summed at once, in two rows however long it was away', async () => {
    const record = open({ commitTimeoutMs: 100, summaryMs: 200 });
    await record.decide(decision());
    database.relay.cut();
    // Before that a decision might be under way, and get its row in the end.
    await until('the connection is lost', async () => !(await record.ready()).ok);
    for (let index = 0; index < 3; index++) expect(await record.decide(decision())).toBe('unavailable');
    await until('a sum waits', () => record.waiting() > 0);
    for (let index = 0; index < 10; index++) expect(await record.decide(decision())).toBe('unavailable');
    database.relay.restore();
    await until('the record has both sums', async () => (await sums(record))['record-unavailable'] === 13);
    expect((await summariesOf(record)).map(({ result }) => result)).toEqual([
      'refusals-summed',
      'refusals-summed',
    ]);
  });

  test('outcomes that found no room are told apart from calls', async () => {
    const record = open({ maxOutcomes: 2, summaryMs: 100 });
    await record.decide(decision());
    database.relay.cut();
    await until('the connection is lost', async () => !(await record.ready()).ok);
    for (let index = 0; index < 5; index++) record.outcome(outcome());
    database.relay.restore();
    await until('the sum is there', async () => (await sums(record))['outcome'] === 3);
    expect(await summariesOf(record)).toMatchObject([{ result: 'events-lost', reason: 'outcome', count: 3 }]);
  });
});
