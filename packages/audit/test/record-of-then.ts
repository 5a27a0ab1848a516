import { join } from 'node:path';
import { writeNotice } from '../src/append/index.ts';
import { type ArchiveStep, archiveMonth, noticeOf } from '../src/archive/index.ts';
import { fileTarget, exportEventsOnce } from '../src/export/index.ts';
import { type CheckpointKeys, openCheckpointKeys, signCheckpoints } from '../src/checkpoints/index.ts';
import { month } from './month-of-calls.ts';
import { OPENING, type RecordDatabase } from './record-under-test.ts';

/** A record at a time that a test names, with a folder for its key and its files. */
export interface RecordOfThen {
  readonly database: RecordDatabase;
  readonly folder: string;
  readonly now: () => bigint;
}

export function keysIn(folder: string): CheckpointKeys {
  return openCheckpointKeys(join(folder, 'checkpoint-key'), 'ideogate.test/staging');
}

/** Two checkpoints, one when the signing begins and one when it ends. */
export function signThen({ database: { appendUrl, readUrl }, folder, now }: RecordOfThen): Promise<void> {
  const options = { appendUrl, readUrl, environment: 'staging', destinations: [], now } as const;
  return signCheckpoints({ ...options, keys: keysIn(folder) }).stop();
}

/** Archives a month as the command does, its notice written first. @returns the file */
export async function archiveThen(
  { database, folder, now }: RecordOfThen,
  text: string,
  onStep: (step: ArchiveStep) => void = () => undefined,
): Promise<string> {
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
        { result: 'month-archived', subject: null, operation: 'audit archive', detail: noticeOf(archived) },
      ),
    onStep,
  });
  return join(folder, file);
}

/** An export of the database as it is, from where the last to this file stopped. @returns the file */
export async function exportThen({ database, folder, now }: RecordOfThen, name: string): Promise<string> {
  const file = join(folder, name);
  const target = fileTarget({ file, header: { atMicros: now(), environment: 'staging' } });
  const never = new AbortController().signal;
  await exportEventsOnce({ readUrl: database.readUrl, target, name: `export ${file}`, now }, never);
  return file;
}
