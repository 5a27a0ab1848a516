import { setTimeout as delay } from 'node:timers/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openMonthKeys, topUpPartitions } from '../src/index.ts';
import {
  type ArchiveStep,
  archiveMonth,
  dropImported,
  dueMonths,
  importArchive,
  removeArchive,
} from '../src/archive/index.ts';
import { exportName, forgetExport, exportEvents, TargetError } from '../src/export/index.ts';
import { readArchive } from '../src/archive/archive-file.ts';
import { readLine } from '../src/chain/ndjson.ts';
import { at, month, quarterOfCalls, writeCalls } from './month-of-calls.ts';
import { decision } from './events-under-test.ts';
import { openWriter, type RecordDatabase, recordDatabase, until } from './record-under-test.ts';

const JUNE = () => at('2030-06-01T00:00:00Z');
const FILE = 'ideogate-staging-2030-01.ndjson.gz';
/** Writer one: 10 events. Writer two: its first event and 4 more of its 14. */
const EVENTS_OF_JANUARY = 15;
const EVENTS_IN_ALL = 30;

let database: RecordDatabase;
let folder: string;
let file: string;

beforeAll(async () => {
  database = await recordDatabase();
  await quarterOfCalls(database);
  await database.owner.query('CREATE SCHEMA kept; CREATE TABLE kept.event AS TABLE ideogate.audit_event');
});
afterAll(async () => {
  await database.close();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ideogate-archive-'));
  file = join(folder, FILE);
});
afterEach(async () => {
  await rm(folder, { recursive: true });
  await putBack();
});

/** Undoes all archiving: quicker than a database for each test. */
async function putBack(): Promise<void> {
  await database.owner.query(
    `DROP SCHEMA IF EXISTS ideogate_imported CASCADE;
     DROP TABLE IF EXISTS ideogate.audit_event_2030_01, ideogate.audit_event_2030_02;
     DELETE FROM ideogate.archive_chain; DELETE FROM ideogate.archive; DELETE FROM ideogate.month_key;
     DELETE FROM ideogate.audit_event`,
  );
  await topUpPartitions(database.ownerUrl, at('2030-02-01T00:00:00Z'));
  await database.owner.query('INSERT INTO ideogate.audit_event TABLE kept.event');
}

type Options = Parameters<typeof archiveMonth>[0];

function archive(options: Partial<Options> = {}) {
  return archiveMonth({
    ownerUrl: database.ownerUrl,
    environment: 'staging',
    folder,
    month: month('2030-01'),
    now: JUNE,
    announce: async () => {},
    ...options,
  });
}

/** `writer seq hash` of every event: those of the table, and those of the file. */
async function everything(): Promise<{
  readonly table: readonly string[];
  readonly file: readonly string[];
}> {
  const { rows } = await database.owner.query<{ event: string }>(
    `SELECT concat_ws(' ', writer, seq, encode(hash, 'hex')) AS event FROM ideogate.audit_event ORDER BY writer, seq`,
  );
  const text = await readFile(file).then(
    (bytes) => gunzipSync(bytes).toString(),
    () => '',
  );
  const lines = text.split('\n').map(readLine);
  return {
    table: rows.map(({ event }) => event),
    file: lines.flatMap((line) =>
      line.kind === 'event' ? [`${line.event.writer} ${line.event.seq} ${line.event.hash}`] : [],
    ),
  };
}

async function isThere(table: string): Promise<boolean> {
  const { rows } = await database.owner.query<{ found: string | null }>(
    'SELECT to_regclass($1)::text AS found',
    [table],
  );
  return rows[0]?.found !== null;
}

describe('archiving a month', () => {
  test('moves exactly its events to the file, with the checkpoints that fix them, and the rest stays', async () => {
    const before = await everything();
    const archived = await archive();
    const after = await everything();
    expect(before.table).toHaveLength(EVENTS_IN_ALL);
    expect(after.file).toHaveLength(EVENTS_OF_JANUARY);
    expect([...after.table, ...after.file].toSorted()).toEqual(before.table.toSorted());
    expect(await isThere('ideogate.audit_event_2030_01')).toBe(false);
    expect(archived).toMatchObject({ file: FILE, events: EVENTS_OF_JANUARY, checkpoints: 3 });
    const lines = gunzipSync(await readFile(file))
      .toString()
      .split('\n')
      .map(readLine);
    expect(lines[0]).toEqual({
      kind: 'archive',
      about: { at: JUNE().toString(), environment: 'staging', month: '2030-01' },
    });
    const notes = lines.flatMap((line) => (line.kind === 'checkpoint' ? [line.note.split('\n')[2]] : []));
    expect(notes).toEqual(['number 2', 'number 3', 'number 4']);
  });

  test('goes on with the next month, and knows which piece of each chain is where', async () => {
    const { sha256 } = await archive();
    const february = await archive({ month: month('2030-02') });
    const { rows } = await database.owner.query(
      `SELECT month::text, file, encode(sha256, 'hex') AS sha256, events::int, dropped_at IS NOT NULL AS dropped,
         (SELECT array_agg(first_seq || '-' || last_seq ORDER BY last_seq) FROM ideogate.archive_chain c
          WHERE c.month = a.month) AS pieces
       FROM ideogate.archive a ORDER BY month`,
    );
    expect(rows).toEqual([
      { month: '2030-01-01', file: FILE, sha256, events: 15, dropped: true, pieces: ['1-5', '1-10'] },
      {
        month: '2030-02-01',
        file: february.file,
        sha256: february.sha256,
        events: 10,
        dropped: true,
        pieces: ['1-6', '6-9'],
      },
    ]);
  });

  test('is refused while an event can be dated into the month, while another does it, and when it is done', async () => {
    const closed = at('2030-03-03T00:00:00Z');
    await expect(archive({ now: () => closed - 1n })).rejects.toMatchObject({ fault: 'not-closed' });
    await expect(archive({ month: month('2001-01') })).rejects.toMatchObject({ fault: 'no-such-month' });
    let second: unknown;
    await archive({
      now: () => closed,
      announce: async () => {
        second = await archive().catch((error: unknown) => error);
      },
    });
    expect(second).toMatchObject({ fault: 'busy' });
    await expect(archive()).rejects.toMatchObject({ fault: 'archived-already' });
  });
});

describe('nothing is dropped', () => {
  test('that is not on record as archived', async () => {
    const announce = () => Promise.reject(new Error('the record takes no row'));
    await expect(archive({ announce })).rejects.toThrow('the record takes no row');
    expect((await everything()).table).toHaveLength(EVENTS_IN_ALL);
    expect(await isThere('ideogate.audit_event_2030_01')).toBe(true);
  });

  test('while an event of the month is changed or removed, or a chain broken at either end of the month', async () => {
    const january = 'ideogate.audit_event_2030_01';
    const across = 'writer IN (SELECT writer FROM ideogate.audit_event_2030_02)';
    await database.owner.query(`CREATE TABLE kept.january AS TABLE ${january}`);
    for (const [fault, tampering] of [
      ['unproved', `UPDATE ${january} SET subject = 'somebody-else' WHERE seq = 3`],
      ['unproved', `UPDATE ${january} SET hash = sha256(hash) WHERE seq = 3`],
      ['unproved', `DELETE FROM ${january} WHERE seq = 3`],
      ['broken-chain', `DELETE FROM ${january} WHERE seq = 1`],
      ['broken-chain', `DELETE FROM ${january} WHERE seq = 5 AND ${across}`],
    ]) {
      await database.owner.query(tampering ?? '');
      const refusal = await archive().catch((error: unknown) => error);
      expect([tampering, refusal]).toEqual([tampering, expect.objectContaining({ fault })]);
      await database.owner.query(`DELETE FROM ${january}; INSERT INTO ${january} TABLE kept.january`);
    }
    await archive();
    await database.owner.query('DELETE FROM ideogate.audit_event_2030_02 WHERE seq = 6');
    await expect(archive({ month: month('2030-02') })).rejects.toMatchObject({ fault: 'broken-chain' });
    expect(await isThere('ideogate.audit_event_2030_02')).toBe(true);
  });

  test('that came in after the file was read: the file is made anew', async () => {
    const announced: number[] = [];
    const archived = await archive({
      announce: async ({ events }) => {
        if (announced.length === 0) await writeCalls(database, ['2030-01-31T00:00:00Z']);
        announced.push(events);
      },
    });
    expect(announced).toEqual([EVENTS_OF_JANUARY, EVENTS_OF_JANUARY + 6]);
    expect(archived.events).toBe(EVENTS_OF_JANUARY + 6);
    const { table, file: inFile } = await everything();
    expect(inFile).toHaveLength(EVENTS_OF_JANUARY + 6);
    expect(table).toHaveLength(EVENTS_IN_ALL - EVENTS_OF_JANUARY);
  });
});

/** After each of which something else is there than before. */
const STEPS: readonly ArchiveStep[] = ['prove', 'announce', 'compare', 'done'];

test('killed at a step, archiving again ends it, and no event is lost or double', {
  timeout: 60_000,
}, async () => {
  const { table: before } = await everything();
  for (const step of STEPS) {
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('archive-until.main.ts', import.meta.url)), database.ownerUrl, folder, step],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null]; // as: what 'exit' gives
    expect([step, signal]).toEqual([step, 'SIGKILL']);
    // The server lets go of a killed process's lock as soon as it sees its connection end.
    await until('the lock is free', async () => {
      const { rows } = await database.owner.query(
        `SELECT FROM pg_stat_activity WHERE application_name = 'ideogate-archive' AND datname = current_database()`,
      );
      return rows.length === 0;
    });
  }
  // The last of them was killed when it had done everything.
  const after = await everything();
  expect([...after.table, ...after.file].toSorted()).toEqual(before.toSorted());
  expect(after.file).toHaveLength(EVENTS_OF_JANUARY);
  expect(await isThere('ideogate.audit_event_2030_01')).toBe(false);
  expect(await readdir(folder)).toEqual([FILE]);
  await expect(archive()).rejects.toMatchObject({ fault: 'archived-already' });
});

describe('an auditor’s open SELECT', () => {
  async function whileSomebodyReads<T>(work: (leave: () => Promise<unknown>) => Promise<T>): Promise<T> {
    const auditor = new Client({ connectionString: database.readUrl });
    await auditor.connect();
    try {
      await auditor.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      await auditor.query('SELECT count(*) FROM ideogate.audit_event');
      return await work(() => auditor.query('COMMIT'));
    } finally {
      await auditor.end();
    }
  }

  async function detachingWaits(): Promise<boolean> {
    const { rows } = await database.owner.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'ideogate-archive'
         AND wait_event_type = 'Lock' AND query LIKE '%DETACH%'`,
    );
    return rows.length === 1;
  }

  test('holds up no row while a month leaves: archiving waits for it, and callers do not', async () => {
    const record = openWriter(database);
    await whileSomebodyReads(async (leave) => {
      const archiving = archive();
      await until('the detaching waits for the auditor', detachingWaits);
      const started = performance.now();
      for (let call = 0; call < 20; call++) expect(await record.decide(decision())).toBe('committed');
      // Far less than a lock would have it wait, which is as long as the auditor reads.
      expect(performance.now() - started).toBeLessThan(2_000);
      await leave();
      expect((await archiving).events).toBe(EVENTS_OF_JANUARY);
    });
    await record.close(5_000);
    expect(await isThere('ideogate.audit_event_2030_01')).toBe(false);
  });

  test('may outlast the archiving: a month that has half left goes on leaving, before any other', async () => {
    await whileSomebodyReads(async (leave) => {
      const archiving = archive().catch((error: unknown) => error);
      await until('the detaching waits for the auditor', detachingWaits);
      await database.owner.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'ideogate-archive'`,
      );
      expect(await archiving).toBeInstanceOf(Error);
      await leave();
    });
    await expect(archive({ month: month('2030-02') })).rejects.toMatchObject({ fault: 'unfinished' });
    expect((await archive()).events).toBe(EVENTS_OF_JANUARY);
    expect(await isThere('ideogate.audit_event_2030_01')).toBe(false);
  });

  test('holds up no partition that is made ahead, and making it holds up no row', async () => {
    const record = openWriter(database);
    await whileSomebodyReads(async () => {
      const toppingUp = topUpPartitions(database.ownerUrl, at('2035-01-01T00:00:00Z'));
      for (let call = 0; call < 20; call++) expect(await record.decide(decision())).toBe('committed');
      expect(await toppingUp).toHaveLength(14);
    });
    await record.close(5_000);
  });
});

test('an archive changed by any one byte is not the one that was archived', async () => {
  const { sha256 } = await archive();
  const bytes = await readFile(file);
  const changed = join(folder, 'changed.ndjson.gz');
  const positions = new Set([0, 3, 4, 9, 10, bytes.length - 8, bytes.length - 1]);
  for (let position = 0; position < bytes.length; position += 97) positions.add(position);
  for (const position of positions) {
    const copy = Buffer.from(bytes);
    copy[position] = (copy[position] ?? 0) ^ 1;
    await writeFile(changed, copy);
    const found = await readArchive(changed).catch((error: unknown) => error);
    expect([position, found]).not.toEqual([position, expect.objectContaining({ sha256 })]);
    await expect(
      importArchive({ ownerUrl: database.ownerUrl, file: changed, announce: async () => {} }),
    ).rejects.toThrow(changed);
  }
}, 60_000);

describe('reading an archive back', () => {
  const bringBack = (options: Partial<Parameters<typeof importArchive>[0]> = {}) =>
    importArchive({ ownerUrl: database.ownerUrl, file, announce: async () => {}, ...options });

  test('answers the questions that the record answered, and leaves the record alone', async () => {
    const reader = new Client({ connectionString: database.readUrl });
    await reader.connect();
    const ask = async (schema: string) =>
      (
        await reader.query(
          `SELECT c.call_id, c.state, c.result, c.subject, e.metadata ->> 'outcome' AS outcome FROM ${schema}.audit_call c
           JOIN ${schema}.audit_entry e ON e.metadata ->> 'call_id' = c.call_id::text
           WHERE c.decided_at < '2030-02-01Z' ORDER BY c.call_id`,
        )
      ).rows;
    const before = await ask('ideogate');
    expect(before).toHaveLength(6);
    await archive();
    expect(await ask('ideogate')).toEqual([]);
    const { table } = await everything();
    expect(await bringBack()).toMatchObject({ events: EVENTS_OF_JANUARY, archivedHere: true });
    expect(await ask('ideogate_imported')).toEqual(before);
    expect(
      (await reader.query(`SELECT notice FROM ideogate_imported.audit_notice ORDER BY notice`)).rows,
    ).toEqual(['writer-closed', 'writer-opened', 'writer-opened'].map((notice) => ({ notice })));
    expect((await everything()).table).toEqual(table);
    await expect(reader.query('DELETE FROM ideogate_imported.audit_event')).rejects.toMatchObject({
      code: '42501',
    });
    await reader.end();
  });

  test('takes several months, each once, and lets go of all', async () => {
    await archive();
    const february = await archive({ month: month('2030-02') });
    await bringBack();
    await bringBack({ file: join(folder, february.file) });
    await expect(bringBack()).rejects.toMatchObject({ fault: 'not-importable' });
    const { rows } = await database.owner.query(
      'SELECT count(*)::int AS events FROM ideogate_imported.audit_event',
    );
    expect(rows).toEqual([{ events: EVENTS_OF_JANUARY + february.events }]);
    expect(await dropImported(database.ownerUrl)).toBe(true);
    expect(await dropImported(database.ownerUrl)).toBe(false);
    expect(await isThere('ideogate_imported.audit_event')).toBe(false);
  });

  test('shows nothing that is not on record as read', async () => {
    await archive();
    const announce = () => Promise.reject(new Error('the record takes no row'));
    await expect(bringBack({ announce })).rejects.toThrow('the record takes no row');
    expect(await isThere('ideogate_imported.audit_event')).toBe(false);
  });

  test('takes an archive of another installation, and says that it does not know it', async () => {
    await archive();
    const other = await recordDatabase();
    try {
      expect(await bringBack({ ownerUrl: other.ownerUrl })).toMatchObject({ archivedHere: false });
    } finally {
      await other.close();
    }
  });
});

describe('a month that an export has not got whole', () => {
  const SIEM = exportName('https://siem.example/in');
  const positions = (upTo: string) =>
    database.owner.query(
      `INSERT INTO ideogate.chain_position
       SELECT $1, writer, max(seq), max(at) FROM ideogate.audit_event WHERE at < $2 GROUP BY writer
       ON CONFLICT (reader, writer) DO UPDATE SET seq = excluded.seq`,
      [SIEM, upTo],
    );
  afterEach(() => database.owner.query('DELETE FROM ideogate.chain_position'));

  test('stays until that has it, and it is said which, how much, and how to go on', async () => {
    // The last moment of the month, with four events and the end of the one writer, is missing.
    await positions('2030-01-31T23:59:59Z');
    await expect(archive()).rejects.toMatchObject({
      fault: 'not-delivered',
      message: expect.stringMatching(
        /^5 events of 2030-01, of 1 writers, were not sent to https:\/\/siem\.example\/in yet: .* --forget$/,
      ),
    });
    expect(await readdir(folder)).toEqual([]);
    await positions('2030-02-01T00:00:00Z');
    expect(await archive()).toMatchObject({ events: EVENTS_OF_JANUARY });
  });

  test('stays for an export that has begun nothing yet, too', async () => {
    await expect(archive({ exports: [SIEM] })).rejects.toMatchObject({
      fault: 'not-delivered',
      message: expect.stringMatching(/^15 events of 2030-01, of 2 writers,/),
    });
  });

  test('leaves once nobody waits for that export, which is on record first', async () => {
    await positions('2030-01-06T00:00:00Z');
    const { ownerUrl } = database;
    const forget = (announce: () => Promise<void>) => forgetExport({ ownerUrl, name: SIEM, announce });
    await expect(forget(() => Promise.reject(new Error('no row')))).rejects.toThrow('no row');
    await expect(archive()).rejects.toMatchObject({ fault: 'not-delivered' });
    const sending = exportEvents({
      readUrl: database.readUrl,
      name: SIEM,
      target: {
        begin: async () => new Map(),
        // Takes its time, and leaves when it is told to, as every target does.
        deliver: (_batch, over) => delay(60_000, undefined, { signal: over, ref: false }),
        end: async () => {},
      },
      now: JUNE,
    });
    await until('somebody sends there', () =>
      forget(async () => expect.fail('it was forgotten')).then(
        () => false,
        (error: unknown) => error instanceof TargetError,
      ),
    );
    await sending.stop();
    await until('it is forgotten', () => forget(async () => {}).catch(() => false));
    expect(await forget(async () => {})).toBe(false);
    expect(await archive()).toMatchObject({ events: EVENTS_OF_JANUARY });
  });

  test('and has half left the record already goes on: no export can read it there', async () => {
    const died = archive({
      onStep: (step) => {
        if (step === 'compare') throw new Error('died');
      },
    });
    await expect(died).rejects.toThrow('died');
    expect(await archive({ exports: [SIEM] })).toMatchObject({ events: EVENTS_OF_JANUARY });
  });
});

describe('retention', () => {
  const due = (months: number, inDatabase: number, time: string) =>
    dueMonths(database.ownerUrl, { months, inDatabase }, at(time));

  test('asks for closed months before those that stay in the database, once, and to remove what is older than all (E.56)', async () => {
    const since = (text: string, months: readonly string[]) => months.filter((one) => one >= text);
    expect(since('2029-12', (await due(12, 3, '2030-05-31T23:59:59Z')).toArchive)).toEqual(['2030-01']);
    expect(since('2029-12', (await due(12, 3, '2030-06-01T00:00:00Z')).toArchive)).toEqual([
      '2030-01',
      '2030-02',
    ]);
    // April is older than the one month that stays, but may still be written to.
    expect(since('2030-03', (await due(12, 1, '2030-06-02T23:59:59Z')).toArchive)).toEqual(['2030-03']);
    expect(since('2030-03', (await due(12, 1, '2030-06-03T00:00:00Z')).toArchive)).toEqual([
      '2030-03',
      '2030-04',
    ]);
    await archive();
    expect((await due(12, 3, '2030-06-01T00:00:00Z')).toArchive).not.toContain('2030-01');
    expect((await due(12, 3, '2031-01-31T23:59:59Z')).expired).toEqual([]);
    expect((await due(12, 3, '2031-02-01T00:00:00Z')).expired).toMatchObject([
      { month: '2030-01', file: FILE },
    ]);
  });

  test('removes a file together with its month’s key, on record first (E.56)', async () => {
    const keys = await openMonthKeys({
      appendUrl: database.appendUrl,
      secret: 'fake-installation-secret',
      environment: 'staging',
      now: () => at('2030-01-15T00:00:00Z'),
      onFault: (error) => expect.fail(String(error)),
    });
    await keys.stop();
    await archive();
    const [expired] = (await due(12, 3, '2031-02-01T00:00:00Z')).expired;
    if (expired === undefined) throw new Error('nothing is expired');
    const { ownerUrl } = database;
    const unwritten = () => Promise.reject(new Error('the record takes no row'));
    await expect(removeArchive({ ownerUrl, folder, archive: expired, announce: unwritten })).rejects.toThrow(
      'the record takes no row',
    );
    expect(await readdir(folder)).toEqual([FILE]);
    expect(await removeArchive({ ownerUrl, folder, archive: expired, announce: async () => {} })).toBe(true);
    expect(await readdir(folder)).toEqual([]);
    const { rows } = await database.owner.query<{ month: string; destroyed: boolean }>(
      'SELECT month::text, wrapped IS NULL AS destroyed FROM ideogate.month_key ORDER BY month',
    );
    expect(rows).toEqual([
      { month: '2030-01-01', destroyed: true },
      { month: '2030-02-01', destroyed: false },
    ]);
    expect((await due(12, 3, '2031-02-01T00:00:00Z')).expired).toEqual([]);
  });
});
