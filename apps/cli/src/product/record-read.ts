import { hostname } from 'node:os';
import { NoticeError, writeNotice } from '@ideogate/audit/append';
import type { NoticeName } from '@ideogate/contract';
import manifest from '../../package.json' with { type: 'json' };
import { CommandError, EXIT } from '../exit-codes.ts';
import type { ReadyFile } from './data-folder.ts';
import { whoever } from './whoever.ts';

/** Where a row of the record is written to. */
type Place = Pick<ReadyFile, 'appendDatabaseUrl' | 'databaseUrl' | 'environment'>;

/**
 * Says in the record who is about to read what of it, and returns when that is committed: nothing is read unseen.
 *
 * @param command as it was called, e.g. `audit list`
 * @param asked the command's options; its texts are what it was asked for
 * @throws CommandError when the row cannot be written, and then nothing may be shown.
 */
export async function noteReading(ready: ReadyFile, command: string, asked: object): Promise<void> {
  const texts = Object.entries(asked).filter(([, value]) => typeof value === 'string');
  const why = await note(ready, 'record-read', command, Object.fromEntries(texts));
  if (why === null) return;
  throw new CommandError(
    EXIT.failed,
    `Who reads the record is written in it first, and ${why} Nothing was read.`,
  );
}

/**
 * Says in the record who is about to do what, and returns when that is committed.
 *
 * @throws CommandError when the row cannot be written, and then nothing may be done.
 */
export async function noteDoing(
  ready: Place,
  result: NoticeName,
  command: string,
  detail: Readonly<Record<string, string>>,
  keyId: string | null = null,
): Promise<void> {
  const why = await note(ready, result, command, detail, keyId);
  if (why === null) return;
  throw new CommandError(
    EXIT.failed,
    `What this command does is written in the record first, and ${why} Nothing was done.`,
  );
}

/** @returns null when the row is committed, else why it is not known to be. */
async function note(
  ready: Place,
  result: NoticeName,
  command: string,
  detail: Readonly<Record<string, string>>,
  keyId: string | null = null,
): Promise<string | null> {
  try {
    await writeNotice(
      {
        appendUrl: ready.appendDatabaseUrl,
        readUrl: ready.databaseUrl,
        opening: {
          environment: ready.environment,
          instance: `${hostname()} ${process.pid}`,
          release: null,
          version: manifest.version,
        },
        now: () => BigInt(Date.now()) * 1000n,
      },
      { result, subject: whoever(), operation: command, detail, keyId },
    );
    return null;
  } catch (error) {
    if (!(error instanceof NoticeError)) throw error;
    return error.message;
  }
}
