import { readFileSync } from 'node:fs';
import { parseCallId } from '@ideogate/contract';
import type { Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AuditWriter, writeNotice } from '../src/append/index.ts';
import { openReadPool } from '../src/index.ts';
import { decision, nowMicros, outcome, refusal } from './events-under-test.ts';
import { OPENING, openWriter, type RecordDatabase, recordDatabase } from './record-under-test.ts';

const PAGE = readFileSync(new URL('../../../docs/audit.md', import.meta.url), 'utf8');
const [, SECTION = ''] = /<!-- questions -->\n([^]*?)<!-- \/questions -->/.exec(PAGE) ?? [];
/** Question and statement, as the page has them. */
const QUESTIONS = [
  ...SECTION.matchAll(/^\*\*([0-9]+\. [^*]+)\*\*[^`]*?(?:`[^`]+`[^`]*?)*```sql\n([^]*?)```/gm),
].map(([, question = '', sql = '']) => ({ question, sql }));

let database: RecordDatabase;
let record: AuditWriter;
let pool: Pool;

/** A small day: what the page asks about has happened, and as much that it doesn't ask about. */
beforeAll(async () => {
  database = await recordDatabase();
  const logins = { appendUrl: database.appendUrl, readUrl: database.readUrl };
  record = openWriter(logins);
  pool = openReadPool(database.readUrl);
  const callId = parseCallId('01932c07-7c00-7000-8000-000000000001');
  const caller = { subject: 'reports', tokenId: 'jti-of-the-token' };
  const asked = decision({ ...caller, ...(callId && { callId }), keyId: 'key_0123456789abcdef' });
  await record.decide(asked);
  record.outcome(outcome({ ...caller, callId: asked.callId }));
  await record.refuse(refusal({ subject: null, tokenId: null, address: '192.0.2.7' }));
  await record.refuse(
    refusal({
      ...caller,
      tokenId: 'jti-other',
      reason: 'grant-lacks-scope',
      status: 403,
      operation: 'v3.edit',
    }),
  );
  await record.decide(decision({ subject: 'runs-still' }));
  const lost = decision({ subject: 'was-lost' });
  await record.decide(lost);
  record.outcome(
    outcome({
      subject: 'was-lost',
      callId: lost.callId,
      result: 'unknown',
      reason: 'writer-died',
      costUsdMicros: null,
    }),
  );
  await record.flush(5_000);
  await writeNotice(
    { ...logins, opening: { ...OPENING, instance: 'a command' }, now: nowMicros },
    { result: 'record-read', subject: 'ann@laptop', operation: 'audit list', detail: { caller: 'reports' } },
  );
});
afterAll(async () => {
  await record.close(1_000);
  await pool.end();
  await database.close();
});

const REPORTS = { subject: 'reports' };
const ANSWERS: readonly (readonly object[])[] = [
  [{ ...REPORTS, operation: 'v3.generate', state: 'done', result: 'success' }],
  [{ reason: 'grant-lacks-scope' }, { operation: 'v3.generate', result: 'success' }],
  [
    { subject: 'reports', calls: '1', successes: '1' },
    { subject: 'runs-still', calls: '1', successes: '0' },
    { subject: 'was-lost', calls: '1', successes: '0' },
    { subject: null, calls: '1', successes: '0' },
  ],
  [
    { ...REPORTS, operation: 'v3.edit', reason: 'grant-lacks-scope', refusals: '1' },
    { subject: null, reason: 'token-expired', refusals: '1' },
  ],
  [{ address: '192.0.2.7', reason: 'token-expired', attempts: '1' }],
  [{ call_id: '01932c07-7c00-7000-8000-000000000001', state: 'done' }],
  [{ ...REPORTS, operation: 'v3.generate', calls: '1' }],
  [{ release: 'sha256:fake', rule: 'grants.yaml:3 write:limited', level: 'limited', calls: '1' }],
  [{ ...REPORTS, images: '1', dollars: '0.06000000000000000000' }],
  [
    { subject: 'runs-still', state: 'open' },
    { subject: 'was-lost', state: 'gap', reason: 'writer-died' },
  ],
  [{ reader: 'ann@laptop', command: 'audit list', detail: { caller: 'reports' } }],
  [
    { instance: 'a command', closed: expect.any(Date) },
    { instance: 'test', closed: null },
  ],
];

test('the page asks twelve questions', () => {
  expect(QUESTIONS.map(({ question }) => Number.parseInt(question, 10))).toEqual(
    Array.from({ length: 12 }, (_, index) => index + 1),
  );
});

test.each(QUESTIONS.map(({ question, sql }, index) => [question, sql, ANSWERS[index] ?? []] as const))(
  'the read login is told: %s',
  async (_, sql, answer) => {
    const { rows } = await pool.query<Record<string, unknown>>(sql);
    expect(rows).toEqual(
      expect.arrayContaining(answer.map((row) => expect.objectContaining(row) as unknown)),
    );
    expect(answer.length).toBeGreaterThan(0);
  },
);
