/** A piece of a stream, as text of one character a byte. Findings count that begin in `from` to `to`. */
export interface Window {
  readonly text: string;
  readonly from: number;
  readonly to: number;
  /** Where `from` is, both from 1. */
  readonly line: number;
  readonly column: number;
  readonly binary: boolean;
}

const BYTES = 1_048_576;
/** What stands before a secret tells that it is one (`name=`), and the longest secret must be whole in one window. */
const BEFORE = 256;
const AFTER = 16_384;

/** Cuts a stream into windows that overlap, so that memory stays flat and nothing is missed at a border. */
export async function* windowsOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Window> {
  let held: Buffer[] = [];
  let size = 0;
  let from = 0;
  let line = 1;
  let column = 1;
  let binary: boolean | null = null;

  const cut = (last: boolean): Window => {
    const bytes = Buffer.concat(held, size);
    // As git does it: text has no NUL in its first bytes.
    binary ??= bytes.subarray(0, 8000).includes(0);
    const to = last ? bytes.length : bytes.length - AFTER;
    const window = { text: bytes.toString('latin1'), from, to, line, column, binary };
    for (let at = bytes.indexOf(10, from), start = from; ; at = bytes.indexOf(10, at + 1)) {
      if (at === -1 || at >= to) {
        column += to - start;
        break;
      }
      line += 1;
      column = 1;
      start = at + 1;
    }
    const keep = Math.max(0, to - BEFORE);
    held = [bytes.subarray(keep)];
    size = bytes.length - keep;
    from = to - keep;
    return window;
  };

  for await (const chunk of decoded(chunks)) {
    held.push(chunk);
    size += chunk.length;
    if (size >= BYTES + BEFORE + AFTER) yield cut(false);
  }
  if (size > from) yield cut(true);
}

/** Text of Windows tools is often UTF-16, and would otherwise look like something binary. */
async function* decoded(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let decoder: TextDecoder | null = null;
  let begun = false;
  for await (const chunk of chunks) {
    if (chunk.length === 0) continue;
    if (!begun) decoder = utf16(chunk);
    begun = true;
    yield decoder === null ? chunk : Buffer.from(decoder.decode(chunk, { stream: true }));
  }
}

function utf16([first, second]: Buffer): TextDecoder | null {
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le');
  return first === 0xfe && second === 0xff ? new TextDecoder('utf-16be') : null;
}
