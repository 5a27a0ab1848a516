import { linesOf, UnreadableFileError } from '../chain/file-lines.ts';
import { readLine } from '../chain/ndjson.ts';
import { type Month, parseMonth } from '../month.ts';

/** What the first line of a file says it is. */
export interface GivenFile {
  /** The file. */
  readonly place: string;
  readonly archive: boolean;
  /** The archive's month, or null when it isn't one. */
  readonly month: Month | null;
  /** Or null when it doesn't say. */
  readonly environment: string | null;
  /** When its content was read, microseconds, or null when it doesn't say. */
  readonly at: number | null;
}

/** @throws what the system says when the file can't be opened; what can't be unpacked says nothing here */
export async function givenFile(file: string): Promise<GivenFile> {
  const none = { place: file, archive: false, month: null, environment: null, at: null };
  try {
    for await (const [first] of linesOf(file)) {
      const line = readLine(first ?? '');
      if (line.kind !== 'archive' && line.kind !== 'export') return none;
      const { at, month, environment } = line.about;
      const archive = line.kind === 'archive';
      return {
        place: file,
        archive,
        month: archive && typeof month === 'string' ? (parseMonth(month) ?? null) : null,
        environment: typeof environment === 'string' ? environment : null,
        at: typeof at === 'string' && /^[0-9]{1,16}$/.test(at) ? Number(at) : null,
      };
    }
  } catch (error) {
    // Said when its events are read.
    if (!(error instanceof UnreadableFileError)) throw error;
  }
  return none;
}
