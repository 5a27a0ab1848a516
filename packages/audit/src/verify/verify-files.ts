import { linesOf, UnreadableFileError } from '../chain/file-lines.ts';
import { readLine } from '../chain/ndjson.ts';
import { isoFromMicros } from '../timestamp.ts';
import type { CheckpointFile, Checkpoints } from './checkpoints.ts';
import type { GivenFile } from './given-file.ts';
import { range } from './findings.ts';
import { mayEndAfter, monthsAlone } from './months-alone.ts';
import type { Verification, VerifyReport } from './verification.ts';

/** Verifies exports and archives without a database. @param files at least one */
export async function verifyFiles(
  verification: Verification,
  files: readonly string[],
  kept: readonly CheckpointFile[],
): Promise<VerifyReport> {
  const { gapAfter, notes } = verification;
  // Exports have all checkpoints; those of archives are told again.
  const headers = (await Promise.all(files.map((file) => verification.givenFile(file)))).toSorted(
    exportsFirst,
  );
  const months = headers.flatMap(({ month }) => month ?? []).toSorted();
  const lastMonth = headers.every(({ month }) => month !== null) ? months.at(-1) : undefined;
  const checkpoints = verification.checkpoints({ place: 'the file', complete: lastMonth === undefined });
  let [others, lastAt] = [0, 0];
  for (const { place, month } of headers) {
    const taken = await takeCheckpoints(place, checkpoints);
    others += taken.others;
    lastAt = Math.max(lastAt, taken.lastAt);
    if (month !== null) checkNumbers(verification, place, taken.numbers);
  }
  checkpoints.own.finish();
  const madeAt = timeOf(headers, lastAt);
  for (const file of kept) await checkpoints.takeKept({ ...file, madeAt });
  const { younger } = checkpoints;
  if (younger > 0 && madeAt !== null) {
    const made = `younger than the export, which was made at ${isoFromMicros(BigInt(madeAt))}`;
    notes.push(`${younger} checkpoints that were kept are ${made}: what came after that is not in it`);
  }
  checkpoints.settle();
  verification.compareEnvironments(checkpoints, headers);
  const alone = lastMonth === undefined ? null : monthsAlone(months, lastMonth, checkpoints);
  const environment = headers.find((header) => header.environment !== null)?.environment ?? null;
  const expected = verification.expected(checkpoints, { repeats: true, months: alone, environment });
  const reading = verification.reading(expected, checkpoints, others);
  for (const { place, month } of headers.toSorted(inOrderOfMonths)) await reading.file(place, month);
  // The times were looked for as text, as they stand in the form that was hashed.
  if (reading.lastAt > lastAt) {
    const what = 'a line of an event is not in the form that was hashed';
    verification.findings.add('changed', null, null, what);
  }
  if (alone !== null)
    notes.push(`only ${months.join(', ')} was given: of the record around that nothing is proved`);
  // What the file says of itself is nobody's word: an early time would make every gap one that may still be closed.
  const before = Math.max(reading.lastAt, ...headers.map(({ at }) => at ?? 0)) - gapAfter;
  return verification.report(checkpoints, expected, reading, {
    mayEnd: alone === null ? (at) => at >= before : mayEndAfter(months, gapAfter),
    decidedFrom: gapAfter,
    archived:
      alone === null
        ? reading.notices.elsewhere().filter((month) => !months.some((given) => given === month))
        : [],
  });
}

/** Takes the checkpoints out of a file of the record. @returns how many other lines it has, and their last time */
async function takeCheckpoints(
  file: string,
  checkpoints: Checkpoints,
): Promise<{ readonly others: number; readonly lastAt: number; readonly numbers: readonly number[] }> {
  let [others, lastAt] = [0, 0];
  const numbers: number[] = [];
  try {
    for await (const lines of linesOf(file)) {
      for (const text of lines) {
        const line = text.startsWith('{"checkpoint"') ? readLine(text) : null;
        if (line?.kind === 'checkpoint') {
          numbers.push(checkpoints.takeOwn(null, line.note) ?? Number.NaN);
        } else {
          others += 1;
          lastAt = Math.max(lastAt, timeOfLine(text));
        }
      }
    }
  } catch (error) {
    // Said when its events are read.
    if (!(error instanceof UnreadableFileError)) throw error;
  }
  return { others, lastAt, numbers };
}

/** An archive has the checkpoints of its month without a hole, and the one after it. */
function checkNumbers({ findings }: Verification, file: string, numbers: readonly number[]): void {
  if (numbers.length === 0)
    findings.add('removed', null, null, `${file} holds no checkpoint, and so no proof of anything`);
  for (const [index, number] of numbers.entries()) {
    const missing = (numbers[index - 1] ?? Number.POSITIVE_INFINITY) + 1;
    if (number > missing)
      findings.add('removed', null, missing, `${file} lacks ${range('checkpoint', missing, number - 1)}`);
  }
}

/** When exports were made: as they say, if they do, and never before the last event. Null when nobody can say. */
function timeOf(headers: readonly GivenFile[], lastAt: number): number | null {
  const exports = headers.filter(({ month }) => month === null);
  const at = Math.max(lastAt, ...exports.map((header) => header.at ?? 0));
  return exports.length === 0 || at === 0 ? null : at;
}

/** The time in the line of an event; 0 in any other. Within a text, quotes are escaped. */
function timeOfLine(text: string): number {
  const at = /^\{"(?:archive|export)"/.test(text) ? -1 : text.indexOf('"at":"');
  return at === -1 ? 0 : Number.parseInt(text.slice(at + 6, at + 22), 10) || 0;
}

function exportsFirst(a: GivenFile, b: GivenFile): number {
  return (a.month ?? '').localeCompare(b.month ?? '');
}

function inOrderOfMonths(a: GivenFile, b: GivenFile): number {
  return (a.month ?? '9999').localeCompare(b.month ?? '9999');
}
