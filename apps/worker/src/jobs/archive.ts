import { mkdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { ArchiveError, archiveMonth, dueMonths, noticeOf } from '@ideogate/audit/archive';
import { exportName } from '@ideogate/audit/export';
import { auditAction, UnauditedError } from '@ideogate/audit/append';
import { type EnvironmentName, errorCode } from '@ideogate/contract';
import type { Retention } from '@ideogate/policy';
import type { Clock, Job, Log, RecordLogins } from '../job.ts';

/** What months are archived with. */
export interface ArchiveOptions {
  readonly environment: EnvironmentName;
  /** The role that owns the record's tables. */
  readonly ownerUrl: string;
  readonly logins: RecordLogins;
  readonly folder: string;
  readonly retention: Retention;
  /** Addresses that the record is exported to: no month leaves that they have not got. */
  readonly exports: readonly string[];
  /** Account and host, and software version, for the record. */
  readonly who: string;
  readonly version: string;
  readonly log: Log;
  readonly now: Clock;
}

const HOUR_MS = 3_600_000;
const STOP_MS = 5_000;

/**
 * Archives the months that the policy's retention wants out of the database, one after the other, and looks each hour
 * for more. What is older than the record is kept is told, and left to a person: removing can't be undone.
 */
export function archiveMonths(options: ArchiveOptions): Job {
  const { log } = options;
  const over = new AbortController();
  const done = run();

  async function run(): Promise<void> {
    while (!over.signal.aborted) {
      await archiveDue(options, over.signal).catch((error: unknown) => {
        // Another gateway does it.
        if (error instanceof ArchiveError && error.fault === 'busy') return;
        const isOurs = error instanceof ArchiveError || error instanceof UnauditedError;
        const why = isOurs ? error.message : errorCode(error);
        log.error({ error: why }, 'months could not be archived; next try in an hour');
      });
      await delay(HOUR_MS, undefined, { signal: over.signal, ref: false }).catch(() => {});
    }
  }

  return {
    async stop() {
      over.abort();
      // Archiving may be cut at any moment, and goes on after the next start.
      await Promise.race([done, delay(STOP_MS, undefined, { ref: false })]);
    },
  };
}

async function archiveDue(options: ArchiveOptions, over: AbortSignal): Promise<void> {
  const { environment, ownerUrl, logins, folder, retention, exports, who, version, log, now } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const actor = { ...logins, environment, who, version };
  const due = await dueMonths(ownerUrl, retention, now());
  for (const month of due.toArchive) {
    if (over.aborted) return;
    const { file, events, sha256 } = await archiveMonth({
      ownerUrl,
      environment,
      folder,
      month,
      now,
      exports: exports.map(exportName),
      announce: (archived) => auditAction(actor, 'month-archived', 'start', noticeOf(archived)),
    });
    log.info({ month, file, events, sha256 }, 'a month was archived');
  }
  for (const { month, file } of due.expired)
    log.info({ month, file }, 'an archive is older than the record is kept: audit archive --remove-expired');
}
