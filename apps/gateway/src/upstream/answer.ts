/** What has come back from the upstream so far. */
export interface Answer {
  readonly status: number;
  /** Monotonic time of the answer's head, milliseconds. */
  readonly startedAt: number;
  /** JSON, as every operation answers. */
  readonly json: boolean;
  bytes: number;
  /** The whole JSON text, once it has ended and if it was small enough to read; else null. */
  text: string | null;
}
