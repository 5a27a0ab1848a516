import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  archiveMonth,
  fileTarget,
  openCheckpointKeys,
  sendOutOnce,
  signCheckpoints,
  topUpPartitions,
  type VerifyReport,
  verifyRecord,
  writeNotice,
} from '../src/index.ts';
import { at, month, writeCalls } from './month-of-calls.ts';
import { OPENING, type RecordDatabase, recordDatabase } from './record-under-test.ts';

/** A record from January on, with signed checkpoints, whose January is archived and dropped. */
let database: RecordDatabase;
let folder: string;
let january: string;
/** Four writers: 6, 10, 6 and 3 events, the last of them the archiving's own. */
const EVENTS = 25;
const EVENTS_OF_JANUARY = 11;
const CHECKPOINTS = 6;

beforeAll(async () => {
  database = await recordDatabase();
  folder = await mkdtemp(join(tmpdir(), 'ideogate-archive-verify-'));
  await topUpPartitions(database.ownerUrl, at('2030-02-01T00:00:00Z'));
  await writeCalls(database, ['2030-01-05T10:00:00Z']);
  await signAt('2030-01-06T00:00:00Z');
  await writeCalls(database, ['2030-01-31T23:59:59Z', '2030-02-01T00:00:00Z']);
  await signAt('2030-02-01T00:00:30Z');
  await writeCalls(database, ['2030-03-01T00:00:00Z']);
  await signAt('2030-03-01T00:00:30Z');
  january = await archive('2030-01', '2030-06-01T00:00:00Z');
}, 60_000);
afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true });
});

const keys = () => openCheckpointKeys(join(folder, 'checkpoint-key'), 'ideogate.test/staging');

/** Two checkpoints, one when the signing begins and one when it ends. */
function signAt(time: string): Promise<void> {
  const now = () => at(time);
  const { appendUrl, readUrl } = database;
  return signCheckpoints({
    appendUrl,
    readUrl,
    environment: 'staging',
    keys: keys(),
    destinations: [],
    now,
  }).stop();
}

/** Archives a month as the command does, its notice written first. @returns the file */
async function archive(text: string, time: string, dieAt?: string): Promise<string> {
  const now = () => at(time);
  const { ownerUrl, appendUrl, readUrl } = database;
  const { file } = await archiveMonth({
    ownerUrl,
    environment: 'staging',
    folder,
    month: month(text),
    now,
    announce: (archived) =>
      writeNotice(
        { appendUrl, readUrl, opening: OPENING, now },
        {
          result: 'month-archived',
          subject: null,
          operation: 'audit archive',
          detail: { month: text, sha256: archived.sha256 },
        },
      ),
    onStep: (step) => {
      if (step === dieAt) throw new Error(`died at ${step}`);
    },
  });
  return join(folder, file);
}

function verify(archives: readonly string[], files: readonly string[] = []): Promise<VerifyReport> {
  return verifyRecord({
    keys: keys().publicKeys(),
    source:
      files.length > 0 ? { kind: 'files', files } : { kind: 'database', readUrl: database.readUrl, archives },
    kept: [],
    gapAfterMs: 60_000,
    now: () => at('2030-12-01T00:00:00Z'),
  });
}

test('with its archive the record is whole: every event of both is proved', async () => {
  expect(await verify([january])).toMatchObject({
    ok: true,
    events: EVENTS,
    checkpoints: CHECKPOINTS,
    faults: [],
    reported: { archived: [] },
  });
});

test('without its archive the rest is proved, and the month named that is not', async () => {
  expect(await verify([])).toMatchObject({
    ok: true,
    events: EVENTS - EVENTS_OF_JANUARY,
    faults: [],
    reported: { archived: ['2030-01'] },
  });
});

test('the notice of a month speaks for the file it names, not for other hashes that stand in it', async () => {
  const set = (sha256: string) =>
    database.owner.query(`UPDATE ideogate.archive SET sha256 = ${sha256} WHERE month = '2030-01-01'`);
  const { rows } = await database.owner.query<{ sha256: string }>(
    `SELECT encode(sha256, 'hex') AS sha256 FROM ideogate.archive WHERE month = '2030-01-01'`,
  );
  await set(`(SELECT prev_hash FROM ideogate.audit_event WHERE result = 'month-archived')`);
  const report = await verify([]);
  await set(`decode('${rows[0]?.sha256}', 'hex')`);
  expect(report).toMatchObject({ ok: false, faults: [{ fault: 'removed' }] });
});

test('an export made since says which month it lacks, and is whole with its archive', async () => {
  const file = join(folder, 'export.ndjson');
  await sendOutOnce(
    {
      readUrl: database.readUrl,
      target: fileTarget({ file, header: { atMicros: at('2030-06-02T00:00:00Z'), environment: 'staging' } }),
      name: `export ${file}`,
      now: () => at('2030-06-02T00:00:00Z'),
    },
    new AbortController().signal,
  );
  const { ok, faults, reported } = await verify([], [file]);
  expect({ ok, faults: faults.map(({ fault, seq }) => [fault, seq]), archived: reported.archived }).toEqual({
    ok: false,
    faults: [
      ['removed', 1],
      ['cut-off', 1],
    ],
    archived: ['2030-01'],
  });
  expect(await verify([], [file, january])).toMatchObject({
    ok: true,
    events: EVENTS,
    checkpoints: CHECKPOINTS,
    reported: { archived: [] },
  });
});

test('the archive alone is whole, with the checkpoints that are in it', async () => {
  expect(await verify([], [january])).toMatchObject({ ok: true, events: EVENTS_OF_JANUARY, checkpoints: 3 });
});

test('the archive alone shows that the end of a chain was cut off, which its checkpoints fix', async () => {
  const lines = gunzipSync(await readFile(january))
    .toString()
    .split('\n');
  const closing = lines.findIndex((line) => line.includes('writer-closed'));
  const of = (member: string) => new RegExp(`"${member}":"([^"]+)"`).exec(lines[closing] ?? '')?.[1];
  const cut = join(folder, 'cut-off.ndjson');
  await writeFile(cut, lines.toSpliced(closing, 1).join('\n'));
  const { ok, faults } = await verify([], [cut]);
  expect([ok, faults.map(({ fault, writer, seq }) => [fault, writer, seq])]).toEqual([
    false,
    [['cut-off', of('writer'), Number(of('seq'))]],
  ]);
});

test('the archive changed by any one byte is found', { timeout: 60_000 }, async () => {
  const bytes = await readFile(january);
  const changed = join(folder, 'changed.ndjson.gz');
  // Some of the head of a gzip file say nothing of its content: those of the time, of the system.
  const positions = new Set([0, 3, 4, 5, 8, 9, 10, bytes.length - 8, bytes.length - 4, bytes.length - 1]);
  for (let position = 11; position < bytes.length; position += 61) positions.add(position);
  for (const position of positions) {
    const copy = Buffer.from(bytes);
    copy[position] = (copy[position] ?? 0) ^ 1;
    await writeFile(changed, copy);
    const { ok, faults } = await verify([changed]);
    expect([position, ok, faults.some(({ fault }) => fault === 'changed' || fault === 'removed')]).toEqual([
      position,
      false,
      true,
    ]);
  }
});

test('an archive that was cut off is said to be so once', async () => {
  const cut = join(folder, 'cut-short.ndjson.gz');
  await writeFile(cut, (await readFile(january)).subarray(0, -200));
  const { faults } = await verify([cut]);
  expect(faults.filter(({ detail }) => detail.includes('cannot be unpacked'))).toHaveLength(1);
});

test('a month that has left but is not dropped yet is whole too', async () => {
  const died = archive('2030-02', '2030-06-02T00:00:00Z', 'drop');
  await expect(died).rejects.toThrow('died at drop');
  const february = join(folder, 'ideogate-staging-2030-02.ndjson.gz');
  expect(await verify([january, february])).toMatchObject({ ok: true, faults: [] });
  await archive('2030-02', '2030-06-02T00:00:00Z');
  expect(await verify([january, february])).toMatchObject({ ok: true, faults: [] });
});

test('a month is no fault whose notice left with a later one, and without any notice it is', async () => {
  const june = await archive('2030-06', '2030-09-01T00:00:00Z');
  const withoutAny = await verify([]);
  expect(withoutAny).toMatchObject({ ok: true, faults: [] });
  expect(withoutAny.reported.notes.join()).toMatch(
    /2030-01 is not here; where it went is said in .* 2030-06/,
  );
  expect(await verify([june])).toMatchObject({ ok: true, reported: { notes: [] } });
  await database.owner.query(
    `INSERT INTO ideogate.archive (month, file, sha256, bytes, events, checkpoints, dropped_at)
       VALUES ('2030-07-01', 'fake', sha256(''), 0, 0, 0, now());
     DROP TABLE ideogate.audit_event_2030_07`,
  );
  expect(await verify([june])).toMatchObject({ ok: false, faults: [{ fault: 'removed' }] });
});
