import { createInterface } from 'node:readline/promises';
import { CommandError, EXIT } from './exit-codes.ts';

/** A person gets plain text, a pipe gets JSON; `--json` forces it. */
export function wantsJson(options: { json?: boolean }): boolean {
  return options.json === true || !process.stdout.isTTY;
}

/** Writes a value to standard output as indented JSON. */
export function writeJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/**
 * Asks before something that cannot be undone, unless `--yes` said so already.
 *
 * @throws CommandError when the answer is no, or nobody is there to ask.
 */
export async function confirmed(question: string, options: { yes?: boolean }): Promise<void> {
  if (options.yes === true) return;
  if (!process.stdin.isTTY)
    throw new CommandError(EXIT.invalidInput, `Nothing was done. ${question} Say so with --yes.`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // The end of input is a no; the question alone would wait for ever.
  const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
  const answer = await Promise.race([terminal.question(`${question} [y/N] `), ended]);
  terminal.close();
  if (!/^y(?:es)?$/i.test(answer.trim())) throw new CommandError(EXIT.failed, 'Nothing was done.');
}

/** A hostile path must not move the reader's cursor. */
export function printed(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`,
  );
}

const CONTROL_C = 0x03;
const CONTROL_D = 0x04;
const BACKSPACES: readonly number[] = [0x08, 0x7f];
const LINE_ENDS: readonly number[] = [0x0a, 0x0d];

/**
 * Asks for a secret; what is typed or pasted is not shown.
 *
 * @throws CommandError when it is called off, or nobody is there to ask.
 */
export async function hiddenAnswer(question: string): Promise<Buffer> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY)
    throw new CommandError(
      EXIT.invalidInput,
      'Nobody is there to ask: give a file with --from, or --from - for standard input.',
    );
  // Before the question: whoever answers at once must not be echoed.
  stdin.setRawMode(true);
  stderr.write(`${question}: `);
  const typed: number[] = [];
  try {
    for await (const chunk of stdin as AsyncIterable<Buffer>) {
      // as: no encoding is set, so chunks are Buffers
      for (const byte of chunk) {
        if (byte === CONTROL_C || byte === CONTROL_D)
          throw new CommandError(EXIT.failed, 'Nothing was done.');
        if (LINE_ENDS.includes(byte)) return Buffer.from(typed);
        if (BACKSPACES.includes(byte)) typed.pop();
        else typed.push(byte);
      }
      chunk.fill(0);
    }
    throw new CommandError(EXIT.failed, 'Nothing was done.');
  } finally {
    typed.fill(0);
    stdin.setRawMode(false);
    stderr.write('\n');
  }
}
