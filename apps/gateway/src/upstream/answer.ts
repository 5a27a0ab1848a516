import type { ReadAnswer } from '@ideogate/ideogram';

/** What has come back from the upstream so far. */
export interface Answer {
  readonly status: number;
  /** Monotonic time of the answer's head, milliseconds. */
  readonly startedAt: number;
  /** JSON, as every operation answers. */
  readonly json: boolean;
  bytes: number;
  /** What its JSON says, once it has ended and if it was small enough to read; else null. */
  read: ReadAnswer | null;
}
