import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { withOwner } from '../database/owner-session.ts';
import { type Month, monthOf, monthsFrom } from '../month.ts';
import { destroyMonthKey } from '../prompt-encryption/forget-month.ts';
import { closedFrom } from './archive-month.ts';
import { monthTables } from './month-table.ts';
import { alone, type RegisteredArchive, registeredArchives } from './registered.ts';

/** What a retention asks for now. Months are counted back from the one before the month under way. */
export interface DueMonths {
  /** To be archived, oldest first. */
  readonly toArchive: readonly Month[];
  /** Archives older than anything is kept. */
  readonly expired: readonly RegisteredArchive[];
}

/** @param retention months kept in all, and in the database */
export function dueMonths(
  ownerUrl: string,
  retention: { readonly months: number; readonly inDatabase: number },
  nowMicros: bigint,
): Promise<DueMonths> {
  const firstInDatabase = monthsFrom(monthOf(nowMicros), -retention.inDatabase);
  const firstKept = monthsFrom(monthOf(nowMicros), -retention.months);
  return withOwner(ownerUrl, async (session) => {
    const archives = await registeredArchives(session);
    const gone = new Set(archives.filter(({ dropped }) => dropped).map(({ month }) => month));
    const tables = await monthTables(session);
    return {
      toArchive: tables
        .map(({ month }) => month)
        .filter((month) => month < firstInDatabase && closedFrom(month) <= nowMicros && !gone.has(month)),
      expired: archives.filter(({ month, dropped, removed }) => month < firstKept && dropped && !removed),
    };
  });
}

/**
 * Removes the file of an archive, and destroys the key of its month: nothing is left that it could open.
 * @param announce puts on record that the file goes; it goes only if this doesn't throw
 * @returns whether the file was in the folder; one that was taken elsewhere is for its keeper to remove
 */
export function removeArchive(options: {
  readonly ownerUrl: string;
  readonly folder: string;
  readonly archive: RegisteredArchive;
  readonly announce: () => Promise<void>;
}): Promise<boolean> {
  const { ownerUrl, folder, archive, announce } = options;
  return alone(ownerUrl, async (session) => {
    await announce();
    const wasThere = await removeFile(join(folder, archive.file));
    await session.query({
      text: 'UPDATE ideogate.archive SET removed_at = now() WHERE month = $1',
      values: [`${archive.month}-01`],
    });
    await destroyMonthKey(session, archive.month);
    return wasThere;
  });
}

async function removeFile(path: string): Promise<boolean> {
  try {
    await rm(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}
