/** What a command's exit status means, everywhere. */
export const EXIT = { fine: 0, failed: 1, denied: 2, invalidInput: 3, notSignedIn: 4 } as const;

/** One of the codes of `EXIT`. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends a command with words for the person at the terminal: what was wrong, where, and what to do. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: ExitCode;
  constructor(exitCode: ExitCode, lines: string | readonly string[]) {
    super(typeof lines === 'string' ? lines : lines.join('\n'));
    this.exitCode = exitCode;
  }
}
