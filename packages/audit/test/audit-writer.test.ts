import type { DecisionEvent } from '@ideogate/contract';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AuditWriter, AuditWriterOptions } from '../src/append/index.ts';
import { type ChainedEvent, verifyChain } from '../src/index.ts';
import { writerLock } from '../src/append/event-store.ts';
import { readChain } from './chain-of.ts';
import { decision, newCallId, nowMicros, outcome, refusal } from './events-under-test.ts';
import { OPENING, openWriter, type RecordDatabase, recordDatabase, until } from './record-under-test.ts';

let database: RecordDatabase;
const opened: AuditWriter[] = [];

beforeAll(async () => {
  database = await recordDatabase();
});
afterAll(async () => {
  await database.close();
});
beforeEach(() => {
  database.relay.restore();
  database.relay.delayAnswers(0);
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((record) => record.close(1_000)));
});

function open(changes: Partial<AuditWriterOptions> = {}): AuditWriter {
  const record = openWriter(database, { appendUrl: database.relayedAppendUrl, ...changes });
  opened.push(record);
  return record;
}

function chainOf(record: AuditWriter): Promise<readonly ChainedEvent[]> {
  return readChain(database.owner, record.writer);
}

/** A chain without what the writer says of itself. */
function callsIn(chain: readonly ChainedEvent[]): readonly ChainedEvent[] {
  return chain.filter(({ kind }) => kind !== 'notice');
}

/** Holds a writer's advisory lock, so that its batches wait inside Postgres. */
async function holdLock(record: AuditWriter): Promise<() => Promise<void>> {
  const key = writerLock(record.writer).toString();
  await database.owner.query('SELECT pg_advisory_lock($1::bigint)', [key]);
  return async () => {
    await database.owner.query('SELECT pg_advisory_unlock($1::bigint)', [key]);
  };
}

/** How many sessions of this database wait for a lock of this kind. */
async function lockWaiters(kind: 'advisory' | 'relation' = 'advisory'): Promise<number> {
  const { rows } = await database.owner.query(
    `SELECT FROM pg_locks WHERE locktype = $1 AND NOT granted
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [kind],
  );
  return rows.length;
}

async function waitsForLock(): Promise<boolean> {
  return (await lockWaiters()) > 0;
}

describe('group commit', () => {
  test('decisions that wait at the same time are committed in few batches, as one unbroken chain', async () => {
    const batches: number[] = [];
    const record = open({ observe: { batch: (rows) => batches.push(rows) } });
    const answers = await Promise.all(Array.from({ length: 2_500 }, () => record.decide(decision())));
    expect(new Set(answers)).toEqual(new Set(['committed']));
    expect(batches.length).toBeLessThanOrEqual(8);
    expect(Math.max(...batches)).toBeLessThanOrEqual(1_000);
    const chain = await chainOf(record);
    expect(chain.map(({ seq }) => seq)).toEqual(
      Array.from({ length: 2_501 }, (_, index) => BigInt(index + 1)),
    );
    expect(verifyChain(chain)).toBeNull();
  });

  test('decisions that come one by one, but many, share commits too', async () => {
    const batches: number[] = [];
    const record = open({ observe: { batch: (rows) => batches.push(rows) } });
    await record.decide(decision());
    const waiting: Promise<string>[] = [];
    const began = performance.now();
    for (let i = 0; i < 300; i++) {
      waiting.push(record.decide(decision()), record.decide(decision()));
      await new Promise((resolve) => {
        setTimeout(resolve, 1);
      });
    }
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['committed']));
    // Commits of 2.5 ms and more keep batches apart by themselves, and nothing waits for company then.
    expect(batches.length).toBeLessThan(Math.max(100, (performance.now() - began) / 2.5));
  });

  test('a decision is answered only when another connection can see its row (E.50)', async () => {
    const record = open();
    await record.decide(decision());
    const release = await holdLock(record);
    const event = decision();
    let answered = false;
    const answer = record.decide(event).then((value) => {
      answered = true;
      return value;
    });
    await until('the batch waits in Postgres', waitsForLock);
    expect(answered).toBe(false);
    expect(callsIn(await chainOf(record)).length).toBe(1);
    await release();
    expect(await answer).toBe('committed');
    expect(callsIn(await chainOf(record)).map(({ callId }) => callId)).toContain(event.callId);
  });

  test('a writer registers itself before anything else, and closes its chain when it stops', async () => {
    const opening = { ...OPENING, instance: 'host 1', release: 'sha256:fake', version: '1.2.3' };
    const record = open({ opening });
    record.outcome(outcome({ atMicros: 0n }));
    await record.decide(decision({ atMicros: 0n }));
    await record.close(2_000);
    const chain = await chainOf(record);
    expect(chain.map(({ kind, result }) => [kind, result])).toEqual([
      ['notice', 'writer-opened'],
      ['decision', 'allowed'],
      ['outcome', 'completed'],
      ['notice', 'writer-closed'],
    ]);
    expect(chain[0]).toMatchObject({
      seq: 1n,
      callId: null,
      environment: 'staging',
      release: 'sha256:fake',
      detail: '{"instance":"host 1","version":"1.2.3"}',
    });
    expect(verifyChain(chain)).toBeNull();
  });

  test('outcomes and refusals ride with the next decision, and go alone when none comes', async () => {
    const batches: number[] = [];
    const record = open({ lingerMs: 60, observe: { batch: (rows) => batches.push(rows) } });
    await record.decide(decision());
    record.outcome(outcome());
    const refused = record.refuse(refusal());
    await record.decide(decision());
    expect(await refused).toBe('committed');
    // The first carries what the writer says of itself.
    expect(batches).toEqual([2, 3]);
    record.outcome(outcome());
    expect(await record.flush(2_000)).toBe(true);
    record.outcome(outcome());
    await until('the outcome goes alone', () => record.waiting() === 0);
    expect(batches).toEqual([2, 3, 1, 1]);
  });

  test('time never goes back within a writer, whatever the events say', async () => {
    const record = open();
    const now = nowMicros();
    for (const atMicros of [now, now - 5_000_000n, now + 86_400_000_000_000n, 0n, now - 1n]) {
      expect(await record.decide(decision({ atMicros }))).toBe('committed');
    }
    const chain = await chainOf(record);
    expect(verifyChain(chain)).toBeNull();
    expect(chain.at(-1)?.atMicros).toBeLessThanOrEqual(nowMicros());
  });
});

describe('a database that is away', () => {
  test('a decision is unavailable within 2.2 s, nothing outlives its caller, and service resumes by itself', async () => {
    const record = open();
    await record.decide(decision());
    database.relay.cut();
    await until('the loss is noticed', async () => !(await record.ready()).ok);
    const before = performance.now();
    const lost = decision();
    const [answer, refused] = await Promise.all([record.decide(lost), record.refuse(refusal())]);
    const waited = performance.now() - before;
    expect({ answer, refused }).toEqual({ answer: 'unavailable', refused: 'late' });
    expect(waited).toBeGreaterThan(1_900);
    expect(waited).toBeLessThan(2_200);
    expect(record.notWritten()).toEqual(
      new Map([
        ['record-unavailable', 1],
        ['token-expired', 1],
      ]),
    );
    const kept = outcome();
    record.outcome(kept);
    database.relay.restore();
    const back = performance.now();
    expect(await record.decide(decision())).toBe('committed');
    expect(performance.now() - back).toBeLessThan(1_200);
    expect(await record.flush(2_000)).toBe(true);
    const chain = await chainOf(record);
    const ids = chain.map(({ callId }) => callId);
    expect(ids).toContain(kept.callId);
    expect(ids).not.toContain(lost.callId);
    expect(verifyChain(chain)).toBeNull();
    // The refusal got its row after all, so it comes off the count.
    expect(record.notWritten()).toEqual(new Map([['record-unavailable', 1]]));
  });

  test('the record opens while the database is down, and works once it is up', async () => {
    database.relay.cut();
    const record = open({ commitTimeoutMs: 100 });
    expect(await record.decide(decision())).toBe('unavailable');
    expect(await record.ready()).toMatchObject({ ok: false });
    database.relay.restore();
    await until('it is ready', async () => (await record.ready()).ok);
    expect(await record.decide(decision())).toBe('committed');
  });

  test('beyond the bound decisions are told so at once, and every event without a row is counted', async () => {
    database.relay.cut();
    const record = open({ commitTimeoutMs: 150, maxWaiting: 3, maxOutcomes: 2 });
    const decisions = await Promise.all(Array.from({ length: 5 }, () => record.decide(decision())));
    expect(decisions.toSorted()).toEqual([
      'overloaded',
      'overloaded',
      'unavailable',
      'unavailable',
      'unavailable',
    ]);
    await Promise.all(Array.from({ length: 5 }, () => record.refuse(refusal())));
    for (let index = 0; index < 5; index++) record.outcome(outcome());
    expect(Object.fromEntries(record.notWritten())).toEqual({
      overloaded: 2,
      'record-unavailable': 3,
      'token-expired': 5,
      outcome: 3,
    });
    database.relay.restore();
    expect(await record.flush(3_000)).toBe(true);
    expect(record.notWritten().get('token-expired')).toBe(2);
    expect(callsIn(await chainOf(record)).length).toBe(5);
  });

  test('trap 23: a silent network is given up, and loses neither order nor rows', async () => {
    const record = open({ commitTimeoutMs: 600 });
    await until('it is ready', async () => (await record.ready()).ok);
    database.relay.freeze();
    const event = decision();
    expect(await record.decide(event)).toBe('unavailable');
    record.outcome(outcome());
    // The connection in use is given up after 1.1 s; a new one hangs until the network is back.
    await until('the frozen client is cut', async () => !(await record.ready()).ok);
    database.relay.restore();
    expect(await record.flush(6_000)).toBe(true);
    const chain = await chainOf(record);
    expect(verifyChain(chain)).toBeNull();
    // The decision's fate was unknown, so the record holds it, and says that nothing was forwarded.
    expect(chain.filter(({ callId }) => callId === event.callId).map(({ result }) => result)).toEqual([
      'allowed',
      'not-forwarded',
    ]);
    expect(record.notWritten()).toEqual(new Map());
  });

  test('trap 23: a server that ends the idle connection is connected to again, and does not end the process', async () => {
    const record = open();
    await record.decide(decision());
    const sessions = async () => {
      const { rows } = await database.owner.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE application_name = 'ideogate-append' AND datname = current_database()`,
      );
      return rows.map(({ pid }) => pid);
    };
    const [before] = await sessions();
    await database.owner.query('SELECT pg_terminate_backend($1)', [before]);
    await until('there is another session', async () => {
      const now = await sessions();
      return now.length > 0 && !now.includes(before ?? 0);
    });
    expect(await record.decide(decision())).toBe('committed');
    expect(verifyChain(await chainOf(record))).toBeNull();
  });
});

describe('a commit whose answer is lost', () => {
  test('is found by reading back: no row twice, none missing, chain unbroken (E.51)', async () => {
    const record = open({ commitTimeoutMs: 3_000 });
    await record.decide(decision());
    database.relay.swallowAnswers();
    const swallowed = database.relay.swallowed();
    const events = Array.from({ length: 20 }, () => decision());
    const answers = events.map((event) => record.decide(event));
    await until('the answer to the commit is swallowed', () => database.relay.swallowed() > swallowed);
    await until('the first rows are there', async () => (await chainOf(record)).length > 1);
    database.relay.cut();
    database.relay.restore();
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['committed']));
    const chain = await chainOf(record);
    expect(callsIn(chain).length).toBe(21);
    expect(new Set(callsIn(chain).map(({ callId }) => callId)).size).toBe(21);
    expect(verifyChain(chain)).toBeNull();
  });

  test('trap 34: and that commits only later is waited for by the reading back', async () => {
    // Rows of `slow` stay inside Postgres, sent but not committed, while the test holds lock 42.
    await database.owner.query(`
      CREATE FUNCTION ideogate.hold_slow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NEW; END $$;
      CREATE TRIGGER hold_slow BEFORE INSERT ON ideogate.audit_event FOR EACH ROW
        WHEN (NEW.subject = 'slow') EXECUTE FUNCTION ideogate.hold_slow();
      SELECT pg_advisory_lock(42)`);
    try {
      const record = open({ commitTimeoutMs: 2_000 });
      await record.decide(decision());
      const answer = record.decide(decision({ subject: 'slow' }));
      await until('the batch waits in Postgres', async () => (await lockWaiters()) === 1);
      database.relay.cut();
      database.relay.restore();
      await until('the reading back waits for the batch', async () => {
        const { rows } = await database.owner.query(
          `SELECT FROM pg_stat_activity WHERE application_name = 'ideogate-read-back'
           AND datname = current_database() AND wait_event = 'advisory'`,
        );
        return rows.length === 1;
      });
      await database.owner.query('SELECT pg_advisory_unlock(42)');
      expect(await answer).toBe('committed');
      const chain = await chainOf(record);
      expect(callsIn(chain).length).toBe(2);
      expect(verifyChain(chain)).toBeNull();
    } finally {
      await database.owner.query('SELECT pg_advisory_unlock_all()');
      await database.owner.query('DROP FUNCTION ideogate.hold_slow CASCADE');
    }
  });

  test('trap 34: and whose batch arrives only after the reading back found nothing still has no row twice (E.51)', async () => {
    const record = open({ commitTimeoutMs: 2_000 });
    await record.decide(decision());
    // The append waits for the table before it takes the writer's lock: the reading back sees nothing, and resends.
    await database.owner.query('BEGIN');
    try {
      await database.owner.query('LOCK TABLE ideogate.audit_event IN SHARE MODE');
      const answer = record.decide(decision());
      await until('the batch waits for the table', async () => (await lockWaiters('relation')) === 1);
      database.relay.cut();
      database.relay.restore();
      await until('it is sent again', async () => (await lockWaiters('relation')) === 2);
      await database.owner.query('COMMIT');
      expect(await answer).toBe('committed');
    } finally {
      await database.owner.query('ROLLBACK');
    }
    const chain = await chainOf(record);
    expect(callsIn(chain).length).toBe(2);
    expect(verifyChain(chain)).toBeNull();
  });

  /** A decision and a gap that is closed ride together, are in doubt, and come again after `meanwhile`. */
  async function sentAgain(call: DecisionEvent, meanwhile: () => Promise<void>): Promise<AuditWriter> {
    const record = open({ commitTimeoutMs: 3_000 });
    await record.decide(call);
    await database.owner.query('BEGIN');
    try {
      await database.owner.query('LOCK TABLE ideogate.audit_event IN SHARE MODE');
      record.closeGap(call, 'database-away');
      // Behind the gap in the batch.
      const answer = record.decide(decision({ atMicros: nowMicros() + 1_000_000n }));
      await until('the batch waits for the table', async () => (await lockWaiters('relation')) === 1);
      const release = await holdLock(record);
      database.relay.reset();
      await until('the reading back waits', waitsForLock);
      database.relay.freeze();
      await release();
      // It holds the lock until it has found nothing.
      await until('it looks', async () => !(await waitsForLock()));
      await meanwhile();
      database.relay.restore();
      expect(await answer).toBe('committed');
    } finally {
      await database.owner.query('ROLLBACK');
    }
    expect(await record.flush(2_000)).toBe(true);
    expect([verifyChain(await chainOf(record)), record.notWritten()]).toEqual([null, new Map()]);
    return record;
  }

  test('trap 34: nor has what rode with a gap that the late batch closed itself (E.51)', async () => {
    const call = decision();
    const record = await sentAgain(call, async () => {
      await database.owner.query('COMMIT');
      await until('the first attempt is there', async () => {
        const { rows } = await database.owner.query(
          `SELECT FROM ideogate.audit_event WHERE call_id = $1 AND kind = 'outcome'`,
          [call.callId],
        );
        return rows.length === 1;
      });
    });
    const kinds = callsIn(await chainOf(record)).map(({ kind }) => kind);
    expect(kinds.toSorted()).toEqual(['decision', 'decision', 'outcome']);
  });

  test('and whose batch never arrives is written without the gap that another closed meanwhile', async () => {
    const call = decision();
    const record = await sentAgain(call, async () => {
      await database.owner.query(
        `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'relation' AND NOT granted
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      );
      await database.owner.query('COMMIT');
      const other = open({ appendUrl: database.appendUrl });
      other.closeGap(call, 'writer-died');
      expect(await other.flush(2_000)).toBe(true);
    });
    expect(callsIn(await chainOf(record)).map(({ kind }) => kind)).toEqual(['decision', 'decision']);
  });

  test('a decision that Postgres gave up at its time limit is dropped and counted, never written later', async () => {
    const record = open({ commitTimeoutMs: 300 });
    await record.decide(decision());
    const release = await holdLock(record);
    const event = decision();
    expect(await record.decide(event)).toBe('unavailable');
    await until('Postgres gives the statement up', async () => (await lockWaiters()) === 0);
    await release();
    expect(await record.decide(decision())).toBe('committed');
    const chain = await chainOf(record);
    expect(chain.map(({ callId }) => callId)).not.toContain(event.callId);
    expect(verifyChain(chain)).toBeNull();
    expect(record.notWritten()).toEqual(new Map([['record-unavailable', 1]]));
  });

  test('a decision that commits after its caller was answered 503 gets the outcome not-forwarded', async () => {
    const record = open({ commitTimeoutMs: 200 });
    expect(await record.flush(2_000)).toBe(true);
    database.relay.delayAnswers(350);
    const events = [decision(), decision()];
    expect(await Promise.all(events.map((event) => record.decide(event)))).toEqual([
      'unavailable',
      'unavailable',
    ]);
    database.relay.delayAnswers(0);
    expect(await record.flush(4_000)).toBe(true);
    for (const { callId } of events) {
      const results = (await chainOf(record))
        .filter((row) => row.callId === callId)
        .map(({ result }) => result);
      expect(results).toEqual(['allowed', 'not-forwarded']);
    }
    expect(record.notWritten()).toEqual(new Map());
  });
});

describe('rows that Postgres will not take', () => {
  test('trap 37: a bad row is isolated and counted; the others of its batch are written', async () => {
    await database.owner.query(
      `ALTER TABLE ideogate.audit_event ADD CONSTRAINT no_poison CHECK (subject IS DISTINCT FROM 'poison')`,
    );
    try {
      const record = open();
      await record.decide(decision());
      const release = await holdLock(record);
      const first = record.decide(decision());
      await until('a batch waits in Postgres', waitsForLock);
      const rest = Array.from({ length: 40 }, (_, index) =>
        record.decide(decision(index === 13 || index === 14 ? { subject: 'poison' } : {})),
      );
      const badRefusal = record.refuse(refusal({ subject: 'poison', reason: 'bad-one' }));
      record.outcome(outcome({ subject: 'poison' }));
      await release();
      expect(await first).toBe('committed');
      const answers = await Promise.all(rest);
      expect(answers.flatMap((answer, index) => (answer === 'committed' ? [] : [[index, answer]]))).toEqual([
        [13, 'unavailable'],
        [14, 'unavailable'],
      ]);
      expect(await badRefusal).toBe('late');
      expect(await record.flush(2_000)).toBe(true);
      expect(Object.fromEntries(record.notWritten())).toEqual({
        'record-unavailable': 2,
        'bad-one': 1,
        outcome: 1,
      });
      const chain = await chainOf(record);
      expect(callsIn(chain).length).toBe(40);
      expect(verifyChain(chain)).toBeNull();
    } finally {
      await database.owner.query('ALTER TABLE ideogate.audit_event DROP CONSTRAINT no_poison');
    }
  });

  test('trap 35: a month without a partition is an outage, not a bad row: nothing is lost when it comes', async () => {
    const farMicros = nowMicros() + 500n * 86_400_000_000n;
    const record = open({ now: () => farMicros, commitTimeoutMs: 300 });
    const kept = outcome({ atMicros: farMicros });
    record.outcome(kept);
    expect(await record.decide(decision({ atMicros: farMicros }))).toBe('unavailable');
    // On a busy machine a look may take longer than a call may wait here.
    await until('it says what it lacks', async () => {
      const { detail } = await record.ready();
      return detail === 'the record has partitions for 0 more days only';
    });
    const month = new Date(Number(farMicros / 1_000n)).toISOString().slice(0, 7);
    const [from, to] = [`${month}-01T00:00:00Z`, `${month}-28T23:59:59Z`];
    await database.owner.query(
      `CREATE TABLE ideogate.far PARTITION OF ideogate.audit_event FOR VALUES FROM ('${from}') TO ('${to}')`,
    );
    expect(await record.flush(3_000)).toBe(true);
    expect(callsIn(await chainOf(record)).map(({ callId }) => callId)).toEqual([kept.callId]);
    expect(record.notWritten()).toEqual(new Map([['record-unavailable', 1]]));
  });

  test.each([
    ['NUL, line breaks, direction marks', 'a\u0000b\r\nc\u202e\u2028\u0085d'],
    ['lone surrogates', '\ud800x\udfff'],
    ['text that looks escaped', String.raw`\u0000 \\u0000 \[5 more, sha256:0123456789abcdef]`],
    ['a very long field', '\u{1F600}'.repeat(50_000)],
    [
      'long text that does not compress',
      Array.from({ length: 9_000 }, (_, i) => String.fromCharCode(0x4e00 + ((i * 7_919) % 20_000))).join(''),
    ],
    ['SQL and array syntax', `'); DROP TABLE audit_event; -- {"a",NULL}`],
  ])('%s in every field neither stops nor loses a row (E.55)', async (_, text) => {
    const record = open();
    const everywhere = {
      issuer: text,
      subject: text,
      clientId: text,
      tokenId: text,
      actor: text,
      address: text,
      proxy: text,
      method: text,
      resource: text,
      operation: text,
      scopeNeeded: text,
      scopeHeld: text,
      rule: text,
      release: text,
      keyId: text,
      traceId: text,
      problem: text,
      reason: text,
    };
    const callId = newCallId();
    expect(await record.decide(decision({ ...everywhere, callId }))).toBe('committed');
    expect(await record.refuse(refusal(everywhere))).toBe('committed');
    const { issuer, subject, clientId, tokenId, operation, problem, reason } = everywhere;
    record.outcome(
      outcome({
        issuer,
        subject,
        clientId,
        tokenId,
        operation,
        problem,
        reason,
        callId,
        made: [text, text],
        promptDigest: text,
      }),
    );
    expect(await record.flush(2_000)).toBe(true);
    expect(record.notWritten()).toEqual(new Map());
    const chain = await chainOf(record);
    expect(callsIn(chain).length).toBe(3);
    expect(verifyChain(chain)).toBeNull();
  });

  test.each([Number.NaN, Infinity, -Infinity, -1, 1.5, 2 ** 31, 2 ** 53, 1e300])(
    'the number %d in every field neither stops nor loses a row (E.55)',
    async (number) => {
      const record = open();
      record.outcome(
        outcome({
          status: number,
          upstreamStatus: number,
          bytesSent: number,
          bytesReceived: number,
          firstByteMs: number,
          durationMs: number,
          images: number,
          costUsdMicros: number,
          promptLength: number,
        }),
      );
      expect(await record.refuse(refusal({ status: number }))).toBe('committed');
      expect(await record.flush(2_000)).toBe(true);
      const chain = await chainOf(record);
      expect(callsIn(chain).length).toBe(2);
      expect(verifyChain(chain)).toBeNull();
    },
  );
});

describe('stopping', () => {
  test('close writes what waits, and what it can not write is counted', async () => {
    const record = open();
    await record.decide(decision());
    record.outcome(outcome());
    await record.close(2_000);
    expect(callsIn(await chainOf(record)).length).toBe(2);
    expect(await record.decide(decision())).toBe('unavailable');

    database.relay.cut();
    const other = open();
    other.outcome(outcome());
    await other.close(50);
    expect(other.notWritten()).toEqual(
      new Map([
        ['outcome', 1],
        ['notice', 1],
      ]),
    );
    expect(other.waiting()).toBe(0);
  });

  test('a frozen network does not hold up a close', async () => {
    const record = open();
    await until('it is ready', async () => (await record.ready()).ok);
    database.relay.freeze();
    record.outcome(outcome());
    const before = performance.now();
    await record.close(100);
    expect(performance.now() - before).toBeLessThan(1_500);
  });
});
