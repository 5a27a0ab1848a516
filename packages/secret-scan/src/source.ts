/** Something to look through. */
export interface Source {
  /** As a person would name it. */
  readonly file: string;
  /** Its object in git's history; null for what is not taken from there. */
  readonly object: string | null;
  /** Whether git has it or would take it: an environment file must be neither. */
  readonly inGit: boolean;
  readonly chunks: AsyncIterable<Buffer>;
}
