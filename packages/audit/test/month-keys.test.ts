import { createDecipheriv, createHmac, type KeyObject } from 'node:crypto';
import type { CallId } from '@ideogate/contract';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { writeNotice } from '../src/append/index.ts';
import {
  forgetMonth,
  type Month,
  type MonthKeys,
  openMonthKeys,
  parseMonth,
  readKeptPrompt,
  verifyChain,
} from '../src/index.ts';
import { readChain } from './chain-of.ts';
import { decision, nowMicros, outcome } from './events-under-test.ts';
import { OPENING, openWriter, type RecordDatabase, recordDatabase, until } from './record-under-test.ts';

const SECRET = 'fake-installation-secret';
const DAY_MICROS = 86_400_000_000n;
const at = (time: string) => BigInt(Date.parse(time)) * 1_000n;
const month = (text: string): Month => parseMonth(text) ?? expect.fail(`${text} is no month`);
const digest = (key: KeyObject | null) =>
  key === null ? null : createHmac('sha256', key).update('a lighthouse at dawn').digest('hex');

let database: RecordDatabase;
const open: MonthKeys[] = [];

beforeAll(async () => {
  database = await recordDatabase();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((keys) => keys.stop()));
});
afterAll(async () => {
  await database.close();
});

async function keysAt(
  now: () => bigint,
  options: { secret?: string; appendUrl?: string; onFault?: (error: unknown) => void } = {},
): Promise<MonthKeys> {
  const keys = await openMonthKeys({
    appendUrl: database.appendUrl,
    secret: SECRET,
    environment: 'staging',
    now,
    onFault: (error) => expect.fail(String(error)),
    ...options,
  });
  open.push(keys);
  return keys;
}

const wrappedKeys = async () => {
  const { rows } = await database.owner.query<{ month: string; wrapped: Buffer | null }>(
    'SELECT month::text, wrapped FROM ideogate.month_key ORDER BY month',
  );
  return rows;
};

describe('the keys of the months', () => {
  test('are the same in all replicas that start at once, and others in another month', async () => {
    const replicas = await Promise.all(
      Array.from({ length: 6 }, () => keysAt(() => at('2031-01-15T00:00:00Z'))),
    );
    const digests = (time: string) =>
      new Set(replicas.map((keys) => digest(keys.digestKey(at(time))))).values().toArray();
    const [january, ...others] = digests('2031-01-31T23:59:59.999Z');
    const [february, ...more] = digests('2031-02-01T00:00:00Z');
    expect([...others, ...more]).toEqual([]);
    expect(january).toMatch(/^[0-9a-f]{64}$/);
    expect(february).toMatch(/^[0-9a-f]{64}$/);
    expect(february).not.toBe(january);
  });

  test('outlast a restart, and are in memory before their month begins and a day after its end', async () => {
    const before = await keysAt(() => at('2031-03-31T12:00:00Z'));
    const after = await keysAt(() => at('2031-04-01T12:00:00Z'));
    for (const time of ['2031-03-31T23:00:00Z', '2031-04-01T00:00:00Z']) {
      expect(digest(before.digestKey(at(time)))).not.toBeNull();
      expect(digest(after.digestKey(at(time)))).toBe(digest(before.digestKey(at(time))));
    }
    expect(after.digestKey(at('2031-02-28T00:00:00Z'))).toBeNull();
  });

  test('are not in the database: with another secret, in another environment or month, they do not open', async () => {
    const now = () => at('2031-06-15T00:00:00Z');
    await keysAt(now);
    await expect(keysAt(now, { secret: 'fake-other-secret' })).rejects.toThrow(/2031-06.*another secret/);
    await database.owner.query(
      `UPDATE ideogate.month_key SET wrapped = (SELECT wrapped FROM ideogate.month_key WHERE month = '2031-06-01')
       WHERE month = '2031-07-01'`,
    );
    await expect(keysAt(now)).rejects.toThrow(/2031-07.*another secret/);
  });

  test('are nothing that the logins can read or change in the table', async () => {
    const denied = async (url: string, statement: string) => {
      const client = new Client({ connectionString: url });
      await client.connect();
      const code = await client.query(statement).then(
        () => 'done',
        (error: { code?: string }) => error.code,
      );
      await client.end();
      return code;
    };
    const forbidden = '42501';
    const statements = [
      'SELECT wrapped FROM ideogate.month_key',
      'DELETE FROM ideogate.month_key',
      `UPDATE ideogate.month_key SET wrapped = NULL`,
      `INSERT INTO ideogate.month_key (month) VALUES ('2020-01-01')`,
    ];
    for (const statement of statements) {
      expect([statement, await denied(database.appendUrl, statement)]).toEqual([statement, forbidden]);
      expect([statement, await denied(database.readUrl, statement)]).toEqual([statement, forbidden]);
    }
    expect(await denied(database.readUrl, `SELECT ideogate.month_key_of('2031-01-01', NULL)`)).toBe(
      forbidden,
    );
  });

  test('are asked for until the database answers', async () => {
    const { relay, relayedAppendUrl } = database;
    relay.cut();
    const faults: unknown[] = [];
    const keys = await keysAt(() => at('2031-09-15T00:00:00Z'), {
      appendUrl: relayedAppendUrl,
      onFault: (error) => faults.push(error),
    });
    expect(keys.digestKey(at('2031-09-15T00:00:00Z'))).toBeNull();
    expect(faults).toHaveLength(1);
    relay.restore();
    await until('the key is there', () => keys.digestKey(at('2031-09-15T00:00:00Z')) !== null);
  });
});

describe('forgetting a month', () => {
  const forget = (text: string, now: bigint, announce = () => Promise.resolve()) =>
    forgetMonth({ ownerUrl: database.ownerUrl, month: month(text), now: () => now, announce });

  test('destroys its key for good: nobody gets one for it any more, and the others stay', async () => {
    const before = await keysAt(() => at('2032-01-15T00:00:00Z'));
    const february = digest(before.digestKey(at('2032-02-01T00:00:00Z')));
    await forget('2032-01', at('2032-02-03T00:00:00Z'));
    const after = await keysAt(() => at('2032-02-01T12:00:00Z'));
    expect(after.digestKey(at('2032-01-31T23:00:00Z'))).toBeNull();
    expect(digest(after.digestKey(at('2032-02-01T00:00:00Z')))).toBe(february);
    expect((await wrappedKeys()).filter((row) => row.month === '2032-01-01')).toEqual([
      { month: '2032-01-01', wrapped: null },
    ]);
    await expect(forget('2032-01', at('2032-02-04T00:00:00Z'))).rejects.toMatchObject({
      fault: 'forgotten-already',
    });
  });

  test('is refused while a gateway may still use the key', async () => {
    await keysAt(() => at('2032-05-15T00:00:00Z'));
    const end = at('2032-06-01T00:00:00Z');
    for (const now of [end - 1n, end + 2n * DAY_MICROS - 1n]) {
      await expect(forget('2032-05', now)).rejects.toMatchObject({ fault: 'not-over' });
    }
    expect((await wrappedKeys()).find((row) => row.month === '2032-05-01')?.wrapped).toHaveLength(60);
  });

  test('destroys nothing that is not on record first', async () => {
    await keysAt(() => at('2032-08-15T00:00:00Z'));
    const unwritten = () => Promise.reject(new Error('no row'));
    await expect(forget('2032-08', at('2032-10-01T00:00:00Z'), unwritten)).rejects.toThrow('no row');
    expect((await wrappedKeys()).find((row) => row.month === '2032-08-01')?.wrapped).toHaveLength(60);
  });

  test('leaves the chain as it was, with the notice that says so', async () => {
    const begun = nowMicros();
    // The month must not end in between.
    const now = () => begun;
    const keys = await keysAt(now);
    const { appendUrl, readUrl, owner } = database;
    const record = openWriter({ appendUrl, readUrl }, { now });
    const call = decision();
    await record.decide(call);
    record.outcome(outcome({ callId: call.callId, promptDigest: digest(keys.digestKey(now())) }));
    await record.close(5_000);
    const thisMonth = new Date(Number(begun / 1_000n)).toISOString().slice(0, 7);
    await forget(thisMonth, now() + 40n * DAY_MICROS, () =>
      writeNotice(
        { appendUrl, readUrl, opening: OPENING, now },
        {
          result: 'month-forgotten',
          subject: 'somebody@test',
          operation: 'audit forget',
          detail: { month: thisMonth },
        },
      ),
    );
    const { rows } = await owner.query<{ writer: string; notices: number }>(
      `SELECT writer, count(*) FILTER (WHERE result = 'month-forgotten')::int AS notices
       FROM ideogate.audit_event GROUP BY writer ORDER BY notices`,
    );
    expect(rows.map(({ notices }) => notices)).toEqual([0, 1]);
    for (const { writer } of rows) expect(verifyChain(await readChain(owner, writer))).toBeNull();
    expect(await readChain(owner, record.writer)).toHaveLength(4);
  });
});

describe('a prompt that the record keeps', () => {
  const PROMPT = 'a lighthouse at dawn, \u{1f3ee}';
  const JUNE = at('2033-06-15T12:00:00Z');
  const read = (sealed: string, callId = decision().callId, changes: { secret?: string } = {}) =>
    readKeptPrompt({
      appendUrl: database.appendUrl,
      secret: SECRET,
      environment: 'staging',
      callId,
      sealed,
      ...changes,
    });
  const seal = async (callId: CallId, prompt: string) =>
    (await keysAt(() => JUNE)).sealPrompt(JUNE, callId, prompt) ?? expect.fail('there is no key');

  test('is read with the secret of its installation, and beside its own call alone', async () => {
    const [mine, other] = [decision().callId, decision().callId];
    const sealed = await seal(mine, PROMPT);
    expect(sealed).not.toBe(await seal(mine, PROMPT));
    expect(await read(sealed, mine)).toEqual({ state: 'readable', text: PROMPT });
    expect(await read(sealed, other)).toEqual({ state: 'unreadable' });
    expect(await read(sealed, mine, { secret: 'another-fake-secret' })).toEqual({ state: 'unreadable' });
    expect(await read(sealed.replace('2033-06', '2033-07'), mine)).toEqual({ state: 'unreadable' });
    for (const other of ['', '2033-06:', '2033-06:AAAA', 'no month at all', `${sealed.slice(0, -6)}AAAAAA`])
      expect(await read(other, mine)).toEqual({ state: 'unreadable' });
  });

  test('is cut behind a whole character, at 4,096 bytes', async () => {
    const { callId } = decision();
    const long = `${'x'.repeat(4_095)}\u{e9}${'y'.repeat(100_000)}`;
    const sealed = await seal(callId, long);
    expect(sealed.length).toBeLessThan(6_000);
    expect(await read(sealed, callId)).toEqual({ state: 'readable', text: 'x'.repeat(4_095) });
  });

  test('is under a key of its own, and not the one of digests', async () => {
    const keys = await keysAt(() => JUNE);
    const { callId } = decision();
    const sealed = keys.sealPrompt(JUNE, callId, PROMPT) ?? expect.fail('there is no key');
    const bytes = Buffer.from(sealed.slice(8), 'base64');
    const decipher = createDecipheriv(
      'aes-256-gcm',
      keys.digestKey(JUNE) ?? expect.fail('there is no key'),
      bytes.subarray(0, 12),
    )
      .setAAD(Buffer.from(`2033-06 ${callId} prompt`))
      .setAuthTag(bytes.subarray(-16));
    decipher.update(bytes.subarray(12, -16));
    expect(() => decipher.final()).toThrow(/authenticate/);
  });

  test('is gone with its key, and the chain that holds it is whole', async () => {
    const { appendUrl, readUrl, owner } = database;
    const record = openWriter({ appendUrl, readUrl });
    const call = decision();
    const promptSealed = await seal(call.callId, PROMPT);
    await record.decide(call);
    record.outcome(outcome({ callId: call.callId, promptSealed, promptLength: PROMPT.length }));
    await record.close(5_000);
    const before = await readChain(owner, record.writer);
    expect(before.find(({ kind }) => kind === 'outcome')?.promptSealed).toBe(promptSealed);
    expect(await read(promptSealed, call.callId)).toMatchObject({ state: 'readable' });
    await forgetMonth({
      ownerUrl: database.ownerUrl,
      month: month('2033-06'),
      now: () => at('2033-07-10T00:00:00Z'),
      announce: async () => {},
    });
    expect(await read(promptSealed, call.callId)).toEqual({ state: 'forgotten', month: '2033-06' });
    expect(await readChain(owner, record.writer)).toEqual(before);
    expect(verifyChain(before)).toBeNull();
    await owner.query(
      `UPDATE ideogate.audit_event SET prompt_sealed = NULL WHERE prompt_sealed IS NOT NULL AND writer = $1`,
      [record.writer],
    );
    expect(verifyChain(await readChain(owner, record.writer))).toMatchObject({ fault: 'altered' });
  });
});

test('a notice that the record does not take is an error', async () => {
  const { readUrl, relay, relayedAppendUrl } = database;
  relay.cut();
  try {
    await expect(
      writeNotice(
        { appendUrl: relayedAppendUrl, readUrl, opening: OPENING, now: nowMicros },
        { result: 'month-forgotten', subject: null, operation: null, detail: {} },
      ),
    ).rejects.toThrow(/does not take a row/);
  } finally {
    relay.restore();
  }
}, 20_000);
