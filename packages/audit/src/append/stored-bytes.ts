import type { DecisionEvent } from '@ideogate/contract';
import { eventColumns } from './event-columns.ts';

/**
 * What a decision's row takes of the disk, beside its texts: the tuple with its fixed columns, page overhead, and an entry
 * in each of seven indexes, with the room that Postgres leaves in them. Measured, see the test.
 */
const ROW_BYTES = 450;

/** What a row's texts take: themselves, and what says how long each is. The same texts again in indexes are few. */
export function storedBytes(event: DecisionEvent): number {
  let bytes = ROW_BYTES;
  for (const value of Object.values(eventColumns(event)))
    if (typeof value === 'string') bytes += Buffer.byteLength(value) + 4;
  return bytes;
}
