import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type AuditEvent, type CallId, parseCallId } from '@ideogate/contract';
import { superuserUrl } from '@ideogate/testkit';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type AuditWriter, openAuditWriter } from '../src/append/index.ts';
import {
  type ChainedEvent,
  type Finding,
  hashEvent,
  InterruptedError,
  NoCheckpointsError,
  openCheckpointKeys,
  prepareNextKey,
  signCheckpoints,
  verifyRecord,
  type VerifyOptions,
  type VerifyReport,
} from '../src/index.ts';
import { chain, EMPTY_CHAIN } from '../src/chain/chain.ts';
import { checkpointLine, eventLine, headerLine, LINE_TEXTS } from '../src/chain/ndjson.ts';
import { checkpointOf, checkpointText, hashOfCheckpoint } from '../src/checkpoints/checkpoint.ts';
import { makeSigningKey, signNote } from '../src/checkpoints/note.ts';
import { openSession } from '@ideogate/postgres';
import { eventColumns } from '../src/append/event-columns.ts';
import { appendEvents, writerLock } from '../src/append/event-store.ts';
import { readChain } from './chain-of.ts';
import {
  decision,
  nowMicros,
  OPENING,
  outcome,
  type RecordDatabase,
  recordDatabase,
  refusal,
} from './record-under-test.ts';

/** A record of three chains, closed and open ones, with checkpoints within and after them, and a tail. */
interface Sample {
  readonly database: RecordDatabase;
  /** Name of the copy that nothing is written to any more. */
  readonly whole: string;
  /** Closed, wholly fixed; 14 events. */
  readonly closed: string;
  /** Open; 21 events, of which the last 4 are younger than the last checkpoint. */
  readonly open: string;
  readonly events: number;
  readonly checkpoints: number;
  readonly folder: string;
  readonly keyFile: string;
  /** What somebody else kept of the checkpoints. */
  readonly kept: string;
  /** Name of a copy that was made before the last events and checkpoints. */
  readonly backup: string;
}

let sample: Sample;
const made: string[] = [];

async function copyOf(database: string): Promise<string> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await asSuperuser('postgres', (client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${database}`));
  made.unshift(name);
  return name;
}

/** A copy of a database in use: a template must have no connections. Its writers go on afterwards. */
async function stillCopyOf(database: string): Promise<string> {
  await asSuperuser('postgres', async (client) => {
    await client.query(`ALTER DATABASE ${database} ALLOW_CONNECTIONS false`);
    await client.query('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1', [
      database,
    ]);
  });
  const copy = await copyOf(database);
  await asSuperuser('postgres', (client) =>
    client.query(`ALTER DATABASE ${database} ALLOW_CONNECTIONS true`),
  );
  return copy;
}

/** Keeps what the record holds, for `putBack`. */
async function keep(database: string): Promise<void> {
  await asSuperuser(database, (client) =>
    client.query(`CREATE SCHEMA kept; CREATE TABLE kept.event AS TABLE ideogate.audit_event;
      CREATE TABLE kept.checkpoint AS TABLE ideogate.checkpoint`),
  );
}

/** Undoes whatever was done to the record: quicker than a database for each case. */
async function putBack(database: string): Promise<void> {
  await asSuperuser(database, (client) =>
    client.query(`DELETE FROM ideogate.audit_event; INSERT INTO ideogate.audit_event TABLE kept.event;
      DELETE FROM ideogate.checkpoint; INSERT INTO ideogate.checkpoint TABLE kept.checkpoint`),
  );
}

async function asSuperuser<T>(database: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: superuserUrl(database), query_timeout: 30_000 });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

type Urls = Pick<RecordDatabase, 'appendUrl' | 'readUrl'>;

/** Makes two checkpoints: one when the signing begins and one when it ends. */
function signNow({ appendUrl, readUrl }: Urls, keyFile: string): Promise<void> {
  return signCheckpoints({
    appendUrl,
    readUrl,
    environment: 'staging',
    keys: openCheckpointKeys(keyFile, 'ideogate.test/staging'),
    destinations: [],
    now: nowMicros,
  }).stop();
}

async function call(record: AuditWriter): Promise<void> {
  const decided = decision();
  await record.decide(decided);
  record.outcome(outcome({ callId: decided.callId, made: ['generation:"é"\\'] }));
  await record.flush(5_000);
}

async function calls(record: AuditWriter, count: number): Promise<void> {
  for (let index = 0; index < count; index++) await call(record);
}

beforeAll(async () => {
  const database = await recordDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'ideogate-verify-'));
  const keyFile = join(folder, 'checkpoint-key');
  const closed = openAuditWriter({ ...database, opening: OPENING, now: nowMicros });
  await calls(closed, 6);
  await closed.close(5_000);
  const third = openAuditWriter({ ...database, opening: OPENING, now: nowMicros });
  await third.refuse(refusal({ subject: 'tab\t line \n \\ "quoted"' }));
  await third.close(5_000);
  // Eight checkpoints: with those that follow, numbers get a second digit.
  for (let times = 0; times < 4; times++) await signNow(database, keyFile);
  const open = openAuditWriter({ ...database, opening: OPENING, now: nowMicros });
  await calls(open, 4);
  await signNow(database, keyFile);
  const backup = await stillCopyOf(database.name);
  await calls(open, 4);
  await signNow(database, keyFile);
  await calls(open, 2);
  const kept = join(folder, 'kept.ndjson');
  const notes = await asSuperuser(database.name, notesOf);
  writeFileSync(kept, notes.map((note) => `${checkpointLine(note)}\n`).join(''));
  const whole = await stillCopyOf(database.name);
  const { rows } = await asSuperuser(whole, (client) =>
    client.query<{ events: number }>('SELECT count(*)::int AS events FROM ideogate.audit_event'),
  );
  sample = {
    database,
    whole,
    closed: closed.writer,
    open: open.writer,
    events: rows[0]?.events ?? 0,
    checkpoints: notes.length,
    folder,
    keyFile,
    kept,
    backup,
  };
  await keep(whole);
  await keep(backup);
  await open.close(5_000);
});

afterAll(async () => {
  await asSuperuser('postgres', async (client) => {
    for (const name of made) await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  });
  await sample.database.close();
  rmSync(sample.folder, { recursive: true });
});

async function notesOf(client: Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ note: string }>(
    'SELECT note FROM ideogate.checkpoint ORDER BY number',
  );
  return rows.map(({ note }) => note);
}

/** The record as an export writes it. @param at when it says that it was made */
async function exportOf(database: string, at = nowMicros()): Promise<string> {
  const lines = await asSuperuser(database, async (client) => {
    const { rows } = await client.query<(string | null)[]>({
      text: `SELECT ${LINE_TEXTS} FROM ideogate.audit_event ORDER BY writer, seq, at`,
      rowMode: 'array',
    });
    return [
      headerLine('export', { at: at.toString(), environment: 'staging' }),
      ...rows.map((texts) => eventLine(texts)),
      ...(await notesOf(client)).map((note) => checkpointLine(note)),
    ];
  });
  const file = join(sample.folder, `${database}.ndjson`);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

/** When a checkpoint was signed that somebody else kept. */
async function signedAt(number: number): Promise<bigint> {
  const note = (await asSuperuser(sample.database.name, notesOf))[number - 1] ?? '';
  return checkpointOf(note)?.atMicros ?? 0n;
}

function verify(
  source: VerifyOptions['source'],
  changes: Partial<VerifyOptions> = {},
): Promise<VerifyReport> {
  return verifyRecord({
    keys: openCheckpointKeys(sample.keyFile).publicKeys(),
    source,
    kept: [],
    gapAfterMs: 60_000,
    now: nowMicros,
    ...changes,
  });
}

function inDatabase(name: string): VerifyOptions['source'] {
  return { kind: 'database', readUrl: superuserUrl(name), archives: [] };
}

const short = ({ fault, writer, seq }: Finding) => [fault, writer, seq];

/** Computes the hashes again from an event on, as somebody would who wants no one to see it. */
async function rehash(
  client: Client,
  writer: string,
  from: number,
  to = Number.MAX_SAFE_INTEGER,
): Promise<void> {
  let before: string | undefined;
  for (const event of await readChain(client, writer)) {
    const hidden: ChainedEvent = { ...event, prevHash: before ?? event.prevHash };
    const hash = event.seq >= from && event.seq <= to ? hashEvent(hidden) : event.hash;
    if (event.seq >= from && event.seq <= to)
      await client.query(
        `UPDATE ideogate.audit_event SET prev_hash = decode($3, 'hex'), hash = decode($4, 'hex') WHERE writer = $1 AND seq = $2`,
        [writer, event.seq.toString(), hidden.prevHash, hash],
      );
    before = to === Number.MAX_SAFE_INTEGER ? hash : undefined;
  }
}

/** Puts an event beside or after others, with what is given of it changed. */
async function insert(
  client: Client,
  writer: string,
  seq: number,
  changes: Record<string, string>,
): Promise<void> {
  const { rows } = await client.query<{ columns: string; values: string }>(
    `SELECT string_agg(quote_ident(column_name), ', ') AS columns,
       string_agg(coalesce($1::jsonb ->> column_name, quote_ident(column_name)), ', ') AS values
     FROM information_schema.columns WHERE table_schema = 'ideogate' AND table_name = 'audit_event'`,
    [JSON.stringify(changes)],
  );
  await client.query(
    `INSERT INTO ideogate.audit_event (${rows[0]?.columns}) SELECT ${rows[0]?.values} FROM ideogate.audit_event
     WHERE writer = $1 AND seq = $2`,
    [writer, seq],
  );
}

const event = (writer: string, seq: number) => `writer = '${writer}' AND seq = ${seq}`;
const SOONER = `at - interval '1 microsecond'`;
const RANDOM_HASH = `decode(repeat('ab', 32), 'hex')`;
const OTHER_WRITER = '00000000-0000-4000-8000-00000000000f';

interface Tampering {
  readonly what: string;
  readonly tamper: (client: Client) => Promise<unknown>;
  /** Fault, writer, seq. */
  readonly faults: () => readonly (readonly (string | number | null)[])[];
  /** Whether the checkpoints kept elsewhere are at hand. */
  readonly kept?: boolean;
  readonly of?: () => string;
}

const changed = (text: string) => (client: Client) => client.query(`UPDATE ideogate.audit_event SET ${text}`);

/** Moves what comes after a place; in two steps, since of two events of one moment one would stand in the other's way. */
async function move(client: Client, writer: string, after: number, by: number): Promise<void> {
  await changed(`seq = seq + 1000000 WHERE writer = '${writer}' AND seq > ${after}`)(client);
  await changed(`seq = seq - 1000000 + ${by} WHERE writer = '${writer}' AND seq > 1000000`)(client);
}

const TAMPERINGS: readonly Tampering[] = [
  {
    what: 'a column of an event is changed',
    tamper: (client) => changed(`subject = 'nobody' WHERE ${event(sample.open, 5)}`)(client),
    faults: () => [['changed', sample.open, 5]],
  },
  {
    what: 'a column that was empty is filled',
    tamper: (client) => changed(`problem = 'x' WHERE ${event(sample.closed, 3)}`)(client),
    faults: () => [['changed', sample.closed, 3]],
  },
  {
    what: 'the hash of an event is changed',
    tamper: (client) => changed(`hash = ${RANDOM_HASH} WHERE ${event(sample.open, 6)}`)(client),
    faults: () => [['changed', sample.open, 6]],
  },
  {
    what: 'an event is changed, and its hash computed again',
    tamper: async (client) => {
      await changed(`cost_usd_micros = 1 WHERE ${event(sample.open, 5)}`)(client);
      await rehash(client, sample.open, 5, 5);
    },
    faults: () => [['changed', sample.open, 5]],
  },
  {
    what: 'an event is changed, and all hashes after it computed again',
    tamper: async (client) => {
      await changed(`subject = 'nobody' WHERE ${event(sample.open, 5)}`)(client);
      await rehash(client, sample.open, 5);
    },
    // The first checkpoint that contradicts is the one made after four calls.
    faults: () => [['changed', sample.open, 9]],
  },
  {
    what: 'an event is removed',
    tamper: (client) => client.query(`DELETE FROM ideogate.audit_event WHERE ${event(sample.open, 5)}`),
    faults: () => [['removed', sample.open, 5]],
  },
  {
    what: 'the beginning of a chain is removed',
    tamper: (client) =>
      client.query(`DELETE FROM ideogate.audit_event WHERE writer = '${sample.closed}' AND seq <= 3`),
    faults: () => [['removed', sample.closed, 1]],
  },
  {
    what: 'an event is removed, and those after it moved up',
    tamper: async (client) => {
      await client.query(`DELETE FROM ideogate.audit_event WHERE ${event(sample.closed, 6)}`);
      await move(client, sample.closed, 6, -1);
    },
    faults: () => [['removed', sample.closed, 6]],
  },
  {
    what: 'an event is removed, those after it moved up, and all hashes computed again',
    tamper: async (client) => {
      await client.query(`DELETE FROM ideogate.audit_event WHERE ${event(sample.closed, 6)}`);
      await move(client, sample.closed, 6, -1);
      await rehash(client, sample.closed, 6);
    },
    faults: () => [['cut-off', sample.closed, 14]],
  },
  {
    what: 'a checkpoint is removed',
    tamper: (client) => client.query('DELETE FROM ideogate.checkpoint WHERE number = 3'),
    faults: () => [['removed', null, 3]],
  },
  {
    what: 'an event is slipped in beside another',
    tamper: (client) =>
      insert(client, sample.open, 5, { at: SOONER, subject: `'nobody'`, hash: RANDOM_HASH }),
    faults: () => [['inserted', sample.open, 5]],
  },
  {
    what: 'an event is slipped in between two, and those after it moved down',
    tamper: async (client) => {
      await move(client, sample.closed, 5, 1);
      await insert(client, sample.closed, 5, { seq: '6', subject: `'nobody'`, hash: RANDOM_HASH });
    },
    faults: () => [['inserted', sample.closed, 6]],
  },
  {
    what: 'an event is added to a chain that was closed',
    tamper: (client) => insert(client, sample.closed, 14, { seq: '15', kind: `'notice'` }),
    faults: () => [['inserted', sample.closed, 15]],
  },
  {
    what: 'an event that follows with the right hashes is added to a chain that was closed',
    tamper: async (client) => {
      await insert(client, sample.closed, 14, { seq: '15', result: `'record-read'` });
      await rehash(client, sample.closed, 15);
    },
    faults: () => [['inserted', sample.closed, 15]],
  },
  {
    what: 'a chain that nobody opened is added, with the right hashes',
    tamper: async (client) => {
      await insert(client, sample.closed, 14, {
        writer: `'${OTHER_WRITER}'`,
        seq: '1',
        at: 'now()',
        result: `'record-read'`,
        prev_hash: `decode(repeat('00', 32), 'hex')`,
      });
      await rehash(client, OTHER_WRITER, 1);
    },
    faults: () => [['inserted', OTHER_WRITER, 1]],
  },
  {
    what: 'an event that fits nothing is added to an open chain',
    tamper: (client) => insert(client, sample.open, 4, { seq: '22', at: 'now()' }),
    faults: () => [['inserted', sample.open, 22]],
  },
  {
    what: 'a chain that nobody opened is added',
    tamper: (client) =>
      insert(client, sample.open, 4, { writer: `'${OTHER_WRITER}'`, seq: '1', at: 'now()' }),
    faults: () => [['inserted', OTHER_WRITER, 1]],
  },
  {
    what: 'two events are exchanged',
    tamper: (client) => changed(`seq = 11 - seq WHERE writer = '${sample.open}' AND seq IN (5, 6)`)(client),
    faults: () => [['reordered', sample.open, 5]],
  },
  {
    what: 'two events far apart are exchanged',
    tamper: (client) => changed(`seq = 14 - seq WHERE writer = '${sample.open}' AND seq IN (3, 11)`)(client),
    faults: () => [
      ['reordered', sample.open, 3],
      ['reordered', sample.open, 11],
    ],
  },
  {
    what: 'the times of two events are exchanged',
    tamper: (client) =>
      changed(`at = (SELECT o.at FROM ideogate.audit_event o WHERE o.writer = audit_event.writer AND o.seq = 13 - audit_event.seq)
        WHERE writer = '${sample.open}' AND seq IN (4, 9)`)(client),
    faults: () => [['reordered', sample.open, 4]],
  },
  {
    what: 'the end of a chain is cut off',
    tamper: (client) =>
      client.query(`DELETE FROM ideogate.audit_event WHERE writer = '${sample.open}' AND seq > 15`),
    faults: () => [['cut-off', sample.open, 16]],
  },
  {
    what: 'a whole chain is removed',
    tamper: (client) => client.query(`DELETE FROM ideogate.audit_event WHERE writer = '${sample.closed}'`),
    faults: () => [['cut-off', sample.closed, 1]],
  },
  {
    what: 'two sound events stand at one place',
    tamper: async (client) => {
      const fifth = (await readChain(client, sample.open)).find(({ seq }) => seq === 5n);
      if (fifth === undefined) throw new Error('no such event');
      const other = { ...fifth, subject: 'nobody', atMicros: fifth.atMicros + 1n };
      await insert(client, sample.open, 5, {
        at: `at + interval '1 microsecond'`,
        subject: `'nobody'`,
        hash: `decode('${hashEvent(other)}', 'hex')`,
      });
    },
    faults: () => [['forked', sample.open, 5]],
  },
  {
    what: 'a checkpoint is changed',
    tamper: (client) =>
      client.query(
        `UPDATE ideogate.checkpoint SET note = replace(note, 'time 2', 'time 3') WHERE number = 3`,
      ),
    faults: () => [['forged-checkpoint', null, 3]],
  },
  {
    what: 'the signature of a checkpoint is changed, though later ones vouch for its text',
    tamper: async (client) => {
      const third = (await notesOf(client))[2] ?? '';
      const at = third.length - 20;
      const other = third[at] === 'A' ? 'B' : 'A';
      await client.query('UPDATE ideogate.checkpoint SET note = $1 WHERE number = 3', [
        `${third.slice(0, at)}${other}${third.slice(at + 1)}`,
      ]);
    },
    faults: () => [['forged-checkpoint', null, 3]],
  },
  {
    what: 'a checkpoint in the middle is put in place that another key signed',
    tamper: async (client) => {
      const third = checkpointOf((await notesOf(client))[2] ?? '');
      if (third === null) throw new Error('no checkpoint');
      const text = checkpointText({ ...third, atMicros: third.atMicros + 1n });
      await client.query('UPDATE ideogate.checkpoint SET note = $1 WHERE number = 3', [
        signNote(text, makeSigningKey('ideogate.test/staging')),
      ]);
    },
    faults: () => [['forged-checkpoint', null, 3]],
  },
  {
    what: 'a checkpoint signed with another key is added',
    tamper: async (client) => {
      const last = checkpointOf((await notesOf(client)).at(-1) ?? '');
      if (last === null) throw new Error('no checkpoint');
      const forged = checkpointText({ ...last, number: last.number + 1, heads: [] });
      await client.query('INSERT INTO ideogate.checkpoint VALUES ($1, $2)', [
        last.number + 1,
        signNote(forged, makeSigningKey('ideogate.test/staging')),
      ]);
    },
    faults: () => [['forged-checkpoint', null, 13]],
  },
  {
    what: 'an old backup is put in the place of the record',
    of: () => sample.backup,
    tamper: async () => {},
    kept: true,
    faults: () => [['rolled-back', null, 11]],
  },
  {
    what: 'all that came after a moment is removed, checkpoints too',
    tamper: async (client) => {
      await client.query(`DELETE FROM ideogate.audit_event WHERE writer = '${sample.open}' AND seq > 9`);
      await client.query('DELETE FROM ideogate.checkpoint WHERE number > 10');
    },
    kept: true,
    faults: () => [['rolled-back', null, 11]],
  },
  {
    what: 'the last checkpoints are removed, and events after them left',
    tamper: (client) => client.query('DELETE FROM ideogate.checkpoint WHERE number > 10'),
    kept: true,
    faults: () => [['removed', null, 11]],
  },
  {
    what: 'the record goes on from an old backup, signed by the key',
    of: () => sample.backup,
    tamper: async (client) => {
      const last = checkpointOf((await notesOf(client)).at(-1) ?? '');
      if (last === null) throw new Error('no checkpoint');
      const text = checkpointText({
        ...last,
        number: 11,
        previous: hashOfCheckpoint(checkpointText(last)),
        heads: [],
      });
      await client.query('INSERT INTO ideogate.checkpoint VALUES (11, $1)', [
        signNote(text, openCheckpointKeys(sample.keyFile).current()),
      ]);
    },
    kept: true,
    faults: () => [
      ['forked', null, 11],
      ['rolled-back', null, 12],
    ],
  },
];

describe('an untouched record', () => {
  test('is proved, in the database and in an export, with and without what others kept', async () => {
    const file = await exportOf(sample.whole);
    for (const source of [inDatabase(sample.whole), { kind: 'files' as const, files: [file] }]) {
      for (const kept of [[], [sample.kept]]) {
        const report = await verify(source, { kept });
        expect(report).toMatchObject({
          ok: true,
          events: sample.events,
          checkpoints: sample.checkpoints,
          faults: [],
          more: 0,
          reported: { chains: 3, tail: 4, open: 0, unknown: 0, notes: [] },
        });
      }
    }
  });

  test('an export of an older state is no rolled-back one: it says when it was made', async () => {
    const file = await exportOf(sample.backup, await signedAt(10));
    const report = await verify({ kind: 'files', files: [file] }, { kept: [sample.kept] });
    expect(report).toMatchObject({ ok: true, checkpoints: 10 });
    expect(report.reported.notes).toEqual([
      expect.stringMatching(/^2 checkpoints that were kept are younger than the export, which was made at/),
    ]);
  });
});

describe('what a superuser did to the record is named:', () => {
  test.each(TAMPERINGS)('$what (E.53)', async ({ tamper, faults, kept = false, of }) => {
    const name = of?.() ?? sample.whole;
    onTestFinished(() => putBack(name));
    await asSuperuser(name, tamper);
    const with_ = { kept: kept ? [sample.kept] : [] };
    const fromDatabase = await verify(inDatabase(name), with_);
    const fromExport = await verify({ kind: 'files', files: [await exportOf(name)] }, with_);
    expect(fromDatabase.faults.map(short)).toEqual(faults());
    expect(fromExport.faults.map(short)).toEqual(faults());
    expect([fromDatabase.ok, fromExport.ok]).toEqual([false, false]);
  });
});

describe('checkpoints kept elsewhere, of about when an export was made, whose clock it is not:', () => {
  const seconds = (count: number) => BigInt(count) * 1_000_000n;
  const kept = () => ({ kept: [sample.kept] });
  const inExport = async (name: string, at: bigint) =>
    verify({ kind: 'files', files: [await exportOf(name, at)] }, kept());
  /** Takes away what was written and signed after a place of the open chain and a checkpoint. */
  const endAt = (seq: number, checkpoint: number) => async (client: Client) => {
    await client.query(`DELETE FROM ideogate.audit_event WHERE writer = '${sample.open}' AND seq > ${seq}`);
    await client.query('DELETE FROM ideogate.checkpoint WHERE number > $1', [checkpoint]);
  };

  test.each([0, 1, 4, 5, 6, 3_600])(
    'what one fixes that was signed %i seconds before is missed, if it is not there',
    async (after) => {
      const { faults } = await inExport(sample.backup, (await signedAt(11)) + seconds(after));
      expect(faults.map(short)).toEqual([['rolled-back', null, 11]]);
    },
  );

  test('what a younger one fixes must be as it is there, and may not be there yet', async () => {
    onTestFinished(() => putBack(sample.whole));
    const at = await signedAt(10);
    await asSuperuser(sample.whole, endAt(17, 10));
    expect(await inExport(sample.whole, at)).toMatchObject({ ok: true, checkpoints: 10 });
    await asSuperuser(sample.whole, async (client) => {
      await changed(`subject = 'nobody' WHERE ${event(sample.open, 15)}`)(client);
      await rehash(client, sample.open, 15);
    });
    const { faults } = await inExport(sample.whole, at);
    expect(faults.map(short)).toEqual([['changed', sample.open, 17]]);
    await asSuperuser(sample.whole, endAt(16, 10));
    expect(await inExport(sample.whole, at)).toMatchObject({ ok: true, reported: { tail: 7 } });
  });

  test('a younger one proves no export that has none itself', async () => {
    onTestFinished(() => putBack(sample.whole));
    await asSuperuser(sample.whole, endAt(0, 0));
    const { faults, checkpoints } = await inExport(sample.whole, (await signedAt(1)) - 1n);
    expect([checkpoints, faults.map(short)]).toEqual([0, [['removed', null, null]]]);
  });

  test('one that was signed while it was made is not missed where all that it fixes is there, and one of before is', async () => {
    onTestFinished(() => putBack(sample.whole));
    await asSuperuser(sample.whole, endAt(17, 11));
    const meanwhile = await inExport(sample.whole, (await signedAt(12)) + seconds(4));
    expect(meanwhile).toMatchObject({
      ok: true,
      reported: {
        notes: [
          'checkpoint 12, kept elsewhere: signed while the export was being made or just before, and not in it; all that was fixed by then is',
        ],
      },
    });
    const later = await inExport(sample.whole, (await signedAt(12)) + seconds(6));
    expect(later.faults.map(short)).toEqual([['removed', null, 12]]);
  });

  test('a verification that was stopped knows younger ones still', async () => {
    onTestFinished(() => putBack(sample.whole));
    await asSuperuser(sample.whole, async (client) => {
      await endAt(17, 10)(client);
      await changed(`subject = 'nobody' WHERE ${event(sample.open, 15)}`)(client);
      await rehash(client, sample.open, 15);
    });
    const source = { kind: 'files', files: [await exportOf(sample.whole, await signedAt(10))] } as const;
    const resume = join(sample.folder, 'state-with-younger.json');
    const stopped = verify(source, { ...kept(), resume, signal: AbortSignal.abort() });
    await expect(stopped).rejects.toThrow(InterruptedError);
    const goneOn = await verify(source, { ...kept(), resume });
    expect(goneOn.faults.map(short)).toEqual([['changed', sample.open, 17]]);
    expect(goneOn).toEqual(await verify(source, kept()));
  });
});

test('an event slipped in is found even though nothing but its place and its neighbours speak against it', async () => {
  onTestFinished(() => putBack(sample.whole));
  await asSuperuser(sample.whole, (client) =>
    insert(client, sample.open, 21, { seq: '23', at: 'now()', hash: RANDOM_HASH }),
  );
  const { faults } = await verify(inDatabase(sample.whole));
  expect(faults.map(short)).toEqual([['inserted', sample.open, 23]]);
});

describe('of two environments that sign with one key', () => {
  let other: RecordDatabase;
  let kept: string;
  const other_ = { environment: 'production' } as const;

  beforeAll(async () => {
    other = await recordDatabase();
    const record = openAuditWriter({ ...other, opening: { ...OPENING, ...other_ }, now: nowMicros });
    await record.decide(decision(other_));
    await record.close(5_000);
    await signCheckpoints({
      ...other,
      ...other_,
      keys: openCheckpointKeys(sample.keyFile),
      destinations: [],
      now: nowMicros,
    }).stop();
    kept = join(sample.folder, 'kept-of-production.ndjson');
    const notes = await asSuperuser(other.name, notesOf);
    writeFileSync(kept, notes.map((note) => `${checkpointLine(note)}\n`).join(''));
  });
  afterAll(() => other.close());

  const details = ({ faults }: VerifyReport) => faults.map(({ fault, detail }) => `${fault}: ${detail}`);

  test('each is whole by itself', async () => {
    expect(await verify(inDatabase(other.name), { kept: [kept], ...other_ })).toMatchObject({ ok: true });
    expect(await verify(inDatabase(sample.whole), { environment: 'staging' })).toMatchObject({ ok: true });
  });

  test('the checkpoints of one prove nothing of the other, and are named as such', async () => {
    const said = `forged-checkpoint: ${kept} has checkpoints of production, and this is the record of staging: they prove nothing here`;
    const file = await exportOf(sample.whole);
    for (const source of [inDatabase(sample.whole), { kind: 'files' as const, files: [file] }])
      expect(details(await verify(source, { kept: [kept] }))).toEqual([said]);
    expect(details(await verify(inDatabase(sample.whole), { kept: [kept, sample.kept] }))).toEqual([said]);
  });

  test('the record of one in the place of the other is named as such', async () => {
    const { faults, ok } = await verify(inDatabase(other.name), { environment: 'staging' });
    expect(ok).toBe(false);
    expect(faults[0]).toMatchObject({
      fault: 'forged-checkpoint',
      detail: expect.stringMatching(
        /^the database has checkpoints of production, and this is the record of staging/,
      ),
    });
    expect(faults[1]).toMatchObject({
      fault: 'inserted',
      seq: 1,
      detail: 'event 1 is of production, and this is the record of staging',
    });
    expect(faults).toHaveLength(2);
  });

  test('a checkpoint of one among those of the other is forged, though its signature is good', async () => {
    onTestFinished(() => putBack(sample.whole));
    const [note = ''] = await asSuperuser(other.name, notesOf);
    const stranger = checkpointText({
      ...(checkpointOf(note) ?? expect.fail('it is no checkpoint')),
      number: sample.checkpoints + 1,
    });
    await asSuperuser(sample.whole, (client) =>
      client.query('INSERT INTO ideogate.checkpoint VALUES ($1, $2)', [
        sample.checkpoints + 1,
        signNote(stranger, openCheckpointKeys(sample.keyFile).current()),
      ]),
    );
    for (const source of [
      inDatabase(sample.whole),
      { kind: 'files' as const, files: [await exportOf(sample.whole)] },
    ])
      expect((await verify(source)).faults.map(short)).toEqual([
        ['forged-checkpoint', null, sample.checkpoints + 1],
      ]);
  });

  test('a chain of one in the record of the other is slipped in, however sound it is', async () => {
    const file = join(sample.folder, 'mixed.ndjson');
    const chain = readFileSync(await exportOf(other.name), 'utf8')
      .split('\n')
      .filter((line) => line.includes('"call_id"') || line.includes('"writer-'));
    writeFileSync(file, `${readFileSync(await exportOf(sample.whole), 'utf8')}${chain.join('\n')}\n`);
    const { faults } = await verify({ kind: 'files', files: [file] });
    expect(faults.map(({ fault, seq }) => [fault, seq])).toEqual([['inserted', 1]]);
  });

  test('and of two installations of one environment, too', async () => {
    const twin = await recordDatabase();
    onTestFinished(() => twin.close());
    await signNow(twin, sample.keyFile);
    const file = join(sample.folder, 'kept-of-a-twin.ndjson');
    const notes = await asSuperuser(twin.name, notesOf);
    writeFileSync(file, notes.map((note) => `${checkpointLine(note)}\n`).join(''));
    expect(details(await verify(inDatabase(sample.whole), { kept: [file] }))).toEqual([
      `forked: none of the checkpoints in ${file} is one of this record's: another installation signs with the same key, or this record was begun anew`,
    ]);
  });

  test('what the database says it is must be what was signed', async () => {
    onTestFinished(() =>
      asSuperuser(sample.whole, (client) => client.query('DELETE FROM ideogate.deployment')).then(() => {}),
    );
    await asSuperuser(sample.whole, (client) =>
      client.query(`INSERT INTO ideogate.deployment (environment) VALUES ('production')`),
    );
    expect(details(await verify(inDatabase(sample.whole)))).toEqual([
      'changed: the database says that it is of production, and this is the record of staging',
    ]);
  });
});

describe('the first line of an export', () => {
  const edited = async (
    edit: (header: string) => string,
  ): Promise<VerifyReport & { readonly file: string }> => {
    const text = readFileSync(await exportOf(sample.whole), 'utf8');
    const end = text.indexOf('\n');
    const file = join(sample.folder, 'edited-header.ndjson');
    writeFileSync(file, edit(text.slice(0, end)) + text.slice(end));
    return { ...(await verify({ kind: 'files', files: [file] })), file };
  };

  test.each([
    [
      'another environment',
      (header: string) => header.replace('staging', 'production'),
      /says that it is of production, and this is the record of staging/,
    ],
    [
      'an archive of no month',
      (header: string) => header.replace('export', 'archive'),
      /an archive of no month/,
    ],
    [
      'the archive of a month that is under way',
      () =>
        `{"archive":{"at":"${nowMicros()}","environment":"staging","month":"${new Date().toISOString().slice(0, 7)}"}}`,
      /which isn't over long enough/,
    ],
    [
      'the archive of a month that none of its events is of',
      () => `{"archive":{"at":"${nowMicros()}","environment":"staging","month":"2020-01"}}`,
      /says that it is the archive of 2020-01, and line 2 is of another month/,
    ],
  ])('that names %s is found', async (_, edit, said) => {
    const { ok, faults, file } = await edited(edit);
    expect(ok).toBe(false);
    expect(faults).toEqual([
      { fault: 'changed', writer: null, seq: null, detail: expect.stringMatching(said) },
    ]);
    expect(faults[0]?.detail).toContain(file);
  });
});

describe('a call that nobody told the end of', () => {
  const removeOutcome = (client: Client) =>
    client.query(`DELETE FROM ideogate.audit_event WHERE ${event(sample.open, 21)}`);

  test('is no fault within its bound, and a gap after it', async () => {
    onTestFinished(() => putBack(sample.whole));
    await asSuperuser(sample.whole, removeOutcome);
    const soon = await verify(inDatabase(sample.whole), { gapAfterMs: 3_600_000 });
    expect(soon).toMatchObject({ ok: true, reported: { open: 1, tail: 3 } });
    const later = await verify(inDatabase(sample.whole), { gapAfterMs: 0 });
    expect(later.faults.map(short)).toEqual([['gap', sample.open, 20]]);
    const file = await exportOf(sample.whole);
    const later2 = await verify({ kind: 'files', files: [file] }, { gapAfterMs: 0 });
    expect(later2.faults.map(short)).toEqual([['gap', sample.open, 20]]);
  });

  test('is told when another writer says that nobody knows it, and is no fault then', async () => {
    onTestFinished(() => putBack(sample.whole));
    const callId = await asSuperuser(sample.whole, async (client) => {
      await removeOutcome(client);
      const { rows } = await client.query<{ call_id: string }>(
        `SELECT call_id FROM ideogate.audit_event WHERE ${event(sample.open, 20)}`,
      );
      return parseCallId(rows[0]?.call_id ?? '');
    });
    if (callId === undefined) throw new Error('no call');
    const urls = { appendUrl: superuserUrl(sample.whole), readUrl: superuserUrl(sample.whole) };
    const closer = openAuditWriter({ ...urls, opening: OPENING, now: nowMicros });
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
    const urls = { appendUrl: superuserUrl(sample.whole), readUrl: superuserUrl(sample.whole) };
    const forger = await forge(urls.appendUrl, [
      about('writer-opened'),
      ...results.map((result) => outcome({ callId, result })),
      about('writer-closed'),
    ]);
    // The signer cannot know a forger, who begins and ends as any writer does.
    await signNow(urls, sample.keyFile);
    const found = [['inserted', forger, 1 + results.length]];
    expect((await verify(inDatabase(sample.whole))).faults.map(short)).toEqual(found);
    const file = await exportOf(sample.whole);
    expect((await verify({ kind: 'files', files: [file] })).faults.map(short)).toEqual(found);
  });

  test('is found in the place of the true one, which was cut off', async () => {
    onTestFinished(() => putBack(sample.whole));
    await asSuperuser(sample.whole, (client) =>
      client.query(`DELETE FROM ideogate.audit_event WHERE ${event(sample.open, 21)}`),
    );
    const callId = await callOf(sample.whole, event(sample.open, 20));
    const urls = { appendUrl: superuserUrl(sample.whole), readUrl: superuserUrl(sample.whole) };
    const forger = openAuditWriter({ ...urls, opening: OPENING, now: nowMicros });
    forger.outcome(outcome({ callId }));
    await forger.close(5_000);
    const { faults } = await verify(inDatabase(sample.whole));
    expect(faults.map(short)).toContainEqual(['inserted', forger.writer, 2]);
  });
});

describe('the keys', () => {
  test('the first public key is enough, and so is the callOf, after the key was changed', async () => {
    onTestFinished(() => putBack(sample.whole));
    const [old] = openCheckpointKeys(sample.keyFile).publicKeys();
    const file = join(sample.folder, 'changing-key');
    copyFileSync(sample.keyFile, file);
    const next = prepareNextKey(file);
    const urls = { appendUrl: superuserUrl(sample.whole), readUrl: superuserUrl(sample.whole) };
    await signNow(urls, file);
    for (const key of [old, next]) {
      if (key === undefined) throw new Error('no key');
      expect(await verify(inDatabase(sample.whole), { keys: [key] })).toMatchObject({
        ok: true,
        checkpoints: sample.checkpoints + 3,
      });
    }
    const stranger = await verify(inDatabase(sample.whole), {
      keys: [makeSigningKey('ideogate.test/staging').verifier],
    });
    expect(new Set(stranger.faults.map(({ fault }) => fault))).toEqual(new Set(['forged-checkpoint']));
  });

  test('a key that was changed signs no more, whoever has it', async () => {
    onTestFinished(() => putBack(sample.whole));
    const file = join(sample.folder, 'stolen-key');
    copyFileSync(sample.keyFile, file);
    const stolen = openCheckpointKeys(file).current();
    prepareNextKey(file);
    const urls = { appendUrl: superuserUrl(sample.whole), readUrl: superuserUrl(sample.whole) };
    await signNow(urls, file);
    await asSuperuser(sample.whole, async (client) => {
      const note = (await notesOf(client)).at(-1) ?? '';
      const last = checkpointOf(note);
      if (last === null) throw new Error('no checkpoint');
      const text = checkpointText({
        ...last,
        number: last.number + 1,
        previous: hashOfCheckpoint(checkpointText(last)),
        heads: [],
      });
      await client.query('INSERT INTO ideogate.checkpoint VALUES ($1, $2)', [
        last.number + 1,
        signNote(text, stolen),
      ]);
    });
    const { faults } = await verify(inDatabase(sample.whole), {
      keys: openCheckpointKeys(file).publicKeys(),
    });
    expect(faults.map(short)).toEqual([['forged-checkpoint', null, 16]]);
  });
});

describe('a stolen key that was changed', () => {
  test('signs no other past, even where nothing is left of the change', async () => {
    onTestFinished(() => putBack(sample.whole));
    const [file, thiefs] = [join(sample.folder, 'left-key'), join(sample.folder, 'thiefs-key')];
    for (const copy of [file, thiefs]) copyFileSync(sample.keyFile, copy);
    prepareNextKey(file);
    const urls = { appendUrl: superuserUrl(sample.whole), readUrl: superuserUrl(sample.whole) };
    await signNow(urls, file);
    await asSuperuser(sample.whole, async (client) => {
      await client.query('DELETE FROM ideogate.checkpoint');
      await client.query(
        `UPDATE ideogate.audit_event SET subject = 'nobody' WHERE ${event(sample.closed, 5)}`,
      );
      await rehash(client, sample.closed, 5);
    });
    await signNow(urls, thiefs);
    const keys = openCheckpointKeys(file);
    const forged = ['forged-checkpoint', null, 1];
    const before = await verify(inDatabase(sample.whole), { keys: keys.inForce() });
    expect(before.faults.map(short)).toContainEqual(forged);
    await signNow(urls, file);
    const after = await verify(inDatabase(sample.whole), { keys: keys.inForce() });
    expect(after.faults.map(short)).toContainEqual(forged);
  });

  test('is not needed to know what was kept while it signed', async () => {
    onTestFinished(() => putBack(sample.whole));
    const file = join(sample.folder, 'later-key');
    copyFileSync(sample.keyFile, file);
    prepareNextKey(file);
    const urls = { appendUrl: superuserUrl(sample.whole), readUrl: superuserUrl(sample.whole) };
    await signNow(urls, file);
    const keys = openCheckpointKeys(file).inForce();
    expect(await verify(inDatabase(sample.whole), { keys, kept: [sample.kept] })).toMatchObject({ ok: true });
  });
});

describe('a single checkpoint that somebody kept', () => {
  const onlyLast = () => {
    const file = join(sample.folder, 'one.ndjson');
    writeFileSync(file, `${readFileSync(sample.kept, 'utf8').trimEnd().split('\n').at(-1)}\n`);
    return file;
  };
  const forget = (client: Client) => client.query('DELETE FROM ideogate.checkpoint');

  test('fixes every chain, those that it does not list too (E.53)', async () => {
    onTestFinished(() => putBack(sample.whole));
    await asSuperuser(sample.whole, async (client) => {
      await forget(client);
      await client.query(`DELETE FROM ideogate.audit_event WHERE writer = '${sample.closed}'`);
    });
    const { faults } = await verify(inDatabase(sample.whole), { kept: [onlyLast()] });
    expect(faults.map(({ fault }) => fault)).toContain('cut-off');
  });

  test('is not needed to see that all of them were taken away', async () => {
    onTestFinished(() => putBack(sample.whole));
    await asSuperuser(sample.whole, forget);
    const { ok, faults } = await verify(inDatabase(sample.whole), { kept: [] });
    expect({ ok, faults: faults.map(({ fault }) => fault) }).toEqual({ ok: false, faults: ['removed'] });
  });
});

describe('checkpoints that somebody else kept', () => {
  const forms: readonly (readonly [string, (text: string) => string])[] = [
    ['as they were sent', (text) => text],
    ['without a line feed at the end', (text) => text.trimEnd()],
    [
      'with what a collector of logs puts before each',
      (text) => text.replaceAll(/^/gm, '2026-11-29 gateway | '),
    ],
    ['as a text file of Windows', (text) => `\uFEFF${text.replaceAll('\n', '\r\n')}`],
    ['among other lines', (text) => `started\n${text}stopped\n`],
  ];
  test.each(forms)('are read %s', async (_, form) => {
    const file = join(sample.folder, 'kept-in-a-form.ndjson');
    writeFileSync(file, form(readFileSync(sample.kept, 'utf8')));
    const { faults } = await verify(inDatabase(sample.backup), { kept: [file] });
    expect(faults.map(short)).toEqual([['rolled-back', null, 11]]);
  });

  test('are read from a pipe', async () => {
    const pipe = join(sample.folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const written = writeFile(pipe, readFileSync(sample.kept));
    const { faults } = await verify(inDatabase(sample.backup), { kept: [pipe] });
    await written;
    expect(faults.map(short)).toEqual([['rolled-back', null, 11]]);
  });

  test.each([
    ['an empty file', ''],
    ['a file of something else', 'root:x:0:0\n'],
    ['a bare signed note', 'ideogate checkpoint\nenvironment staging\n'],
  ])('are missed in %s', async (_, text) => {
    const file = join(sample.folder, 'no-checkpoints');
    writeFileSync(file, text);
    await expect(verify(inDatabase(sample.whole), { kept: [file] })).rejects.toThrow(NoCheckpointsError);
  });
});

test('a chain of long ago that the last checkpoint does not know is none of the record', async () => {
  onTestFinished(() => putBack(sample.whole));
  const urls = { appendUrl: superuserUrl(sample.whole), readUrl: superuserUrl(sample.whole) };
  const longAgo = () => nowMicros() - 11n * 86_400_000_000n;
  const record = openAuditWriter({ ...urls, opening: OPENING, now: longAgo });
  await record.refuse(refusal({ atMicros: longAgo() }));
  await record.close(5_000);
  const file = await exportOf(sample.whole);
  for (const source of [inDatabase(sample.whole), { kind: 'files' as const, files: [file] }])
    expect((await verify(source)).faults.map(short)).toEqual([['inserted', record.writer, 1]]);
});

describe('where there is nothing', () => {
  const NOTHING = { ok: false, events: 0, checkpoints: 0, faults: [{ fault: 'removed', seq: null }] };

  test('nothing is proved: a database that was emptied, checkpoints too', async () => {
    onTestFinished(() => putBack(sample.whole));
    await asSuperuser(sample.whole, (client) =>
      client.query('TRUNCATE ideogate.audit_event, ideogate.checkpoint'),
    );
    expect(await verify(inDatabase(sample.whole))).toMatchObject(NOTHING);
  });

  test.each([
    ['an empty file', ''],
    ['an export of nothing', `${headerLine('export', { at: '1', environment: 'staging' })}\n`],
  ])('nothing is proved: %s', async (_, text) => {
    const file = join(sample.folder, 'nothing.ndjson');
    writeFileSync(file, text);
    expect(await verify({ kind: 'files', files: [file] })).toMatchObject(NOTHING);
  });
});

describe('a verification that was stopped', () => {
  test('is gone on with, and finds what it would have found at once', async () => {
    onTestFinished(() => putBack(sample.whole));
    await asSuperuser(sample.whole, async (client) => {
      for (const writer of [sample.open, sample.closed])
        await client.query(`UPDATE ideogate.audit_event SET subject = 'nobody' WHERE ${event(writer, 5)}`);
    });
    const file = await exportOf(sample.whole);
    const sources = [inDatabase(sample.whole), { kind: 'files' as const, files: [file] }];
    for (const source of sources) {
      const resume = join(sample.folder, 'state.json');
      const stopped = verify(source, { resume, signal: AbortSignal.abort() });
      await expect(stopped).rejects.toThrow(InterruptedError);
      expect(existsSync(resume)).toBe(true);
      const whole = await verify(source);
      const goneOn = await verify(source, { resume });
      expect(goneOn).toEqual(whole);
      expect(goneOn.faults).toHaveLength(2);
      expect(existsSync(resume)).toBe(false);
    }
  });

  test('is gone on with from the middle of a chain, and misses nothing on either side', async () => {
    onTestFinished(() => putBack(sample.whole));
    const urls = { appendUrl: superuserUrl(sample.whole), readUrl: superuserUrl(sample.whole) };
    const record = openAuditWriter({ ...urls, opening: OPENING, now: nowMicros });
    await Promise.all(Array.from({ length: 1_500 }, () => record.refuse(refusal())));
    await record.close(5_000);
    await asSuperuser(sample.whole, async (client) => {
      for (const seq of [3, 1_499])
        await client.query(
          `UPDATE ideogate.audit_event SET subject = 'nobody' WHERE ${event(record.writer, seq)}`,
        );
    });
    const file = await exportOf(sample.whole);
    for (const source of [inDatabase(sample.whole), { kind: 'files' as const, files: [file] }]) {
      const resume = join(sample.folder, 'state.json');
      const over = new AbortController();
      let read = 0;
      const onProgress = ({ events }: { events: number }) => {
        read = events;
        over.abort();
      };
      const stopped = verify(source, { resume, signal: over.signal, onProgress });
      await expect(stopped).rejects.toThrow(InterruptedError);
      expect(read).toBeLessThan(1_500);
      const goneOn = await verify(source, { resume });
      expect(goneOn).toEqual(await verify(source));
      expect(goneOn.faults.map(({ seq }) => seq)).toEqual([3, 1_499]);
    }
  });

  test('is not gone on with over something else, or by other checkpoints', async () => {
    const resume = join(sample.folder, 'other-state.json');
    const signal = AbortSignal.abort();
    await expect(verify(inDatabase(sample.whole), { resume, signal })).rejects.toThrow(InterruptedError);
    await expect(verify(inDatabase(sample.backup), { resume })).rejects.toThrow('something else');
    const otherwise = verify(inDatabase(sample.whole), { resume, kept: [sample.kept] });
    await expect(otherwise).rejects.toThrow('by other keys or checkpoints');
  });

  test.each(['', 'null', '[]', '{"source":"x"}', '{"upTo":1,"parts":"a"}'])(
    'is not gone on with from a state that is none: %s',
    async (text) => {
      const resume = join(sample.folder, 'damaged-state.json');
      writeFileSync(resume, text);
      await expect(verify(inDatabase(sample.whole), { resume })).rejects.toThrow(
        `${resume} does not hold the state of a verification`,
      );
    },
  );
});

describe('a file', () => {
  const lines = async () =>
    readFileSync(await exportOf(sample.whole), 'utf8')
      .trimEnd()
      .split('\n');

  async function verifyLines(all: readonly string[], name = 'changed.ndjson'): Promise<VerifyReport> {
    const file = join(sample.folder, name);
    const text = `${all.join('\n')}\n`;
    writeFileSync(file, name.endsWith('.gz') ? gzipSync(text) : text);
    return verify({ kind: 'files', files: [file] });
  }

  test('whose lines came more than once, as they do at least once, is whole', async () => {
    const [header = '', ...rest] = await lines();
    const again = [...rest.slice(0, 9), ...rest.slice(4)];
    expect(await verifyLines([header, ...again, ...rest.slice(-3)])).toMatchObject({ ok: true });
    const twice = rest.flatMap((line) => [line, line]);
    expect(await verifyLines([header, ...twice])).toMatchObject({ ok: true, events: sample.events });
    expect(await verifyLines([header, ...rest], 'whole.ndjson.gz')).toMatchObject({ ok: true });
  });

  test('does not hide a gap by saying that it is of long ago', async () => {
    onTestFinished(() => putBack(sample.whole));
    await asSuperuser(sample.whole, (client) =>
      client.query(`DELETE FROM ideogate.audit_event WHERE ${event(sample.open, 21)}`),
    );
    const urls = { appendUrl: superuserUrl(sample.whole), readUrl: superuserUrl(sample.whole) };
    const later = openAuditWriter({ ...urls, opening: OPENING, now: nowMicros });
    await later.close(5_000);
    const [header = '', ...rest] = await lines();
    const file = join(sample.folder, 'long-ago.ndjson');
    writeFileSync(file, `${[header.replace(/"at":"[0-9]+"/, '"at":"1"'), ...rest].join('\n')}\n`);
    const report = await verify({ kind: 'files', files: [file] }, { gapAfterMs: 0 });
    expect(report.faults.map(short)).toEqual([['gap', sample.open, 20]]);
  });

  test('whose writers are mixed is whole', async () => {
    const [header = '', ...rest] = await lines();
    // Every writer's first event, then every writer's second: by their times they might stand one after the other.
    const seq = (line: string) => Number(/"seq":"([0-9]+)"/.exec(line)?.[1] ?? Number.MAX_SAFE_INTEGER);
    const mixed = rest.toSorted((a, b) => seq(a) - seq(b));
    expect(mixed).not.toEqual(rest);
    expect(await verifyLines([header, ...mixed])).toMatchObject({ ok: true, events: sample.events });
  });

  test('with two lines exchanged is said to be reordered', async () => {
    const all = await lines();
    const index = all.findIndex((line) => line.includes('"seq":"5"'));
    const swapped = all.with(index, all[index + 1] ?? '').with(index + 1, all[index] ?? '');
    const { faults } = await verifyLines(swapped);
    expect(faults.map(({ fault, seq }) => [fault, seq])).toEqual([['reordered', 5]]);
  });

  test('with a byte changed in its packed form, cut off, or with a line that is none, is said to be changed', async () => {
    const text = `${(await lines()).join('\n')}\n`;
    const packed = gzipSync(text);
    packed.writeUInt8(packed.readUInt8(packed.length >> 1) ^ 1, packed.length >> 1);
    const cases: readonly (readonly [string, Buffer | string])[] = [
      ['byte.ndjson.gz', packed],
      ['cut.ndjson.gz', gzipSync(text).subarray(0, -100)],
      ['line.ndjson', `${text}what\n`],
      ['half.ndjson', text.slice(0, -20)],
    ];
    for (const [name, content] of cases) {
      const file = join(sample.folder, name);
      writeFileSync(file, content);
      const report = await verify({ kind: 'files', files: [file] });
      expect(report.ok).toBe(false);
      expect(report.faults).toContainEqual(
        expect.objectContaining({ fault: 'changed', writer: null, seq: null }),
      );
    }
  });
});
