import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hashEvent } from '../src/chain/chain.ts';
import { checkpointLine, eventLine, headerLine, LINE_TEXTS, readLine } from '../src/chain/ndjson.ts';
import { readChain } from './chain-of.ts';
import { decision, outcome } from './events-under-test.ts';
import { openWriter, type RecordDatabase, recordDatabase } from './record-under-test.ts';

let database: RecordDatabase;
beforeAll(async () => {
  database = await recordDatabase();
});
afterAll(async () => {
  await database.close();
});

test('an event’s line without its hash is what was hashed, whatever its texts hold', async () => {
  const record = openWriter(database);
  await record.decide(decision({ subject: 'quote " backslash \\ feed \n tab \t bell \u0007 DEL \u007f' }));
  await record.decide(decision({ resource: '\u0000 é 汉 😀 \ud800 \u2028', tokenId: null }));
  for (let more = 0; more < 8; more++) await record.decide(decision());
  record.outcome(outcome({ made: ['a "b"', '\\', 'é😀\u0001', ''], safe: false, reason: '\t' }));
  await record.close(5_000);

  const { rows } = await database.owner.query<(string | null)[]>({
    text: `SELECT ${LINE_TEXTS} FROM ideogate.audit_event WHERE writer = $1 ORDER BY seq`,
    values: [record.writer],
    rowMode: 'array',
  });
  const chain = await readChain(database.owner, record.writer);
  expect(rows).toHaveLength(13);
  for (const [index, texts] of rows.entries()) {
    const line = readLine(eventLine(texts));
    if (line.kind !== 'event') throw new Error('not an event');
    const event = chain[index];
    if (event === undefined) throw new Error('no such event');
    expect(createHash('sha256').update(line.event.form).digest('hex')).toBe(hashEvent(event));
    expect(line.event.form).toBe(canonicalize(JSON.parse(line.event.form)));
    expect(line.event).toMatchObject({
      writer: record.writer,
      seq: index + 1,
      at: Number(event.atMicros),
      kind: event.kind,
      callId: event.callId,
      result: event.result,
      prevHash: event.prevHash,
      hash: event.hash,
    });
  }
});

test('a checkpoint and a header come back out of their lines as they went in', () => {
  const note = 'ideogate/staging\n1\n\n— ideogate/staging fake\n';
  expect(checkpointLine(note)).not.toContain('\n');
  expect(readLine(checkpointLine(note))).toEqual({ kind: 'checkpoint', note });
  const about = { at: '1700000000000000', environment: 'staging', month: '2023-11' };
  expect(readLine(headerLine('archive', about))).toEqual({ kind: 'archive', about });
  expect(readLine(headerLine('export', about))).toEqual({ kind: 'export', about });
});

test.each(['', 'x', 'null', '1', '{}', '{"checkpoint":1}', '{"writer":"a","hash":"00"}'])(
  'a line that is none of these is said to be unreadable: %s',
  (text) => {
    expect(readLine(text)).toEqual({ kind: 'unreadable' });
  },
);
