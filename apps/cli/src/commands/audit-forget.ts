import type { Settings } from '@ideogate/config';
import { ForgetError, forgetMonth } from '@ideogate/audit';
import { auditAction } from '@ideogate/audit/append';
import { errorCode } from '@ideogate/contract';
import { CommandError, EXIT } from '../exit-codes.ts';
import { describeError } from '../describe-error.ts';
import { ownerUrl } from '../owner-login.ts';
import { actorOf, runningProduct } from '../running-product.ts';
import { readMonth } from '../month.ts';
import { confirmed, wantsJson, writeJson } from '../terminal.ts';

/** Flags of `ideogate audit forget`. */
export interface AuditForgetOptions {
  readonly month: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** Destroys the key of a month, and with it what of prompts the month's record holds. */
export async function auditForget(settings: Settings, options: AuditForgetOptions): Promise<number> {
  const month = readMonth(options.month);
  const product = runningProduct(settings);
  const owner = ownerUrl(settings, product);
  await confirmed(`Destroy for good the key of ${month}, in the record of ${product.environment}?`, options);
  try {
    await forgetMonth({
      ownerUrl: owner,
      month,
      now: () => BigInt(Date.now()) * 1000n,
      announce: () => auditAction(actorOf(product), 'month-forgotten', 'audit forget', { month }),
    });
  } catch (error) {
    const described = describeError(error);
    if (described !== null) throw described;
    if (error instanceof ForgetError)
      throw new CommandError(EXIT.invalidInput, `Nothing was done: ${error.message}.`);
    throw new CommandError(
      EXIT.failed,
      `It is not known to be destroyed (${errorCode(error)}): is the database up? Give the same command again.`,
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
