import { createHash, type Hash } from 'node:crypto';
import { join } from 'node:path';
import type { EnvironmentName } from '@ideogate/contract';
import type { QueryArrayConfig, Session } from '@ideogate/postgres';
import { checkpointLine, eventLine, headerLine, LINE_TEXTS } from '../chain/ndjson.ts';
import { type Month, startOf } from '../month.ts';
import { isoFromMicros } from '../timestamp.ts';
import { ArchiveError } from './archive-error.ts';
import { type ArchiveContent, digestOfRanges, readArchive, writeArchive } from './archive-file.ts';
import { requireContinuity } from './continuity.ts';
import { detach, drop, monthTables, tableOf } from './month-table.ts';
import {
  alone,
  markDropped,
  type RegisteredArchive,
  registerArchive,
  registeredArchive,
} from './registered.ts';
import { requireDelivered } from './undelivered.ts';

/** In the order they are taken. Killed after any of them, a month is archived by archiving it again. */
export type ArchiveStep =
  | 'write'
  | 'prove'
  | 'register'
  | 'announce'
  | 'detach'
  | 'compare'
  | 'drop'
  | 'done';

/** What is archived, and to where. */
export interface ArchiveOptions {
  readonly ownerUrl: string;
  readonly environment: EnvironmentName;
  /** Where archives are kept; it must be there. */
  readonly folder: string;
  readonly month: Month;
  readonly now: () => bigint;
  /** Names of exports that must have the month, besides those that the database knows of; see `exportName`. */
  readonly exports?: readonly string[];
  /** Puts on record that the month leaves. Nothing is dropped unless this returns. */
  readonly announce: (archive: ArchivedMonth) => Promise<void>;
  /** Told of each step when it begins. */
  readonly onStep?: (step: ArchiveStep) => void;
}

/** What was archived, and the file it is in. */
export interface ArchivedMonth extends ArchiveContent {
  /** Name of the file in the folder. */
  readonly file: string;
}

/** What the notice of an archived month holds: `ranges` is a digest of which events left. */
export function noticeOf(archive: ArchivedMonth): Readonly<Record<string, string>> {
  const { month, file, sha256, events, checkpoints, ranges } = archive;
  return {
    month,
    file,
    sha256,
    events: String(events),
    checkpoints: String(checkpoints),
    ranges: digestOfRanges(ranges),
  };
}

/** By how much clocks may differ. */
export const CLOCK_MARGIN_MICROS = 2n * 86_400_000_000n;

/**
 * When a month is closed. Writers date an event at most 28 days back, so two months after it began nothing can be
 * dated into a month; two days more are for clocks that differ.
 */
export function closedFrom(month: Month): bigint {
  return startOf(month, 2) + CLOCK_MARGIN_MICROS;
}

/**
 * Moves a closed month from the database to a file: writes it, reads it back and proves it, registers it, puts that on
 * record, takes the partition out without holding anybody up, looks whether it still holds what the file holds, and
 * only then drops it. May be killed at any moment and run again.
 * @throws ArchiveError, what `announce` throws, or what Postgres or the disk says; nothing is dropped then
 */
export async function archiveMonth(options: ArchiveOptions): Promise<ArchivedMonth> {
  const { month, now } = options;
  if (now() < closedFrom(month)) {
    throw new ArchiveError(
      'not-closed',
      `an event can still be dated into ${month}; it is closed from ${isoFromMicros(closedFrom(month))} on`,
    );
  }
  return alone(options.ownerUrl, (session) => moveOut(session, options));
}

async function moveOut(session: Session, options: ArchiveOptions): Promise<ArchivedMonth> {
  const { month, onStep = () => {} } = options;
  const registered = await registeredArchive(session, month);
  if (registered?.dropped === true)
    throw new ArchiveError('archived-already', `${month} was archived before, to ${registered.file}`);
  const tables = await monthTables(session);
  const halfOut = tables.find((one) => one.state === 'detach-pending' && one.month !== month);
  if (halfOut !== undefined) {
    throw new ArchiveError(
      'unfinished',
      `${halfOut.month} has half left the record, and Postgres takes out one month at a time: archive it first`,
    );
  }
  const table = tables.find((one) => one.month === month);
  if (table === undefined) throw new ArchiveError('no-such-month', `the database has no month ${month}`);
  // What is out of the record already no export can read.
  if (table.state === 'attached') await requireDelivered(session, month, options.exports ?? []);
  let archive = (await provedBefore(options, registered)) ?? (await toFile(session, options));
  onStep('announce');
  await options.announce(archive);
  onStep('detach');
  await detach(session, table);
  // Nobody can write into the table any more. Should a row have come in since it was read, the file is made anew.
  onStep('compare');
  if ((await eventsSha256(session, month)) !== archive.eventsSha256) {
    archive = await toFile(session, options);
    onStep('announce');
    await options.announce(archive);
  }
  onStep('drop');
  await drop(session, month, () => markDropped(session, archive));
  onStep('done');
  return archive;
}

/** The file that an attempt before this one had proved and registered, if it is still to be had. */
async function provedBefore(
  { folder }: ArchiveOptions,
  registered: RegisteredArchive | null,
): Promise<ArchivedMonth | null> {
  if (registered === null) return null;
  try {
    const content = await readArchive(join(folder, registered.file));
    return content.sha256 === registered.sha256 ? { ...content, file: registered.file } : null;
  } catch {
    // Gone or damaged: the table still holds everything, so another is made.
    return null;
  }
}

/** The month as a proved and registered file. */
async function toFile(session: Session, options: ArchiveOptions): Promise<ArchivedMonth> {
  const { environment, folder, month, onStep = () => {} } = options;
  const file = `ideogate-${environment}-${month}.ndjson.gz`;
  const path = join(folder, file);
  onStep('write');
  const written = createHash('sha256');
  await writeArchive(path, archiveLines(session, options, written));
  onStep('prove');
  const content = await readArchive(path);
  if (content.eventsSha256 !== written.digest('hex') || content.month !== month) {
    throw new ArchiveError(
      'unproved',
      `${path} does not hold what was written into it: is the disk in order? Nothing was dropped`,
    );
  }
  await requireContinuity(session, content.ranges);
  const archive = { ...content, file };
  onStep('register');
  await registerArchive(session, archive);
  return archive;
}

/** Everything of the month in one snapshot; the lines of its events go through `digest`. */
async function* archiveLines(
  session: Session,
  { environment, month, now }: ArchiveOptions,
  digest: Hash,
): AsyncGenerator<string> {
  await session.query({ text: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY' });
  try {
    yield headerLine('archive', { at: now().toString(), environment, month });
    for await (const line of eventLines(session, month)) {
      digest.update(`${line}\n`);
      yield line;
    }
    for await (const [note] of rowsOf(session, checkpointsOf(month))) yield checkpointLine(note ?? '');
  } finally {
    await session.query({ text: 'COMMIT' });
  }
}

async function eventsSha256(session: Session, month: Month): Promise<string> {
  const digest = createHash('sha256');
  await session.query({ text: 'BEGIN READ ONLY' });
  for await (const line of eventLines(session, month)) digest.update(`${line}\n`);
  await session.query({ text: 'COMMIT' });
  return digest.digest('hex');
}

async function* eventLines(session: Session, month: Month): AsyncGenerator<string> {
  // Named with their table, the columns are meant, and not the texts that are selected under the same names.
  const select = `SELECT ${LINE_TEXTS} FROM ${tableOf(month)} e ORDER BY e.writer, e.seq`;
  for await (const texts of rowsOf(session, select)) yield eventLine(texts);
}

/** Those made in the month, and the first one after it, which fixes what the last of them couldn't see yet. */
function checkpointsOf(month: Month): string {
  // The fourth line of a note says when it was made, in a form that sorts as text.
  const made = `split_part(note, E'\n', 4) COLLATE "C"`;
  const time = (micros: bigint) => `'time ${isoFromMicros(micros)}'`;
  return `SELECT note FROM ideogate.checkpoint
    WHERE ${made} >= ${time(startOf(month))}
      AND number <= coalesce(
        (SELECT min(number) FROM ideogate.checkpoint WHERE ${made} >= ${time(startOf(month, 1))}), 9223372036854775807)
    ORDER BY number`;
}

const ROWS_AT_ONCE = 2_000;

/** Rows of texts, in flat memory; in a transaction. */
async function* rowsOf(session: Session, select: string): AsyncGenerator<readonly (string | null)[]> {
  await session.query({ text: `DECLARE archived NO SCROLL CURSOR FOR ${select}` });
  const fetch: QueryArrayConfig = { text: `FETCH ${ROWS_AT_ONCE} FROM archived`, rowMode: 'array' };
  let rows: (string | null)[][];
  do {
    rows = (await session.query(fetch)).rows;
    yield* rows;
  } while (rows.length === ROWS_AT_ONCE);
  await session.query({ text: 'CLOSE archived' });
}
