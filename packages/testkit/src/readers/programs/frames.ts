import type { Readable, Writable } from 'node:stream';

/** One body to read, with the Content-Type that came with it. */
export interface Frame {
  readonly type: string;
  readonly body: Buffer;
}

/** What a reader made of a form: what it saw, also when it gave up on the way. */
export interface Answer {
  readonly entries: readonly (readonly [name: string, base64: string, file: boolean])[];
  readonly refused?: string;
}

/**
 * The loop of a reader in JavaScript. Frames come in as `<bytes of type> <bytes of body>\n<type><body>`, and go out as one
 * line of JSON each, in order; before the first goes a line with the reader's version. Readers in other languages do the
 * same.
 */
export async function answerFrames(
  version: string,
  read: (frame: Frame) => Promise<Answer>,
  input: Readable = process.stdin,
  output: Writable = process.stdout,
): Promise<void> {
  output.write(`${JSON.stringify({ version })}\n`);
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of input as AsyncIterable<Buffer>) {
    // as: no encoding is set, so chunks are Buffers
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    let at = 0;
    for (;;) {
      const line = held.indexOf('\n', at);
      if (line < 0) break;
      const [typeBytes = 0, bodyBytes = 0] = held.toString('latin1', at, line).split(' ').map(Number);
      const start = line + 1;
      const end = start + typeBytes + bodyBytes;
      if (end > held.length) break;
      const type = held.toString('latin1', start, start + typeBytes);
      const body = Buffer.from(held.subarray(start + typeBytes, end));
      output.write(`${JSON.stringify(await read({ type, body }))}\n`);
      at = end;
    }
    held = held.subarray(at);
  }
}
