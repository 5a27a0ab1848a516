import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { superuserUrl } from '@ideogate/testkit';
import { Client } from 'pg';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import type { AuditWriter } from '../src/append/index.ts';
import { checkpointLine, eventLine, headerLine, LINE_TEXTS } from '../src/chain/ndjson.ts';
import { checkpointOf } from '../src/checkpoints/checkpoint.ts';
import { openCheckpointKeys, signCheckpoints } from '../src/checkpoints/index.ts';
import { type ChainedEvent, hashEvent } from '../src/index.ts';
import { type Finding, verifyRecord, type VerifyOptions, type VerifyReport } from '../src/verify/index.ts';
import { readChain } from './chain-of.ts';
import { decision, nowMicros, outcome, refusal } from './events-under-test.ts';
import { openWriter, type RecordDatabase, recordDatabase } from './record-under-test.ts';

/** A record of three chains, closed and open ones, with checkpoints within and after them, and a tail. */
export interface Sample {
  readonly database: RecordDatabase;
  /** Name of the copy that nothing is written to any more. */
  readonly whole: string;
  /** The same copy's, as the superuser. */
  readonly urls: Urls;
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

export let sample: Sample;
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

/** Does something to the record as a superuser, and undoes it after the test. */
export function tamper<T>(work: (client: Client) => Promise<T>, database = sample.whole): Promise<T> {
  onTestFinished(() => putBack(database));
  return asSuperuser(database, work);
}

/** Undoes whatever was done to the record: quicker than a database for each case. */
export async function putBack(database: string): Promise<void> {
  await asSuperuser(database, (client) =>
    client.query(`DELETE FROM ideogate.audit_event; INSERT INTO ideogate.audit_event TABLE kept.event;
      DELETE FROM ideogate.checkpoint; INSERT INTO ideogate.checkpoint TABLE kept.checkpoint`),
  );
}

export async function asSuperuser<T>(database: string, work: (client: Client) => Promise<T>): Promise<T> {
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
export function signNow({ appendUrl, readUrl }: Urls, keyFile: string): Promise<void> {
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

/** Makes the sample for all tests of a file, and takes it away after them. */
export function useSample(): void {
  beforeAll(makeSample, 60_000);
  afterAll(removeSample);
}

async function makeSample(): Promise<void> {
  const database = await recordDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'ideogate-verify-'));
  const keyFile = join(folder, 'checkpoint-key');
  const closed = openWriter(database);
  await calls(closed, 6);
  await closed.close(5_000);
  const third = openWriter(database);
  await third.refuse(refusal({ subject: 'tab\t line \n \\ "quoted"' }));
  await third.close(5_000);
  // Eight checkpoints: with those that follow, numbers get a second digit.
  for (let times = 0; times < 4; times++) await signNow(database, keyFile);
  const open = openWriter(database);
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
    urls: { appendUrl: superuserUrl(whole), readUrl: superuserUrl(whole) },
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
}

async function removeSample(): Promise<void> {
  await asSuperuser('postgres', async (client) => {
    for (const name of made) await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  });
  await sample.database.close();
  rmSync(sample.folder, { recursive: true });
}

export async function notesOf(client: Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ note: string }>(
    'SELECT note FROM ideogate.checkpoint ORDER BY number',
  );
  return rows.map(({ note }) => note);
}

/** The record as an export writes it. @param at when it says that it was made */
export async function exportOf(database: string, at = nowMicros()): Promise<string> {
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
export async function signedAt(number: number): Promise<bigint> {
  const note = (await asSuperuser(sample.database.name, notesOf))[number - 1] ?? '';
  return checkpointOf(note)?.atMicros ?? 0n;
}

export function verify(
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

export function inDatabase(name: string): VerifyOptions['source'] {
  return { kind: 'database', readUrl: superuserUrl(name), archives: [] };
}

export const short = ({ fault, writer, seq }: Finding) => [fault, writer, seq];

/** Computes the hashes again from an event on, as somebody would who wants no one to see it. */
export async function rehash(
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
export async function insert(
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

export const event = (writer: string, seq: number) => `writer = '${writer}' AND seq = ${seq}`;
export const SOONER = `at - interval '1 microsecond'`;
export const RANDOM_HASH = `decode(repeat('ab', 32), 'hex')`;

export const changed = (text: string) => (client: Client) =>
  client.query(`UPDATE ideogate.audit_event SET ${text}`);

/** Moves what comes after a place; in two steps, since of two events of one moment one would stand in the other's way. */
export async function move(client: Client, writer: string, after: number, by: number): Promise<void> {
  await changed(`seq = seq + 1000000 WHERE writer = '${writer}' AND seq > ${after}`)(client);
  await changed(`seq = seq - 1000000 + ${by} WHERE writer = '${writer}' AND seq > 1000000`)(client);
}
