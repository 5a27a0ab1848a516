import type { AuditWriter } from '@ideogate/audit/append';
import type { EnvironmentName } from '@ideogate/contract';
import type { Retention } from '@ideogate/policy';
import type { Clock, Job, Log, RecordLogins } from './job.ts';
import { archiveMonths } from './jobs/archive.ts';
import { exportRecord, type RecordExports, type RunningExport } from './jobs/export.ts';
import { closeGapsOfCalls } from './jobs/gaps.ts';
import { keepPartitionsAhead } from './jobs/partitions.ts';

/** What the record is maintained with. */
export interface MaintenanceOptions {
  readonly environment: EnvironmentName;
  /** The role that owns the record's tables. */
  readonly ownerUrl: string;
  readonly logins: RecordLogins;
  readonly record: AuditWriter;
  readonly log: Log;
  readonly now: Clock;
  /** The longest time from a decision to its outcome, milliseconds. */
  readonly callsEndWithinMs: number;
  /** Time beyond it, after which a decision without an outcome is closed as a gap, milliseconds. */
  readonly gapMarginMs: number;
  readonly exports: RecordExports;
  /** Where months are archived; null: by hand alone. */
  readonly archive: {
    readonly folder: string;
    readonly retention: Retention;
    readonly who: string;
    readonly version: string;
  } | null;
}

/**
 * Starts everything that is done for the record beside calls. Stop it after the gateway and before the record is
 * closed: jobs may have last notices to write.
 */
export function startMaintenance(
  options: MaintenanceOptions,
): Job & { readonly exports: readonly RunningExport[] } {
  const { environment, ownerUrl, logins, log, now, archive } = options;
  const exports = options.exports.urls.map((url) => exportRecord(url, options.exports, logins, log, now));
  const jobs: readonly Job[] = [
    keepPartitionsAhead(ownerUrl, log, now),
    closeGapsOfCalls(options),
    ...exports,
    ...(archive === null
      ? []
      : [
          archiveMonths({
            environment,
            ownerUrl,
            logins,
            exports: options.exports.urls,
            log,
            now,
            ...archive,
          }),
        ]),
  ];
  return {
    exports,
    async stop() {
      // In reverse: a job may count on those before it.
      for (const job of jobs.toReversed()) await job.stop();
    },
  };
}
