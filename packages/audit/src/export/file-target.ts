import { type FileHandle, open } from 'node:fs/promises';
import { headerLine } from '../chain/ndjson.ts';
import type { Positions } from './cursors.ts';
import { readCursor, writeCursor } from './cursor-file.ts';
import { type ExportTarget, TargetError, textOf } from './target.ts';

/** Which file is written, and how a new one begins. */
export interface FileTargetOptions {
  readonly file: string;
  /**
   * What a new file begins with: from where its content was read, and when. Left out for one that is followed, which
   * has no such time.
   */
  readonly header?: { readonly atMicros: bigint; readonly environment: string };
}

/**
 * A file, with a cursor beside it (`<file>.cursor`) that is written after the lines are on disk. What an interrupted
 * run left behind the cursor is cut off and written again: the file holds every event once.
 */
export function fileTarget({ file, header }: FileTargetOptions): ExportTarget {
  const cursorFile = `${file}.cursor`;
  let positions: Positions = new Map();
  let handle: FileHandle | undefined;
  let bytes = 0;

  async function openFile(): Promise<void> {
    handle = await open(file, 'a+', 0o600);
    const [{ size }, cursor] = [await handle.stat(), await readCursor(cursorFile)];
    if (cursor === null && size > 0)
      throw new TargetError(`${file} is there, and ${cursorFile} of an export isn't: name another file`);
    if (cursor?.bytes === null)
      throw new TargetError(`${cursorFile} is the cursor of an export to a pipe: name another file`);
    if (cursor !== null && size < cursor.bytes)
      throw new TargetError(
        `${file} has ${size} bytes where ${cursorFile} says ${cursor.bytes}: it was cut or replaced. ` +
          'Restore it, or remove both to begin anew',
      );
    bytes = cursor?.bytes ?? 0;
    positions = cursor?.positions ?? new Map();
    if (cursor !== null) return;
    // From here on whatever the file holds behind the cursor is known to be ours.
    await writeCursor(cursorFile, { bytes, positions });
    if (header === undefined) return;
    const { atMicros, environment } = header;
    await write(`${headerLine('export', { at: atMicros.toString(), environment })}\n`, positions);
  }

  /** Until the cursor is on disk too, nothing of it has been written: another attempt begins where this one did. */
  async function write(text: string, moved: Positions): Promise<void> {
    if (handle === undefined) throw new TargetError(`${file} is not open`);
    // What a failed attempt left is taken back first.
    await handle.truncate(bytes);
    await handle.appendFile(text);
    await handle.datasync();
    const written = bytes + Buffer.byteLength(text);
    await writeCursor(cursorFile, { bytes: written, positions: moved });
    bytes = written;
  }

  return {
    async begin() {
      await openFile();
      return positions;
    },
    async deliver(batch) {
      const moved = new Map([...positions, ...batch.positions]);
      await write(textOf(batch), moved);
      positions = moved;
    },
    async end() {
      await handle?.close();
      handle = undefined;
    },
  };
}
