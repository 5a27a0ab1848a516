import { hostname, userInfo } from 'node:os';
import { NoticeError, writeNotice } from '@ideogate/audit';
import manifest from '../../package.json' with { type: 'json' };
import { CommandError, EXIT } from '../exit-codes.ts';
import type { ReadyFile } from './data-folder.ts';

/**
 * Says in the record who is about to read what of it, and returns when that is committed: nothing is read unseen.
 *
 * @param command as it was called, e.g. `audit list`
 * @param asked the command's options; its texts are what it was asked for
 * @throws CommandError when the row cannot be written, and then nothing may be shown.
 */
export async function noteReading(ready: ReadyFile, command: string, asked: object): Promise<void> {
  const texts = Object.entries(asked).filter(([, value]) => typeof value === 'string');
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
      { result: 'record-read', subject: reader(), operation: command, detail: Object.fromEntries(texts) },
    );
  } catch (error) {
    if (!(error instanceof NoticeError)) throw error;
    throw new CommandError(
      EXIT.failed,
      `Who reads the record is written in it first, and ${error.message} Nothing was read.`,
    );
  }
}

/** The account of the system and its host. An account without a name, as containers have, is its number. */
function reader(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    return `uid ${process.getuid?.()}@${hostname()}`;
  }
}
