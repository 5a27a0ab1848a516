import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuditWriter } from '../src/append/index.ts';
import { openReadPool } from '../src/index.ts';
import { type Call, listCalls, showCall, tailCalls } from '../src/query/index.ts';
import { decision, newCallId, nowMicros, outcome, refusal } from './events-under-test.ts';
import { openWriter, type RecordDatabase, recordDatabase } from './record-under-test.ts';

let database: RecordDatabase;
let record: AuditWriter;
let pool: Pool;

beforeAll(async () => {
  database = await recordDatabase();
  record = openWriter(database);
  pool = openReadPool(database.readUrl);
});
afterAll(async () => {
  await record.close(1_000);
  await pool.end();
  await database.close();
});

async function entry(callId: string): Promise<Record<string, unknown>[]> {
  const { rows } = await pool.query<Record<string, unknown>>(
    `SELECT * FROM audit_entry WHERE metadata->>'call_id' = $1`,
    [callId],
  );
  return rows;
}

describe('audit_entry, the shape the security team reads', () => {
  test.each([
    ['a whole 200', outcome(), 'success', 'done'],
    ['a whole 201 that says nothing about safety', outcome({ status: 201, safe: null }), 'success', 'done'],
    ['a 200 with an unsafe image', outcome({ safe: false }), 'failure', 'done'],
    ['a 200 the caller left', outcome({ result: 'aborted' }), 'failure', 'done'],
    ['a 200 that was cut', outcome({ result: 'cut' }), 'failure', 'done'],
    ['a 302', outcome({ status: 302 }), 'failure', 'done'],
    ['a 422', outcome({ status: 422 }), 'failure', 'done'],
    ['no status at all', outcome({ status: null }), 'failure', 'done'],
    ['a failed upstream', outcome({ result: 'failed', status: 502 }), 'failure', 'done'],
    ['nothing forwarded', outcome({ result: 'not-forwarded', status: 503 }), 'failure', 'done'],
    ['no outcome yet', null, 'failure', 'open'],
  ] as const)('%s', async (_, ending, result, state) => {
    const event = decision();
    await record.decide(event);
    if (ending !== null) record.outcome({ ...ending, callId: event.callId });
    await record.flush(2_000);
    const rows = await entry(event.callId);
    expect(rows.length).toBe(1);
    expect(Object.keys(rows[0] ?? {})).toEqual([
      'timestamp',
      'action',
      'user_id',
      'resource',
      'result',
      'metadata',
    ]);
    expect(rows[0]).toMatchObject({
      action: 'v3.generate',
      user_id: 'service-a',
      resource: '/v1/ideogram-v3/generate',
      result,
      metadata: { state, call_id: event.callId, trace_id: event.traceId },
    });
  });

  test('a refusal of nobody for nothing is a failure with its reason, and null where nothing was known', async () => {
    const event = refusal({ subject: null, operation: null, resource: null });
    await record.refuse(event);
    expect(await entry(event.callId)).toMatchObject([
      {
        action: null,
        user_id: null,
        resource: null,
        result: 'failure',
        metadata: { state: 'refused', reason: 'token-expired', status: 401 },
      },
    ]);
  });

  test('odd duplicates of a decision or an outcome never make a second row', async () => {
    const event = decision();
    await record.decide(event);
    await record.decide(event);
    record.outcome(outcome({ callId: event.callId, status: 201 }));
    await record.flush(2_000);
    record.outcome(outcome({ callId: event.callId, status: 500 }));
    await record.flush(2_000);
    expect(await entry(event.callId)).toMatchObject([{ result: 'success', metadata: { status: 201 } }]);
    expect(
      (await listCalls(pool, { limit: 1_000 })).filter(({ callId }) => callId === event.callId).length,
    ).toBe(1);
  });
});

describe('asking the record', () => {
  test('lists newest first, page by page, each call once', async () => {
    const caller = 'pager';
    for (let index = 0; index < 7; index++) await record.decide(decision({ subject: caller }));
    const pages: Call[][] = [];
    for (let before: Call | undefined; ; before = pages.at(-1)?.at(-1)) {
      const page = await listCalls(pool, { caller, limit: 3, ...(before && { before }) });
      if (page.length === 0) break;
      pages.push([...page]);
    }
    const all = pages.flat();
    expect(pages.map(({ length }) => length)).toEqual([3, 3, 1]);
    expect(new Set(all.map(({ callId }) => callId)).size).toBe(7);
    expect(all.map(({ decidedAt }) => decidedAt)).toEqual(
      all
        .map(({ decidedAt }) => decidedAt)
        .toSorted()
        .toReversed(),
    );
  });

  test.each([
    [{ operation: 'filter.op' }, 2],
    [{ operation: 'filter.op', result: 'success' }, 1],
    [{ operation: 'filter.op', state: 'refused' }, 1],
    [{ operation: 'filter.op', reason: 'filter-reason' }, 1],
    [{ operation: 'filter.op', caller: 'evil\u0000\n' }, 1],
    [{ operation: 'filter.op', since: new Date(Date.now() + 60_000) }, 0],
    [{ caller: `' OR 1=1 --` }, 0],
  ] as const)('the filter %j finds %d calls', async (filter, count) => {
    const callIds = [newCallId(), newCallId()] as const;
    await database.owner.query(`DELETE FROM ideogate.audit_event WHERE operation = 'filter.op'`);
    await record.decide(decision({ operation: 'filter.op', callId: callIds[0], subject: 'evil\u0000\n' }));
    record.outcome(outcome({ operation: 'filter.op', callId: callIds[0] }));
    await record.refuse(refusal({ operation: 'filter.op', callId: callIds[1], reason: 'filter-reason' }));
    await record.flush(2_000);
    expect((await listCalls(pool, { ...filter, limit: 10 })).length).toBe(count);
  });

  test('shows one call whole, microseconds and all, and null for one it does not have', async () => {
    const event = decision();
    await record.decide(event);
    record.outcome(outcome({ callId: event.callId, atMicros: nowMicros() }));
    await record.flush(2_000);
    const shown = await showCall(pool, event.callId);
    expect(shown?.decision).toMatchObject({
      kind: 'decision',
      callId: event.callId,
      rule: event.rule,
      writer: record.writer,
    });
    expect(shown?.outcome).toMatchObject({
      kind: 'outcome',
      costUsdMicros: 60_000,
      bytesReceived: 4_096,
      made: ['generation:fake'],
    });
    expect(shown?.decision?.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(shown?.decision?.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.stringify(shown)).toContain(event.callId);
    expect(await showCall(pool, newCallId())).toBeNull();
  });

  test('show takes a true outcome that followed a gap, as the views do', async () => {
    const event = decision();
    await record.decide(event);
    record.closeGap({ ...event, tokenId: null }, 'database-away');
    await record.flush(2_000);
    expect((await showCall(pool, event.callId))?.outcome).toMatchObject({ result: 'unknown' });
    record.outcome(outcome({ callId: event.callId, atMicros: nowMicros() }));
    await record.flush(2_000);
    expect((await showCall(pool, event.callId))?.outcome).toMatchObject({ result: 'completed' });
  });

  test('tail gives each call when it is decided and again when it is done, from every writer, until told to stop', async () => {
    const caller = 'tailed';
    const stop = new AbortController();
    const seen: string[] = [];
    const give = new Map<number, () => Promise<unknown>>();
    const event = decision({ subject: caller });
    const other = openWriter(database);
    const late = refusal({ subject: caller, atMicros: nowMicros() - 30_000_000n });
    await record.decide(event);
    give.set(1, async () => {
      record.outcome(outcome({ callId: event.callId, subject: caller }));
      await record.flush(2_000);
    });
    // Dated before everything seen so far, by a writer not seen so far.
    give.set(2, () => other.refuse(late));
    const filter = { caller, since: new Date(Date.now() - 5_000), pollMs: 10 };
    const timer = setTimeout(() => stop.abort(), 8_000);
    for await (const call of tailCalls(
      pool,
      { ...filter, since: new Date(Date.now() - 60_000) },
      stop.signal,
    )) {
      seen.push(`${call.callId} ${call.state}`);
      await give.get(seen.length)?.();
      if (seen.length === 3) stop.abort();
    }
    clearTimeout(timer);
    await other.close(1_000);
    expect(seen).toEqual([`${event.callId} open`, `${event.callId} done`, `${late.callId} refused`]);
  });
});
