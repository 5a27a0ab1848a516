import { randomUUID } from 'node:crypto';
import { type AuditEvent, type CallId, parseCallId } from '@ideogate/contract';
import { openSession } from '@ideogate/postgres';
import type { Client } from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { eventColumns } from '../src/append/event-columns.ts';
import { appendEvents, writerLock } from '../src/append/event-store.ts';
import { chain, EMPTY_CHAIN } from '../src/chain/chain.ts';
import { nowMicros, outcome, refusal } from './events-under-test.ts';
import { openWriter } from './record-under-test.ts';
import {
  asSuperuser,
  event,
  exportOf,
  inDatabase,
  putBack,
  sample,
  short,
  signNow,
  tamper,
  useSample,
  verify,
} from './verify-sample.ts';

useSample();

describe('a call that nobody told the end of', () => {
  const removeOutcome = (client: Client) =>
    client.query(`DELETE FROM ideogate.audit_event WHERE ${event(sample.open, 21)}`);

  test('is no fault within its bound, and a gap after it', async () => {
    await tamper(removeOutcome);
    const soon = await verify(inDatabase(sample.whole), { gapAfterMs: 3_600_000 });
    expect(soon).toMatchObject({ ok: true, reported: { open: 1, tail: 3 } });
    const later = await verify(inDatabase(sample.whole), { gapAfterMs: 0 });
    expect(later.faults.map(short)).toEqual([['gap', sample.open, 20]]);
    const file = await exportOf(sample.whole);
    const later2 = await verify({ kind: 'files', files: [file] }, { gapAfterMs: 0 });
    expect(later2.faults.map(short)).toEqual([['gap', sample.open, 20]]);
  });

  test('is told when another writer says that nobody knows it, and is no fault then', async () => {
    const callId = await tamper(async (client) => {
      await removeOutcome(client);
      const { rows } = await client.query<{ call_id: string }>(
        `SELECT call_id FROM ideogate.audit_event WHERE ${event(sample.open, 20)}`,
      );
      return parseCallId(rows[0]?.call_id ?? '');
    });
    if (callId === undefined) throw new Error('no call');
    const closer = openWriter(sample.urls);
    closer.outcome(outcome({ callId, result: 'unknown', reason: 'writer-died' }));
    await closer.close(5_000);
    const report = await verify(inDatabase(sample.whole), { gapAfterMs: 0 });
    expect(report).toMatchObject({ ok: true, reported: { open: 0, unknown: 1 } });
  });
});

describe('an outcome that its writer did not write', () => {
  const callOf = async (name: string, place: string): Promise<CallId> => {
    const { rows } = await asSuperuser(name, (client) =>
      client.query<{ call_id: string }>(`SELECT call_id FROM ideogate.audit_event WHERE ${place}`),
    );
    const callId = parseCallId(rows[0]?.call_id ?? '');
    if (callId === undefined) throw new Error('no call');
    return callId;
  };

  const about = (result: 'writer-opened' | 'writer-closed'): AuditEvent => ({
    kind: 'notice',
    result,
    atMicros: nowMicros(),
    environment: 'staging',
    release: null,
    subject: null,
    operation: null,
    problem: null,
    reason: null,
    keyId: null,
    detail: {},
  });

  /** A sound chain by whoever has the append login, who asks nobody whether a gap is closed. @returns its writer */
  async function forge(appendUrl: string, events: readonly AuditEvent[]): Promise<string> {
    const writer = randomUUID();
    const timed = events.map((each) => ({ columns: eventColumns(each), atMicros: nowMicros() }));
    const timeouts = { connectMs: 5_000, statementMs: 5_000, graceMs: 500 };
    const session = await openSession(appendUrl, 'forger', timeouts);
    await appendEvents(session, writerLock(writer), chain(writer, EMPTY_CHAIN, timed), []);
    await session.end();
    return writer;
  }

  const twelfth = () => event(sample.open, 12);
  const refused = () => `kind = 'decision' AND result = 'refused'`;
  test.each([
    ['beside the true one', twelfth, ['failed']],
    ['beside the true one, under cover of an unknown one', twelfth, ['unknown', 'failed']],
    ['of a refused call', refused, ['completed']],
  ] as const)('is found: %s', async (_, place, results) => {
    onTestFinished(() => putBack(sample.whole));
    const callId = await callOf(sample.whole, place());
    const forger = await forge(sample.urls.appendUrl, [
      about('writer-opened'),
      ...results.map((result) => outcome({ callId, result })),
      about('writer-closed'),
    ]);
    // The signer cannot know a forger, who begins and ends as any writer does.
    await signNow(sample.urls, sample.keyFile);
    const found = [['inserted', forger, 1 + results.length]];
    expect((await verify(inDatabase(sample.whole))).faults.map(short)).toEqual(found);
    const file = await exportOf(sample.whole);
    expect((await verify({ kind: 'files', files: [file] })).faults.map(short)).toEqual(found);
  });

  test('is found in the place of the true one, which was cut off', async () => {
    await tamper((client) =>
      client.query(`DELETE FROM ideogate.audit_event WHERE ${event(sample.open, 21)}`),
    );
    const callId = await callOf(sample.whole, event(sample.open, 20));
    const forger = openWriter(sample.urls);
    forger.outcome(outcome({ callId }));
    await forger.close(5_000);
    const { faults } = await verify(inDatabase(sample.whole));
    expect(faults.map(short)).toContainEqual(['inserted', forger.writer, 2]);
  });
});

test('a chain of long ago that the last checkpoint does not know is none of the record', async () => {
  onTestFinished(() => putBack(sample.whole));
  const longAgo = () => nowMicros() - 11n * 86_400_000_000n;
  const record = openWriter(sample.urls, { now: longAgo });
  await record.refuse(refusal({ atMicros: longAgo() }));
  await record.close(5_000);
  const file = await exportOf(sample.whole);
  for (const source of [inDatabase(sample.whole), { kind: 'files' as const, files: [file] }])
    expect((await verify(source)).faults.map(short)).toEqual([['inserted', record.writer, 1]]);
});
