import { closeGaps } from '@ideogate/audit';
import type { AuditWriter } from '@ideogate/audit/append';
import { errorCode } from '@ideogate/contract';
import type { Clock, Job, Log, RecordLogins } from '../job.ts';

/** Closes calls as gaps whose outcome is overdue, whichever gateway decided on them. */
export function closeGapsOfCalls(options: {
  readonly logins: RecordLogins;
  readonly record: AuditWriter;
  readonly callsEndWithinMs: number;
  readonly gapMarginMs: number;
  readonly log: Log;
  readonly now: Clock;
}): Job {
  const { logins, record, callsEndWithinMs, gapMarginMs, log, now } = options;
  return closeGaps({
    ...logins,
    record,
    callsEndWithinMs,
    marginMs: gapMarginMs,
    now,
    onClosed: (count, reason) =>
      log.error({ count, reason }, 'calls whose end nobody knows were closed as gaps'),
    onFault: (error) => log.error({ error: errorCode(error) }, 'gaps could not be looked for; trying again'),
  });
}
