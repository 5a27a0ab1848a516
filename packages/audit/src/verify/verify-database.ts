import { digestOfFile } from '../archive/archive-file.ts';
import { closedFrom } from '../archive/archive-month.ts';
import { monthsFrom } from '../month.ts';
import type { CheckpointFile, Checkpoints } from './checkpoints.ts';
import type { GivenFile } from './given-file.ts';
import { endOf, fixedFrom } from './months-alone.ts';
import type { Reading } from './reading.ts';
import { type ArchivedMonth, Snapshot } from './snapshot.ts';
import type { Verification, VerifyReport } from './verification.ts';

const DATABASE = 'the database';

/** Verifies a database, as one with the months that left it. @param archives files of those months */
export async function verifyDatabase(
  verification: Verification,
  readUrl: string,
  archives: readonly string[],
  kept: readonly CheckpointFile[],
): Promise<VerifyReport> {
  const snapshot = await Snapshot.open(readUrl);
  try {
    return await verifySnapshot(verification, snapshot, archives, kept);
  } finally {
    await snapshot.close();
  }
}

async function verifySnapshot(
  verification: Verification,
  snapshot: Snapshot,
  archives: readonly string[],
  kept: readonly CheckpointFile[],
): Promise<VerifyReport> {
  const { now, gapAfter } = verification;
  const environment = await snapshot.environment();
  const headers = await Promise.all(archives.map((archive) => verification.givenFile(archive)));
  const months = await snapshot.archivedMonths();
  checkClosed(verification, months);
  const checkpoints = verification.checkpoints({ place: DATABASE, complete: true });
  for await (const { number, note } of snapshot.checkpoints()) checkpoints.takeOwn(number, note);
  checkpoints.own.finish();
  for (const file of kept) await checkpoints.takeKept(file);
  for (const { place: file, month } of headers)
    await checkpoints.takeKept({ file, readLater: months.some((archived) => archived.month === month) });
  checkpoints.settle();
  verification.compareEnvironments(checkpoints, [{ place: DATABASE, environment }, ...headers]);
  const expected = verification.expected(checkpoints, { repeats: false, months: null, environment });
  const reading = verification.reading(expected, checkpoints, await snapshot.estimate());
  const absent = await readMonths(verification, months, headers, reading, checkpoints);
  await reading.database(snapshot);
  checkNotices(verification, months, absent, reading);
  return verification.report(checkpoints, expected, reading, {
    mayEnd: (at) => at >= now - gapAfter,
    decidedFrom: Math.max(0, ...absent.map(({ month }) => endOf(month))) + gapAfter,
    archived: absent.map(({ month }) => month),
  });
}

/** What the database says has left must have been over. */
function checkClosed({ findings, now }: Verification, months: readonly ArchivedMonth[]): void {
  for (const { month } of months) {
    if (closedFrom(month) <= now) continue;
    const what = `the database says that month ${month} left it, which isn't over long enough`;
    findings.add('removed', null, null, what);
  }
}

/** Reads the months that left the database from their files. @returns those whose file wasn't given */
async function readMonths(
  verification: Verification,
  months: readonly ArchivedMonth[],
  headers: readonly GivenFile[],
  reading: Reading,
  checkpoints: Checkpoints,
): Promise<readonly ArchivedMonth[]> {
  const absent: ArchivedMonth[] = [];
  for (const archived of months) {
    const { month, ranges } = archived;
    const given = headers.filter((header) => header.month === month);
    for (const { place } of given) await checkFile(verification, place, archived);
    const [file] = given;
    if (file !== undefined) {
      await reading.file(file.place, month);
      continue;
    }
    absent.push(archived);
    const settled = checkpoints.firstFrom(fixedFrom(month));
    reading.skip((check) => {
      for (const range of ranges) check.skip(range, month, settled);
    });
  }
  const left = new Set<string | null>(months.map(({ month }) => month));
  for (const { month, place: file } of headers.filter((header) => !left.has(header.month)))
    verification.notes.push(
      month === null
        ? `${file} is not the archive of a month: it was looked at for checkpoints alone`
        : `${file} was not read: month ${month} is still in the database`,
    );
  return absent;
}

/** Some bytes of a compressed file say nothing of its content, so a file may be changed and its events be whole. */
async function checkFile(
  { findings }: Verification,
  file: string,
  { month, sha256 }: ArchivedMonth,
): Promise<void> {
  const found = await digestOfFile(file);
  if (found.sha256 === sha256) return;
  const what = `${file} is not the file that month ${month} was archived to: its SHA-256 is ${found.sha256}, and was ${sha256}`;
  findings.add('changed', null, null, what);
}

/** What left with a month, and where to, must be said by the record itself: what the database says could be false. */
function checkNotices(
  { findings, notes }: Verification,
  months: readonly ArchivedMonth[],
  absent: readonly ArchivedMonth[],
  { notices }: Reading,
): void {
  for (const archived of months) {
    if (notices.confirm(archived)) continue;
    const { month, file } = archived;
    // It is said two months later at the earliest, which may have left since.
    const elsewhere = absent.find((later) => later.month >= monthsFrom(month, 2));
    if (elsewhere !== undefined) {
      const where = `in a month that was not given, ${elsewhere.month} or a later one`;
      notes.push(`what left with month ${month} is said ${where}`);
      continue;
    }
    const what = `month ${month} left the database, and no event of the record says that it went as it is now said to have, into ${file}`;
    findings.add('removed', null, null, what);
  }
}
