import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { writeNotice } from '../src/append/index.ts';
import { topUpPartitions } from '../src/index.ts';
import { type VerifyReport, verifyRecord } from '../src/verify/index.ts';
import { digestOfRanges } from '../src/archive/archive-file.ts';
import { EMPTY_CHAIN } from '../src/chain/chain.ts';
import { checkpointLine } from '../src/chain/ndjson.ts';
import { at, writeCalls } from './month-of-calls.ts';
import { archiveThen, exportThen, keysIn, signThen } from './record-of-then.ts';
import { OPENING, type RecordDatabase, recordDatabase } from './record-under-test.ts';

/** A record from January on, with signed checkpoints, whose January is archived and dropped. */
let database: RecordDatabase;
let folder: string;
let january: string;
/** What somebody else kept of the checkpoints. */
let kept: string;
/** Writers of early January, its middle, its change, February, and May. */
let early: string;
let middle: string;
let change: string;
let inFebruary: string;
let may: string;
/** Six writers: 6, 6, 10, 6, 6 and 3 events, the last of them the archiving's own. */
const EVENTS = 37;
const EVENTS_OF_JANUARY = 17;
const CHECKPOINTS = 10;

beforeAll(async () => {
  database = await recordDatabase();
  folder = await mkdtemp(join(tmpdir(), 'ideogate-archive-verify-'));
  await topUpPartitions(database.ownerUrl, at('2030-02-01T00:00:00Z'));
  early = await writeCalls(database, ['2030-01-05T10:00:00Z']);
  await signAt('2030-01-06T00:00:00Z');
  middle = await writeCalls(database, ['2030-01-12T10:00:00Z']);
  await signAt('2030-01-12T10:00:30Z');
  change = await writeCalls(database, ['2030-01-31T23:59:59Z', '2030-02-01T00:00:00Z']);
  await signAt('2030-02-01T00:00:30Z');
  inFebruary = await writeCalls(database, ['2030-02-10T10:00:00Z']);
  await signAt('2030-02-10T10:00:30Z');
  may = await writeCalls(database, ['2030-05-10T00:00:00Z']);
  await signAt('2030-05-10T00:00:30Z');
  january = await archive('2030-01', '2030-06-01T00:00:00Z');
  kept = join(folder, 'kept.ndjson');
  const { rows } = await database.owner.query<{ note: string }>(
    'SELECT note FROM ideogate.checkpoint ORDER BY number',
  );
  await writeFile(kept, rows.map(({ note }) => `${checkpointLine(note)}\n`).join(''));
}, 60_000);
afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true });
});

const then = (time: string) => ({ database, folder, now: () => at(time) });
const signAt = (time: string) => signThen(then(time));

/** Archives a month. @returns the file */
function archive(text: string, time: string, dieAt?: string): Promise<string> {
  return archiveThen(then(time), text, (step) => {
    if (step === dieAt) throw new Error(`died at ${step}`);
  });
}

function verify(
  archives: readonly string[],
  files: readonly string[] = [],
  keptElsewhere: readonly string[] = [],
): Promise<VerifyReport> {
  return verifyRecord({
    keys: keysIn(folder).publicKeys(),
    source:
      files.length > 0 ? { kind: 'files', files } : { kind: 'database', readUrl: database.readUrl, archives },
    kept: keptElsewhere,
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

/** An export of the database as it is, made in June. */
const exported = (name: string) => exportThen(then('2030-06-02T00:00:00Z'), name);

/** A copy of an export or archive with other lines, not packed. */
async function altered(
  file: string,
  alter: (lines: readonly string[]) => readonly string[],
  name = 'altered.ndjson',
): Promise<string> {
  const bytes = await readFile(file);
  const text = file.endsWith('.gz') ? gunzipSync(bytes) : bytes;
  const copy = join(folder, name);
  await writeFile(copy, `${alter(text.toString().trimEnd().split('\n')).join('\n')}\n`);
  return copy;
}

const isOf = (writer: string) => (line: string) => line.includes(`"writer":"${writer}"`);
const isCheckpoint = (line: string) => line.startsWith('{"checkpoint"');

/** Changes the second event of a chain, and computes its hash and all after it again. */
function rewritten(lines: readonly string[], writer: string): readonly string[] {
  let before: string | null = null;
  return lines.map((line) => {
    if (!isOf(writer)(line)) return line;
    const changed = line.includes('"seq":"2"')
      ? line.replace('"subject":"service-a"', '"subject":"nobody"')
      : line;
    const linked =
      before === null ? changed : changed.replace(/"prev_hash":"[0-9a-f]+"/, `"prev_hash":"${before}"`);
    const form = linked.replace(/,"hash":"[0-9a-f]+"\}$/, '}');
    before = createHash('sha256').update(form).digest('hex');
    return `${form.slice(0, -1)},"hash":"${before}"}`;
  });
}

const short = ({ faults }: VerifyReport) => faults.map(({ fault, writer, seq }) => [fault, writer, seq]);

describe('an export beside an archive', () => {
  test.each([
    ['a whole chain of later is gone', () => (line: string) => !isOf(may)(line), () => may, 1],
    [
      'the end of a chain is cut off',
      () => (line: string) => !isOf(may)(line) || /"seq":"[1-5]"/.test(line),
      () => may,
      6,
    ],
  ])('shows as any other that %s', async (_, keeps, writer, seq) => {
    const file = await altered(await exported('beside.ndjson'), (lines) => lines.filter(keeps()));
    const fault = ['cut-off', writer(), seq];
    expect(short(await verify([], [file, january]))).toEqual([fault]);
    expect(short(await verify([], [january, file], [kept]))).toEqual([fault]);
  });

  test('that has the archived month itself is told of none that it lacks', async () => {
    const file = await altered(await exported('both.ndjson'), (lines) => [
      ...lines.slice(0, 1),
      ...gunzipSync(readFileSync(january)).toString().trimEnd().split('\n').slice(1),
      ...lines.slice(1),
    ]);
    expect(await verify([], [file])).toMatchObject({ ok: true, events: EVENTS, reported: { archived: [] } });
  });
});

describe('an export that says that it was made long ago', () => {
  const longAgo = (lines: readonly string[]) => [
    '{"export":{"at":"1","environment":"staging"}}',
    ...lines.slice(1),
  ];

  test('is held against the checkpoints that were kept before its last event', async () => {
    const file = await altered(await exported('liar.ndjson'), (lines) =>
      longAgo(rewritten(lines, may)).filter((line) => !isCheckpoint(line)),
    );
    const report = await verify([], [january, file], [kept]);
    expect(short(report)).toContainEqual(['changed', may, 6]);
  });

  test('and whose times do not stand as they were hashed is none of the record', async () => {
    const file = await altered(await exported('spaced.ndjson'), (lines) =>
      longAgo(rewritten(lines, may).map((line) => line.replace('"at":"', '"at": "'))).filter(
        (line) => !isCheckpoint(line),
      ),
    );
    expect(short(await verify([], [january, file], [kept]))).toContainEqual(['changed', null, null]);
  });

  test('shields no archive beside it', async () => {
    const changed = await altered(
      january,
      (lines) => rewritten(lines, early).filter((line) => !isCheckpoint(line)),
      'shielded.ndjson',
    );
    const file = await altered(await exported('shield.ndjson'), (lines) => [
      ...longAgo(lines).slice(0, 1),
      ...lines.filter(isCheckpoint).slice(0, 2),
    ]);
    const found = short(await verify([], [changed, file], [kept]));
    expect(found).toContainEqual(['changed', early, 6]);
    expect(found).toContainEqual(['removed', null, null]);
  });

  test('and ends before they do: that these say nothing of it is told', async () => {
    const file = await altered(await exported('older.ndjson'), (lines) =>
      longAgo(lines).filter((line) => isOf(change)(line) || line.startsWith('{"export"')),
    );
    const { reported } = await verify([], [january, file], [kept]);
    expect(reported.notes).toEqual([
      expect.stringMatching(/^5 checkpoints that were kept are younger than the export, which was made at/),
    ]);
  });
});

test('an export made since says which month it lacks, and is whole with its archive', async () => {
  const file = await exported('export.ndjson');
  const { ok, faults, reported } = await verify([], [file]);
  expect({ ok, faults: faults.map(({ fault, seq }) => [fault, seq]), archived: reported.archived }).toEqual({
    ok: false,
    faults: [
      ['removed', 1],
      ['cut-off', 1],
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
  expect(await verify([], [january])).toMatchObject({ ok: true, events: EVENTS_OF_JANUARY, checkpoints: 5 });
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

test('the archive alone shows that a chain which grew within its month is gone', async () => {
  const file = await altered(january, (lines) => lines.filter((line) => !isOf(middle)(line)));
  expect(short(await verify([], [file]))).toEqual([['cut-off', middle, 1]]);
  expect(short(await verify([], [file], [kept]))).toEqual([['cut-off', middle, 1]]);
});

test('an archive without a genuine checkpoint proves nothing, however sound its chains', async () => {
  const file = await altered(january, (lines) =>
    rewritten(lines, early).filter((line) => !isCheckpoint(line)),
  );
  expect(short(await verify([], [file]))).toEqual([['removed', null, null]]);
  expect(short(await verify([], [file], [kept]))).toContainEqual(['changed', early, 6]);
});

test('an archive of which nothing but its first line is left is none', async () => {
  const file = await altered(january, (lines) => lines.slice(0, 1));
  expect(short(await verify([], [file]))).toEqual([['removed', null, null]]);
  expect(short(await verify([], [file], [kept]))).toContainEqual(['removed', null, null]);
});

test('an archive that misses a chain and all its checkpoints is found by those that were kept', async () => {
  const file = await altered(january, (lines) =>
    lines.filter((line) => !isOf(middle)(line) && !isCheckpoint(line)),
  );
  const found = short(await verify([], [file], [kept]));
  expect(found).toContainEqual(['removed', null, null]);
  expect(found.map(([fault]) => fault)).toContain('rolled-back');
});

test('an archive that misses a checkpoint from its middle is found', async () => {
  const file = await altered(january, (lines) => lines.toSpliced(lines.findIndex(isCheckpoint) + 2, 1));
  expect(short(await verify([], [file]))).toContainEqual(['removed', null, 3]);
});

test('a call whose end is told in the next month is none without an end', async () => {
  const file = await altered(january, (lines) => {
    const last = lines.findLastIndex(isOf(change));
    return lines.toSpliced(last, 1);
  });
  expect(await verify([], [file])).toMatchObject({ ok: true, reported: { open: 1 } });
});

describe('a superuser who says that a month took what was deleted', () => {
  const inThisMonth = (writer: string, first: number, last: number) =>
    database.owner.query(
      `INSERT INTO ideogate.archive_chain (month, writer, first_seq, first_prev_hash, last_seq, last_hash)
       SELECT '2030-01-01', $1, $2, f.prev_hash, $3, l.hash FROM ideogate.audit_event f, ideogate.audit_event l
       WHERE f.writer = $1 AND f.seq = $2 AND l.writer = $1 AND l.seq = $3`,
      [writer, first, last],
    );

  const notice = (detail: Readonly<Record<string, string>>) =>
    writeNotice(
      { ...database, opening: OPENING, now: () => at('2030-06-01T00:00:00Z') },
      { result: 'month-archived', subject: null, operation: 'audit archive', detail },
    );

  beforeEach(() => database.owner.query('CREATE TABLE public.kept AS TABLE ideogate.audit_event'));
  afterEach(() =>
    database.owner.query(
      `DELETE FROM ideogate.audit_event; INSERT INTO ideogate.audit_event TABLE public.kept;
       DROP TABLE public.kept; DELETE FROM ideogate.archive_chain WHERE writer IN ('${may}', '${inFebruary}')`,
    ),
  );

  test.each([
    ['a whole chain', () => may, 1, 6],
    ['the middle of one', () => may, 2, 5],
    // The checkpoints that fix these are old enough; but the event before them isn't.
    ['the middle of one of the month after', () => inFebruary, 2, 5],
  ])('is found: %s', async (_, writerOf, first, last) => {
    const writer = writerOf();
    await inThisMonth(writer, first, last);
    await database.owner.query(
      'DELETE FROM ideogate.audit_event WHERE writer = $1 AND seq BETWEEN $2 AND $3',
      [writer, first, last],
    );
    const found = short(await verify([], [], [kept]));
    expect(found).toContainEqual(['removed', writer, first]);
    // Of which events left with the month, the notice says otherwise.
    expect(found).toContainEqual(['removed', null, null]);
  });

  test('is found by the notice alone where the month took the beginning of that chain', async () => {
    await database.owner.query(
      `CREATE TABLE public.ranges AS TABLE ideogate.archive_chain;
       UPDATE ideogate.archive_chain SET last_seq = 9, last_hash = e.hash FROM ideogate.audit_event e
       WHERE e.writer = '${change}' AND e.seq = 9 AND archive_chain.writer = e.writer;
       DELETE FROM ideogate.audit_event WHERE writer = '${change}' AND seq < 10`,
    );
    const report = await verify([], [], [kept]);
    await database.owner.query(
      `DELETE FROM ideogate.archive_chain; INSERT INTO ideogate.archive_chain TABLE public.ranges;
       DROP TABLE public.ranges`,
    );
    expect(short(report)).toEqual([['removed', null, null]]);
  });

  test('is found where that month is not over, whoever wrote its notice', async () => {
    const { rows } = await database.owner.query<{ hash: string }>(
      `SELECT encode(hash, 'hex') AS hash FROM ideogate.audit_event WHERE writer = $1 AND seq = 6`,
      [may],
    );
    const lastHash = rows[0]?.hash ?? '';
    const ranges = [{ writer: may, firstSeq: 1, lastSeq: 6, firstPrevHash: EMPTY_CHAIN.hash, lastHash }];
    const sha256 = 'ab'.repeat(32);
    await database.owner.query(
      `INSERT INTO ideogate.archive (month, file, sha256, bytes, events, checkpoints, dropped_at)
         VALUES ('2099-12-01', 'fake', decode('${sha256}', 'hex'), 1, 6, 1, now());
       INSERT INTO ideogate.archive_chain (month, writer, first_seq, first_prev_hash, last_seq, last_hash)
         VALUES ('2099-12-01', '${may}', 1, decode('${EMPTY_CHAIN.hash}', 'hex'), 6, decode('${lastHash}', 'hex'));
       DELETE FROM ideogate.audit_event WHERE writer = '${may}'`,
    );
    await notice({ month: '2099-12', sha256, ranges: digestOfRanges(ranges) });
    const found = short(await verify([january], [], [kept]));
    await database.owner.query(`DELETE FROM ideogate.archive_chain WHERE month = '2099-12-01';
      DELETE FROM ideogate.archive WHERE month = '2099-12-01'`);
    expect(found).toEqual([['removed', null, null]]);
  });

  test('is found by the true notice, though a second one says otherwise', async () => {
    const { rows } = await database.owner.query<{ sha256: string }>(
      `SELECT encode(sha256, 'hex') AS sha256 FROM ideogate.archive WHERE month = '2030-01-01'`,
    );
    await notice({ month: '2030-01', sha256: rows[0]?.sha256 ?? '', ranges: 'cd'.repeat(32) });
    expect(short(await verify([], [], [kept]))).toEqual([['removed', null, null]]);
  });

  test('keeps no export from sending what is there', async () => {
    await inThisMonth(may, 1, 6);
    const lines = (await readFile(await exported('all.ndjson'), 'utf8')).split('\n');
    expect(lines.filter(isOf(may))).toHaveLength(6);
  });
});

test('an archive is compared with what the record says of it, not only with the table', async () => {
  const set = (sha256: string) =>
    database.owner.query(`UPDATE ideogate.archive SET sha256 = decode('${sha256}', 'hex')`);
  const digest = async (file: string) =>
    createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
  const stripped = join(folder, 'stripped.ndjson.gz');
  const lines = gunzipSync(await readFile(january))
    .toString()
    .trimEnd()
    .split('\n');
  await writeFile(stripped, gzipSync(`${lines.filter((line) => !isCheckpoint(line)).join('\n')}\n`));
  await set(await digest(stripped));
  const report = await verify([stripped]);
  await set(await digest(january));
  expect(short(report)).toEqual([['removed', null, null]]);
  // Given before the true one, it isn't hidden by it.
  expect(short(await verify([stripped, january]))).toEqual([['changed', null, null]]);
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
    /what left with month 2030-01 is said in a month that was not given, 2030-06/,
  );
  expect(await verify([june])).toMatchObject({ ok: true, reported: { notes: [] } });
  await database.owner.query(
    `INSERT INTO ideogate.archive (month, file, sha256, bytes, events, checkpoints, dropped_at)
       VALUES ('2030-07-01', 'fake', sha256(''), 0, 0, 0, now());
     DROP TABLE ideogate.audit_event_2030_07`,
  );
  expect(await verify([june])).toMatchObject({ ok: false, faults: [{ fault: 'removed' }] });
});
