import { hostname } from 'node:os';
import type { EnvironmentName, NoticeName } from '@ideogate/contract';
import { NoticeError, writeNotice } from './write-notice.ts';

/** Whose record it is, by which logins it is reached, and who acts. */
export interface Actor {
  readonly appendUrl: string;
  readonly readUrl: string;
  readonly environment: EnvironmentName;
  /** Account and host. */
  readonly who: string;
  /** Software version. */
  readonly version: string;
}

/** Who acts could not be written into the record, so nothing may be read or done. */
export class UnauditedError extends Error {
  override readonly name = 'UnauditedError';
}

/**
 * Says in the record who is about to read what of it, and returns when that is committed: nothing is read unseen.
 * @param command as it was called, e.g. `audit list`
 * @param asked the command's options; its texts are what it was asked for
 * @throws UnauditedError, and then nothing may be shown
 */
export async function auditRead(actor: Actor, command: string, asked: object): Promise<void> {
  const texts = Object.entries(asked).filter(([, value]) => typeof value === 'string');
  const why = await write(actor, 'record-read', command, Object.fromEntries(texts), null);
  if (why === null) return;
  throw new UnauditedError(`Who reads the record is written in it first, and ${why} Nothing was read.`);
}

/**
 * Says in the record who is about to do what, and returns when that is committed.
 * @throws UnauditedError, and then nothing may be done
 */
export async function auditAction(
  actor: Actor,
  result: NoticeName,
  command: string,
  detail: Readonly<Record<string, string>>,
  keyId: string | null = null,
): Promise<void> {
  const why = await write(actor, result, command, detail, keyId);
  if (why === null) return;
  throw new UnauditedError(
    `What this command does is written in the record first, and ${why} Nothing was done.`,
  );
}

/** @returns null when the row is committed, else why it is not known to be */
async function write(
  { appendUrl, readUrl, environment, who, version }: Actor,
  result: NoticeName,
  operation: string,
  detail: Readonly<Record<string, string>>,
  keyId: string | null,
): Promise<string | null> {
  try {
    await writeNotice(
      {
        appendUrl,
        readUrl,
        opening: { environment, instance: `${hostname()} ${process.pid}`, release: null, version },
        now: () => BigInt(Date.now()) * 1000n,
      },
      { result, subject: who, operation, detail, keyId },
    );
    return null;
  } catch (error) {
    if (!(error instanceof NoticeError)) throw error;
    return error.message;
  }
}
