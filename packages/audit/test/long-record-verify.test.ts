import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { AuditWriter } from '../src/append/index.ts';
import { topUpPartitions } from '../src/index.ts';
import {
  InterruptedError,
  type VerifyOptions,
  type VerifyReport,
  verifyRecord,
} from '../src/verify/index.ts';
import { at } from './month-of-calls.ts';
import { archiveThen, exportThen, keysIn, signThen } from './record-of-then.ts';
import { decision, outcome, refusal } from './events-under-test.ts';
import { openWriter, type RecordDatabase, recordDatabase } from './record-under-test.ts';

/** A record of its own for each test, in 2030. */
let database: RecordDatabase;
let folder: string;
let now: string;

beforeEach(async () => {
  database = await recordDatabase();
  folder = await mkdtemp(join(tmpdir(), 'ideogate-long-record-'));
  now = '2030-01-10T00:00:00Z';
  await topUpPartitions(database.ownerUrl, at('2030-02-01T00:00:00Z'));
});
afterEach(async () => {
  await database.close();
  await rm(folder, { recursive: true });
});

const clock = () => at(now);
const then = () => ({ database, folder, now: clock });
const open = () => openWriter(database, { now: clock });

async function call(record: AuditWriter): Promise<void> {
  const call_ = decision({ atMicros: clock() });
  await record.decide(call_);
  record.outcome(outcome({ callId: call_.callId, atMicros: clock() }));
}

function sign(time: string): Promise<void> {
  now = time;
  return signThen(then());
}

function archiveJanuary(time: string): Promise<string> {
  now = time;
  return archiveThen(then(), '2030-01');
}

function exported(time: string): Promise<string> {
  now = time;
  return exportThen(then(), 'export.ndjson');
}

function verify(files: readonly string[], changes: Partial<VerifyOptions> = {}): Promise<VerifyReport> {
  return verifyRecord({
    keys: keysIn(folder).publicKeys(),
    source:
      files.length > 0
        ? { kind: 'files', files }
        : { kind: 'database', readUrl: database.readUrl, archives: [] },
    kept: [],
    gapAfterMs: 60_000,
    now: () => at('2030-12-01T00:00:00Z'),
    ...changes,
  });
}

test('an export has all checkpoints there are, however many', async () => {
  const record = open();
  for (let times = 0; times < 55; times++) {
    await call(record);
    await record.flush(5_000);
    await sign(`2030-01-10T00:${String(times).padStart(2, '0')}:30Z`);
  }
  await record.close(5_000);
  const lines = (await readFile(await exported('2030-01-10T02:00:00Z'), 'utf8')).split('\n');
  expect(lines.filter((line) => line.startsWith('{"checkpoint"'))).toHaveLength(110);
}, 60_000);

test('more events than are remembered, in an export and in an archive, are told once', async () => {
  const record = open();
  await Promise.all(Array.from({ length: 21_000 }, () => record.refuse(refusal({ atMicros: clock() }))));
  await record.close(20_000);
  await sign('2030-01-10T00:10:00Z');
  await sign('2030-03-10T00:00:00Z');
  const file = await exported('2030-03-10T00:00:00Z');
  const january = await archiveJanuary('2030-03-10T01:00:00Z');
  await sign('2030-03-10T02:00:00Z');
  await exported('2030-03-10T03:00:00Z');
  const whole = await verify([file]);
  expect(whole).toMatchObject({ ok: true, faults: [] });
  expect(await verify([file, january])).toEqual(whole);

  // Gone on with, what came before isn't remembered at all.
  const resume = join(folder, 'state');
  const over = new AbortController();
  const onProgress = ({ events }: { events: number }) => {
    if (events > 5_000) over.abort();
  };
  const stopped = verify([file, january], { resume, signal: over.signal, onProgress });
  await expect(stopped).rejects.toThrow(InterruptedError);
  expect(await verify([file, january], { resume })).toEqual(whole);
}, 60_000);

test('what a writer wrote right before a pause of months is fixed by the first checkpoint after it', async () => {
  const record = open();
  await sign('2030-01-30T00:00:00Z');
  now = '2030-01-30T00:00:20Z';
  await call(record);
  await record.close(5_000);
  await sign('2030-04-05T00:00:00Z');
  await archiveJanuary('2030-04-05T01:00:00Z');
  await sign('2030-04-05T02:00:00Z');
  expect(await verify([])).toMatchObject({ ok: true, reported: { archived: ['2030-01'] } });
});

test('a call that was open when a verification began is no gap of it, however late it is gone on with', async () => {
  const writers = [open(), open()];
  // The one whose events are read first: they aren't read again.
  const [record, other] = writers.toSorted((a, b) => a.writer.localeCompare(b.writer));
  if (record === undefined || other === undefined) throw new Error('two were opened');
  await call(other);
  await other.flush(5_000);
  const pending = decision({ atMicros: clock() });
  await record.decide(pending);
  await record.flush(5_000);
  await sign('2030-01-10T00:00:10Z');
  const resume = join(folder, 'state');
  const began = { resume, signal: AbortSignal.abort(), now: () => at('2030-01-10T00:00:20Z') };
  await expect(verify([], began)).rejects.toThrow(InterruptedError);
  record.outcome(outcome({ callId: pending.callId, atMicros: clock() }));
  await record.close(5_000);
  await other.close(5_000);
  const later = await verify([], { resume, now: () => at('2030-01-10T01:00:00Z') });
  expect(later).toMatchObject({ ok: true, reported: { open: 1 } });
});

test('a chain that misses its beginning within the month of an archive is found', async () => {
  const record = open();
  await sign('2030-01-10T00:00:10Z');
  for (const day of ['15', '20', '25']) {
    now = `2030-01-${day}T00:00:00Z`;
    await call(record);
    await record.flush(5_000);
    await sign(`2030-01-${day}T00:00:30Z`);
  }
  await record.close(5_000);
  await sign('2030-04-05T00:00:00Z');
  const january = await archiveJanuary('2030-04-05T01:00:00Z');
  expect(await verify([january])).toMatchObject({ ok: true });
  const lines = gunzipSync(await readFile(january))
    .toString()
    .split('\n');
  const beheaded = join(folder, 'beheaded.ndjson');
  await writeFile(beheaded, lines.filter((line) => !/"seq":"[1-5]"/.test(line)).join('\n'));
  const { faults } = await verify([beheaded]);
  expect(faults.map(({ fault, writer, seq }) => [fault, writer, seq])).toEqual([
    ['removed', record.writer, 5],
  ]);
});
