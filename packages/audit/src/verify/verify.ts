import { statSync } from 'node:fs';
import { readState, removeState } from './resume.ts';
import { Verification, type VerifyOptions, type VerifyReport } from './verification.ts';
import { verifyDatabase } from './verify-database.ts';
import { verifyFiles } from './verify-files.ts';

/**
 * Verifies the whole record, in memory that doesn't grow with the number of events, in two passes: `check-events.ts`
 * notes what doesn't fit while they stream by, and `classify.ts` says of all that together what was done.
 * @throws InterruptedError when `signal` stopped it; ResumeError; NoCheckpointsError; what the network, Postgres or the
 *   file system says when something can't be read at all
 */
export async function verifyRecord(options: VerifyOptions): Promise<VerifyReport> {
  // Before the view of the database is taken: what is in them by then must be in it too.
  const kept = options.kept.map((file) => ({ file, bytes: sizeOf(file), required: true }));
  const { source, resume } = options;
  const name = nameOf(options);
  const begun = resume === undefined ? null : readState(resume, name);
  const verification = new Verification(options, name, begun);
  const report =
    source.kind === 'files'
      ? await verifyFiles(verification, source.files, kept)
      : await verifyDatabase(verification, source.readUrl, source.archives, kept);
  if (resume !== undefined) removeState(resume);
  return report;
}

/** Of a pipe nobody knows. */
function sizeOf(file: string): number {
  const stat = statSync(file);
  return stat.isFile() ? stat.size : Number.POSITIVE_INFINITY;
}

/** What is verified, and by what. */
function nameOf({ source, keys, kept }: VerifyOptions): string {
  return [placeOf(source), ...keys.map(({ text }) => text), ...kept].join(', ');
}

function placeOf(source: VerifyOptions['source']): string {
  if (source.kind === 'files') return source.files.map((file) => `${file} ${statSync(file).size}`).join(', ');
  const { host, pathname } = new URL(source.readUrl);
  return [`${host}${pathname}`, ...source.archives].join(', ');
}
