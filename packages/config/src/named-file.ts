import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** Policies, certificates, lists: more than any of them, and little memory. */
const MAX_NAMED_FILE = 16 * 1024 * 1024;

/** A file that cannot be what it was named as. `code` says why, as that of a system error would. */
class NamedFileError extends Error {
  override readonly name = 'NamedFileError';
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/**
 * Reads a file that somebody named. What is put in its place by mistake does no harm: a pipe that nobody writes into
 * would keep the process waiting, and a device without an end would take all memory.
 *
 * @param requireMode looks at the mode of the open file, in whose place nothing can be put any more, and may throw
 * @throws NamedFileError; what the system says; what `requireMode` throws
 */
export function readNamedFile(
  file: string,
  maxBytes = MAX_NAMED_FILE,
  requireMode: (mode: number) => void = () => undefined,
): Buffer {
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) throw new NamedFileError('not a plain file');
    requireMode(stat.mode);
    return readAtMost(descriptor, maxBytes);
  } finally {
    closeSync(descriptor);
  }
}

/** As `readNamedFile`, of UTF-8. */
export function readNamedText(file: string, maxBytes?: number): string {
  return readNamedFile(file, maxBytes).toString('utf8');
}

/**
 * Reads to the end, whatever it is that was opened.
 * @throws NamedFileError when that is more than `maxBytes`; what the system says
 */
export function readAtMost(descriptor: number, maxBytes: number): Buffer {
  const pieces: Buffer[] = [];
  let length = 0;
  for (;;) {
    const piece = Buffer.alloc(Math.min(maxBytes + 1 - length, PIECE));
    const read = readSync(descriptor, piece);
    if (read === 0) break;
    pieces.push(piece.subarray(0, read));
    length += read;
    if (length > maxBytes) {
      for (const each of pieces) each.fill(0);
      throw new NamedFileError('too large');
    }
  }
  const all = Buffer.concat(pieces);
  // It may be a secret: one copy of it is enough.
  for (const each of pieces) each.fill(0);
  return all;
}

const PIECE = 65_536;
