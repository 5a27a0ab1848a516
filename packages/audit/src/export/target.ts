import type { Session } from '@ideogate/postgres';
import type { Positions } from './cursors.ts';
import type { Batch } from './batches.ts';

/** Where the record is sent, which also knows how far it has come there. */
export interface ExportTarget {
  /** Where it stopped the last time. @param session of the read login */
  begin(session: Session): Promise<Positions>;
  /**
   * Takes a batch. When it returns, the lines are there for good, as far as that can be known, and so is where to go
   * on. When it throws, the same lines come again.
   */
  deliver(batch: Batch, over: AbortSignal): Promise<void>;
  /** Lets go of what it holds; `begin` may follow. */
  end(): Promise<void>;
}

/** The receiver takes no delivery of this size; smaller ones follow. */
export class TooLargeError extends Error {
  override readonly name = 'TooLargeError';
}

/** It is of no use to try again: the message says why. */
export class TargetError extends Error {
  override readonly name = 'TargetError';
}

/** A batch as NDJSON: every line ends with a line feed, the last one too. */
export function textOf({ lines }: Batch): string {
  return `${lines.join('\n')}\n`;
}
