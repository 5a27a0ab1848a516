import type { Settings } from '@ideogate/config';
import { ForgetError, forgetMonth } from '@ideogate/audit';
import { CommandError, EXIT } from '../exit-codes.ts';
import { readMonth } from '../month.ts';
import { codeOf, dataFolder, readReadyFile } from '../product/data-folder.ts';
import { ownerUrl } from '../product/record-owner.ts';
import { noteDoing } from '../product/record-read.ts';
import { confirmed, wantsJson, writeJson } from '../terminal.ts';

export interface AuditForgetOptions {
  readonly month: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** Destroys the key of a month, and with it what of prompts the month's record holds. */
export async function auditForget(settings: Settings, options: AuditForgetOptions): Promise<number> {
  const month = readMonth(options.month);
  const ready = readReadyFile(dataFolder(settings));
  const owner = ownerUrl(settings, ready);
  await confirmed(`Destroy for good the key of ${month}, in the record of ${ready.environment}?`, options);
  try {
    await forgetMonth({
      ownerUrl: owner,
      month,
      now: () => BigInt(Date.now()) * 1000n,
      announce: () => noteDoing(ready, 'month-forgotten', 'audit forget', { month }),
    });
  } catch (error) {
    if (error instanceof CommandError) throw error;
    if (error instanceof ForgetError)
      throw new CommandError(EXIT.invalidInput, `Nothing was done: ${error.message}.`);
    throw new CommandError(
      EXIT.failed,
      `It is not known to be destroyed (${codeOf(error)}): is the database up? Give the same command again.`,
    );
  }
  if (wantsJson(options)) writeJson({ month, forgotten: true });
  else
    process.stdout.write(
      `The key of ${month} is destroyed: no prompt can be matched with its digests or read any more, and the chain is as it was. ` +
        'Backups of the database made before still hold the key, wrapped, until they are gone.\n',
    );
  return EXIT.fine;
}
