import { mkdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { ArchiveError, archiveMonth, dueMonths, exportName, noticeOf } from '@ideogate/audit';
import { CommandError } from '../exit-codes.ts';
import { codeOf } from './data-folder.ts';
import type { RecordKeeping } from './record-keeping.ts';
import { noteDoing } from './record-read.ts';

const HOUR_MS = 3_600_000;
const STOP_MS = 5_000;

/**
 * Archives the months that the policy's retention wants out of the database, one after the other, and looks each hour
 * for more. What is older than the record is kept is told, and left to a person: removing can't be undone.
 */
export function keepMonthsArchived(keeping: RecordKeeping, folder: string): { stop(): Promise<void> } {
  const { log } = keeping;
  const over = new AbortController();
  const done = run();

  async function run(): Promise<void> {
    while (!over.signal.aborted) {
      await archiveDue(keeping, folder, over.signal).catch((error: unknown) => {
        // Another gateway does it.
        if (error instanceof ArchiveError && error.fault === 'busy') return;
        const inWords = error instanceof ArchiveError || error instanceof CommandError;
        const why = inWords ? error.message : codeOf(error);
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

async function archiveDue(
  { config, database, log, nowMicros }: RecordKeeping,
  folder: string,
  over: AbortSignal,
): Promise<void> {
  const { environment, release, exports } = config;
  const retention = release.environments.get(environment)?.retention;
  if (retention === undefined) return;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { ownerUrl, appendUrl: appendDatabaseUrl, readUrl: databaseUrl } = database;
  const place = { environment, appendDatabaseUrl, databaseUrl };
  const due = await dueMonths(ownerUrl, retention, nowMicros());
  for (const month of due.toArchive) {
    if (over.aborted) return;
    const { file, events, sha256 } = await archiveMonth({
      ownerUrl,
      environment,
      folder,
      month,
      now: nowMicros,
      exports: exports.urls.map(exportName),
      announce: (archived) => noteDoing(place, 'month-archived', 'start', noticeOf(archived)),
    });
    log.info({ month, file, events, sha256 }, 'a month was archived');
  }
  for (const { month, file } of due.expired)
    log.info({ month, file }, 'an archive is older than the record is kept: audit archive --remove-expired');
}
