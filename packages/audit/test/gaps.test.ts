import { type Relay, relayTo } from '@ideogate/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AuditWriter, AuditWriterOptions } from '../src/append/index.ts';
import { type ClosingOptions, closeGaps, listGaps, openReadPool, verifyChain } from '../src/index.ts';
import { readChain } from './chain-of.ts';
import { decision, nowMicros, outcome } from './events-under-test.ts';
import { OPENING, openWriter, type RecordDatabase, recordDatabase, until } from './record-under-test.ts';

const MARGIN_MS = 60;
const BOUND_MS = 100;

let database: RecordDatabase;
let relay: Relay;
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  database = await recordDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  ({ relay } = await relayTo(database.ownerUrl));
});
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
  await relay.close();
});

function open(changes: Partial<AuditWriterOptions> = {}): AuditWriter {
  const record = openWriter(database, changes);
  stops.push(() => record.close(2_000));
  return record;
}

/** A writer whose process can be cut off from the database, which to the database is its death. */
function openMortal(changes: Partial<AuditWriterOptions> = {}): AuditWriter & { kill(): void } {
  const through = (url: string) => url.replace(/@[^/]+\//, `@127.0.0.1:${relay.port}/`);
  const record = open({
    appendUrl: through(database.appendUrl),
    readUrl: through(database.readUrl),
    commitTimeoutMs: 500,
    ...changes,
  });
  return { ...record, kill: () => relay.cut() };
}

function close(changes: Partial<ClosingOptions> = {}): {
  readonly closed: [number, string][];
  stop(): Promise<void>;
} {
  const closed: [number, string][] = [];
  const faults: unknown[] = [];
  const { appendUrl, readUrl } = database;
  const closing = closeGaps({
    appendUrl,
    readUrl,
    record: changes.record ?? open(),
    callsEndWithinMs: BOUND_MS,
    marginMs: MARGIN_MS,
    everyMs: 30,
    now: nowMicros,
    onClosed: (count, reason) => closed.push([count, reason]),
    onFault: (error) => faults.push(error),
    ...changes,
  });
  stops.push(async () => {
    await closing.stop();
    expect(faults).toEqual([]);
  });
  return { closed, stop: () => closing.stop() };
}

interface Ended {
  readonly state: string;
  readonly reason: string | null;
  readonly subject: string | null;
}

async function call(callId: string): Promise<Ended | undefined> {
  const { rows } = await database.owner.query<Ended>(
    'SELECT state, reason, subject FROM ideogate.audit_call WHERE call_id = $1',
    [callId],
  );
  return rows[0];
}

/** How many closing outcomes each of these calls has. */
async function closings(callIds: readonly string[]): Promise<readonly number[]> {
  const { rows } = await database.owner.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM ideogate.audit_event
     WHERE kind = 'outcome' AND result = 'unknown' AND call_id = ANY ($1) GROUP BY call_id`,
    [callIds],
  );
  return rows.map(({ count }) => count);
}

async function allowed(record: AuditWriter, count = 1): Promise<readonly string[]> {
  const events = Array.from({ length: count }, () => decision());
  expect(new Set(await Promise.all(events.map((event) => record.decide(event))))).toEqual(
    new Set(['committed']),
  );
  return events.map(({ callId }) => callId);
}

describe('a decision whose outcome will not come is closed, and the record says why', () => {
  test('its writer died', async () => {
    const record = openMortal();
    const event = decision({ subject: 'a\\b\u202e' });
    await record.decide(event);
    record.kill();
    close();
    await until('it is closed', async () => (await call(event.callId))?.state === 'gap');
    expect(await call(event.callId)).toEqual({
      state: 'gap',
      reason: 'writer-died',
      // As the decision has it: made storable once, not twice.
      subject: 'a\\\\b\\u202e',
    });
    const { rows } = await database.owner.query(
      `SELECT DISTINCT issuer, subject, client_id, token_id, actor, operation, environment
       FROM ideogate.audit_event WHERE call_id = $1`,
      [event.callId],
    );
    expect(rows.length).toBe(1);
  });

  test('its writer lives, and lost it while the database was away', async () => {
    const record = open({ maxOutcomes: 0 });
    const [callId = ''] = await allowed(record);
    record.outcome(outcome());
    close();
    await until('it is closed', async () => (await call(callId))?.state === 'gap');
    expect(await call(callId)).toMatchObject({ reason: 'database-away' });
  });

  test('its writer lost it, and stopped in order since', async () => {
    const record = open({ maxOutcomes: 0 });
    const [callId = ''] = await allowed(record);
    await record.close(2_000);
    close();
    await until('it is closed', async () => (await call(callId))?.state === 'gap');
    expect(await call(callId)).toMatchObject({ reason: 'database-away' });
  });
});

test('a call that ended, and one that was refused, is left alone', async () => {
  const record = openMortal();
  const event = decision();
  await record.decide(event);
  record.outcome(outcome({ callId: event.callId }));
  const refused = decision({ result: 'refused', reason: 'token-expired' });
  await record.refuse(refused);
  const [gap = ''] = await allowed(record);
  await record.flush(2_000);
  record.kill();
  close();
  await until('the gap is closed', async () => (await call(gap))?.state === 'gap');
  expect(await closings([event.callId, refused.callId])).toEqual([]);
});

describe('a call that may still be running is never closed', () => {
  test('neither while its writer lives nor when it died, before its bound is over', async () => {
    let aheadMs = 0;
    const now = () => nowMicros() + BigInt(aheadMs) * 1_000n;
    const record = openMortal();
    const [early = ''] = await allowed(record);
    record.kill();
    const other = open({ maxOutcomes: 0 });
    const [running = ''] = await allowed(other);
    close({ callsEndWithinMs: 60_000, now });
    // A gap long past its bound shows that the looks go on.
    const old = open({ now: () => nowMicros() - 3_600_000_000n, maxOutcomes: 0 });
    const past = decision({ atMicros: nowMicros() - 3_600_000_000n });
    await old.decide(past);
    await until('another is closed', async () => (await call(past.callId))?.state === 'gap');
    expect(await closings([early, running])).toEqual([]);
    aheadMs = 61_000;
    await until('both are closed', async () => (await closings([early, running])).length === 2);
  });

  test('nor before the bound that its own writer has, where that is longer', async () => {
    let aheadMs = 1_000;
    const now = () => nowMicros() + BigInt(aheadMs) * 1_000n;
    const patient = open({ opening: { ...OPENING, callsEndWithinMs: 600_000 } });
    const [running = ''] = await allowed(patient);
    close({ now });
    // The second is closed in a later look, and by then the first look is over.
    for (let looks = 0; looks < 2; looks++) {
      const [gap = ''] = await allowed(open());
      await until('another is closed', async () => (await closings([gap])).length === 1);
    }
    expect(await closings([running])).toEqual([]);
    aheadMs = 601_000;
    await until('its bound is over', async () => (await closings([running])).length === 1);
  });
});

test('a forged first event stops nothing', async () => {
  await database.owner.query(
    `INSERT INTO ideogate.audit_event (writer, seq, at, kind, environment, result, detail, prev_hash, hash)
     SELECT gen_random_uuid(), 1, now(), 'notice', 'staging', 'writer-opened', detail, decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex')
     FROM unnest(ARRAY['not JSON', '{"calls_end_within_ms":"1e999"}', '{"calls_end_within_ms":"0.5"}']) AS detail`,
  );
  const [gap = ''] = await allowed(open());
  close();
  await until('it is closed', async () => (await call(gap))?.state === 'gap');
  const pool = openReadPool(database.readUrl);
  expect((await listGaps(pool, { limit: 100 })).map(({ callId }) => callId)).toContain(gap);
  await pool.end();
});

test('a true outcome that follows is the one that counts (E.51)', async () => {
  const record = open();
  const { callId } = decision();
  await record.decide(decision({ callId }));
  close();
  await until('it is closed', async () => (await call(callId))?.state === 'gap');
  record.outcome(outcome({ callId }));
  await until('the true one counts', async () => (await call(callId))?.state === 'done');
  expect(await closings([callId])).toEqual([1]);
});

test('of two gateways one closes, each gap once, and the other goes on when it stops (E.51)', async () => {
  const record = open({ commitTimeoutMs: 20_000 });
  const first = await allowed(record, 2_300);
  const one = close();
  const two = close();
  await until('all are closed', async () => (await closings(first)).length === first.length, 20_000);
  expect(new Set(await closings(first))).toEqual(new Set([1]));
  expect([one.closed, two.closed]).toContainEqual([]);
  const [active, idle] = one.closed.length > 0 ? [one, two] : [two, one];
  await active.stop();
  const second = await allowed(record, 20);
  await until('the other closes', async () => (await closings(second)).length === second.length);
  expect(idle.closed.length).toBeGreaterThan(0);
  expect(new Set(await closings([...first, ...second]))).toEqual(new Set([1]));
});

describe('a gap is closed once, whoever stood still between looking and writing (E.51)', () => {
  test('when another closed it meanwhile, the first writes what else it has', async () => {
    const record = openMortal();
    const gaps = await allowed(open(), 5);
    const first = close({ record });
    relay.cut();
    await until('the first has looked, and cannot write', () => first.closed.length === 1);
    await first.stop();
    close();
    await until('the second has closed them', async () => (await closings(gaps)).length === 5);
    const own = decision();
    record.outcome(outcome({ callId: own.callId }));
    relay.restore();
    await until('the first has written', async () => {
      const { rows } = await database.owner.query('SELECT FROM ideogate.audit_event WHERE call_id = $1', [
        own.callId,
      ]);
      return rows.length === 1;
    });
    expect(await record.flush(5_000)).toBe(true);
    expect(await closings(gaps)).toEqual([1, 1, 1, 1, 1]);
    expect(record.notWritten()).toEqual(new Map());
    expect(verifyChain(await readChain(database.owner, record.writer))).toBeNull();
  });

  test('when the true outcome came meanwhile', async () => {
    const [one, other] = [open(), open()];
    const event = decision();
    await one.decide(event);
    one.outcome(outcome({ callId: event.callId }));
    await one.flush(2_000);
    other.closeGap({ ...event }, 'writer-died');
    expect(await other.flush(2_000)).toBe(true);
    expect(await closings([event.callId])).toEqual([]);
  });

  test('when several write at the same moment, each in another order, with decisions between', async () => {
    const writers = [open(), open(), open()];
    const events = Array.from({ length: 600 }, () => decision());
    const decided: Promise<unknown>[] = [];
    for (const [index, writer] of writers.entries()) {
      const turned = events.slice(index * 200).concat(events.slice(0, index * 200));
      for (const [at, event] of (index === 1 ? turned.toReversed() : turned).entries()) {
        writer.closeGap(event, 'writer-died');
        // Once on its way, it is as a second look finds it: by the same process, too.
        if (at % 3 === 0) writer.closeGap(event, 'writer-died');
        if (at % 50 === 0) decided.push(writer.decide(decision({ result: 'refused' })));
      }
    }
    for (const writer of writers) expect(await writer.flush(20_000)).toBe(true);
    expect(new Set(await Promise.all(decided))).toEqual(new Set(['committed']));
    const counts = await closings(events.map(({ callId }) => callId));
    expect([counts.length, new Set(counts)]).toEqual([600, new Set([1])]);
    for (const writer of writers) {
      expect(writer.notWritten()).toEqual(new Map());
      expect(verifyChain(await readChain(database.owner, writer.writer))).toBeNull();
    }
  }, 40_000);
});

test('while the database takes no rows a gap is put down once, and closed once when it does', async () => {
  const record = openMortal();
  const gaps = await allowed(open(), 5);
  const { closed } = close({ record });
  relay.cut();
  await until('they are put down', () => closed.length === 1);
  const [another = ''] = await allowed(open());
  // Whoever looks again sees the five again.
  await until('another is put down in a later look', () => closed.length > 1);
  expect(closed.map(([count]) => count)).toEqual([5, 1]);
  relay.restore();
  await until('they are closed', async () => (await closings([...gaps, another])).length === 6);
  await record.flush(2_000);
  expect(await closings([...gaps, another])).toEqual([1, 1, 1, 1, 1, 1]);
});

test('what was settled before a restart is not looked at again, and a month that was archived does not stop it', async () => {
  const record = open({ maxOutcomes: 0 });
  await allowed(record, 3);
  const first = close();
  await until('all are closed', async () => (await unsettled(record)) === 0);
  await first.stop();
  // It stood before the last event; one behind its position would be found again if it began anew.
  const { rows } = await database.owner.query<{ seq: string }>(
    `SELECT seq FROM ideogate.chain_position WHERE reader = 'gaps' AND writer = $1`,
    [record.writer],
  );
  const kept = Number(rows[0]?.seq);
  expect(kept).toBeGreaterThanOrEqual(4);
  await database.owner.query(
    `DELETE FROM ideogate.audit_event WHERE result = 'unknown' AND call_id IN
       (SELECT call_id FROM ideogate.audit_event WHERE writer = $1)`,
    [record.writer],
  );
  const [gap = ''] = await allowed(record);
  // As after a busy month that went to a file: what lies between is more than is looked at in one go.
  await database.owner.query(
    'UPDATE ideogate.audit_event SET seq = seq + 200000 WHERE writer = $1 AND seq > $2',
    [record.writer, kept],
  );
  close();
  await until('the new one is closed', async () => (await closings([gap])).length === 1);
  expect(await unsettled(record)).toBe(3);
});

test('gaps are listed newest first, page by page, with why and since when; true outcomes take them off the list', async () => {
  const fresh = await recordDatabase();
  const { appendUrl, readUrl } = fresh;
  const opening = { ...OPENING, callsEndWithinMs: 60_000 };
  const record = openWriter({ appendUrl, readUrl }, { opening });
  const other = openWriter({ appendUrl, readUrl });
  const closing = closeGaps({
    appendUrl,
    readUrl,
    record: other,
    callsEndWithinMs: 0,
    marginMs: 50,
    everyMs: 30,
    now: nowMicros,
  });
  const pool = openReadPool(readUrl);
  try {
    const closedCalls = Array.from({ length: 5 }, () => decision());
    for (const event of closedCalls) await other.decide(event);
    await until(
      'they are closed',
      async () => (await listGaps(pool, { limit: 10 })).filter(({ state }) => state === 'gap').length === 5,
    );
    // It would close the overdue one too.
    await closing.stop();
    const running = decision();
    await record.decide(running);
    const longAgo = () => nowMicros() - 120_000_000n;
    const late = decision({ atMicros: longAgo() });
    const old = openWriter({ appendUrl, readUrl }, { opening, now: longAgo });
    await old.decide(late);
    const all = await listGaps(pool, { limit: 10 });
    const times = all.map(({ since }) => since);
    expect(times).toEqual(times.toSorted().toReversed());
    expect(all.find(({ callId }) => callId === running.callId)).toMatchObject({
      state: 'open',
      overdue: false,
      reason: null,
    });
    expect(all.find(({ callId }) => callId === late.callId)).toMatchObject({ state: 'open', overdue: true });
    for (const { callId } of closedCalls)
      expect(all.find((gap) => gap.callId === callId)).toMatchObject({
        state: 'gap',
        reason: 'database-away',
        overdue: null,
        subject: 'service-a',
        operation: 'v3.generate',
      });
    const pages: string[] = [];
    for (let page = await listGaps(pool, { limit: 2 }); page.length > 0; ) {
      pages.push(...page.map(({ callId }) => callId));
      const last = page.at(-1);
      page = await listGaps(pool, { limit: 2, ...(last === undefined ? {} : { before: last }) });
    }
    expect(pages).toEqual(all.map(({ callId }) => callId));
    for (const { callId } of [...closedCalls, running, late]) record.outcome(outcome({ callId }));
    await record.flush(2_000);
    expect(await listGaps(pool, { limit: 10 })).toEqual([]);
    await old.close(1_000);
  } finally {
    await closing.stop();
    await Promise.all([record.close(1_000), other.close(1_000)]);
    await pool.end();
    await fresh.close();
  }
});

/** Allowed calls of a writer that have no outcome. */
async function unsettled(record: AuditWriter): Promise<number> {
  const { rows } = await database.owner.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM ideogate.audit_event d WHERE writer = $1 AND kind = 'decision'
     AND NOT EXISTS (SELECT FROM ideogate.audit_event o WHERE o.call_id = d.call_id AND o.kind = 'outcome')`,
    [record.writer],
  );
  return rows[0]?.count ?? -1;
}
