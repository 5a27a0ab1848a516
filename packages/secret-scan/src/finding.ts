/** Something that should not be where it is. Says where, and never what. */
export interface Finding {
  /** A name in `RULES`, or of a rule of secretlint's. */
  readonly rule: string;
  /** Id of the key, when it is one of ours for certain; else null. */
  readonly keyId: string | null;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in bytes. */
  readonly column: number;
  /** The object that holds it, in git's history; else null. */
  readonly object: string | null;
}
