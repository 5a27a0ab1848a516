import { createReadStream } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { createGunzip } from 'node:zlib';

/** An event's texts are bounded; a line longer than this was written by something else. */
const MAX_LINE = 16_777_216;

/** A file of the record can't be read to its end; the message says how far and why. */
export class UnreadableFileError extends Error {
  override readonly name = 'UnreadableFileError';
}

/**
 * The lines of a file, in batches and without their line feeds; unpacked when the name ends in `.gz`.
 * @param bytes how much of it to read at most, for a file that grows meanwhile: its last line may be half a one then
 * @throws UnreadableFileError; what the system says when the file can't be opened
 */
export async function* linesOf(file: string, bytes?: number): AsyncGenerator<readonly string[]> {
  if (bytes === 0) return;
  const raw = createReadStream(file, {
    highWaterMark: 262_144,
    ...(bytes === undefined ? {} : { end: bytes - 1 }),
  });
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let count = 0;
  try {
    const chunks: AsyncIterable<Buffer> = file.endsWith('.gz') ? raw.pipe(gunzipOf(raw)) : raw;
    for await (const chunk of chunks) {
      const lines = (rest + decoder.write(chunk)).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > MAX_LINE)
        throw new UnreadableFileError(`line ${count + lines.length + 1} is too long`);
      count += lines.length;
      yield lines;
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!code.startsWith('Z_')) throw error;
    throw new UnreadableFileError(
      `it cannot be unpacked beyond line ${count} (${code}): it was changed or cut off`,
    );
  }
  if (rest !== '' && bytes !== undefined) yield [rest];
  else if (rest !== '') throw new UnreadableFileError(`it ends in the middle of line ${count + 1}`);
}

function gunzipOf(raw: NodeJS.ReadableStream) {
  const gunzip = createGunzip({ chunkSize: 262_144 });
  raw.once('error', (error: Error) => gunzip.destroy(error));
  return gunzip;
}
