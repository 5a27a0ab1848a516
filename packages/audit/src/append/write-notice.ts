import type { NoticeEvent } from '@ideogate/contract';
import { openAuditWriter, type AuditWriterOptions } from './audit-writer.ts';

/** Where a command writes what it does, and what its writer says of itself. */
export type NoticeOptions = Pick<AuditWriterOptions, 'appendUrl' | 'readUrl' | 'opening' | 'now'>;

/** The notice is not known to be in the record. */
export class NoticeError extends Error {
  override readonly name = 'NoticeError';
}

const COMMIT_MS = 5_000;
const CLOSE_MS = 2_000;

/**
 * Writes one notice as a writer of its own: opened, said, closed. For a command that may do nothing unseen: when this
 * returns, the notice is committed.
 * @throws NoticeError when it isn't known to be, and then the command must not go on
 */
export async function writeNotice(
  options: NoticeOptions,
  notice: Pick<NoticeEvent, 'result' | 'subject' | 'operation' | 'detail'> &
    Partial<Pick<NoticeEvent, 'keyId'>>,
): Promise<void> {
  const { opening, now } = options;
  const record = openAuditWriter(options);
  record.note({
    keyId: null,
    ...notice,
    kind: 'notice',
    atMicros: now(),
    environment: opening.environment,
    release: opening.release,
    problem: null,
    reason: null,
  });
  const flushed = await record.flush(COMMIT_MS);
  const written = flushed && record.notWritten().size === 0;
  await record.close(CLOSE_MS);
  if (!written)
    throw new NoticeError(
      'the record does not take a row: is its database up, and the append login in order?',
    );
}
