import type { Writable } from 'node:stream';
import type { Position } from './cursors.ts';
import { readCursor, writeCursor } from './cursor-file.ts';
import { type ExportTarget, TargetError, textOf } from './target.ts';

/**
 * Standard output or the like. With a cursor file the next run goes on where this one stopped: behind what the stream
 * took, which is all that can be known of a pipe.
 */
export function streamTarget(stream: Writable, cursorFile: string | null): ExportTarget {
  const positions = new Map<string, Position>();
  return {
    async begin() {
      if (cursorFile === null) return new Map(positions);
      const cursor = await readCursor(cursorFile);
      if (typeof cursor?.bytes === 'number')
        throw new TargetError(`${cursorFile} is the cursor of an export to a file: name another`);
      for (const [writer, position] of cursor?.positions ?? []) positions.set(writer, position);
      return new Map(positions);
    },
    async deliver(batch) {
      await new Promise<void>((resolve, reject) => {
        stream.write(textOf(batch), (error) => (error ? reject(error) : resolve()));
      });
      for (const [writer, position] of batch.positions) positions.set(writer, position);
      if (cursorFile !== null) await writeCursor(cursorFile, { bytes: null, positions });
    },
    end: async () => {},
  };
}
