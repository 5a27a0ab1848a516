import { EMPTY_CHAIN } from '../chain/chain.ts';
import type { Session } from '@ideogate/postgres';
import type { ChainRange } from './archive-file.ts';
import { ArchiveError } from './archive-error.ts';

/** The events beside the two ends of each range, wherever they are: in the record, or in a month archived before. */
const NEIGHBOURS = `WITH r (writer, first_seq, last_seq) AS (SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]))
  SELECT r.writer,
    coalesce(
      (SELECT encode(e.hash, 'hex') FROM ideogate.audit_event e WHERE e.writer = r.writer AND e.seq = r.first_seq - 1 LIMIT 1),
      (SELECT encode(a.last_hash, 'hex') FROM ideogate.archive_chain a WHERE a.writer = r.writer AND a.last_seq = r.first_seq - 1)
    ) AS before,
    coalesce(
      (SELECT encode(e.prev_hash, 'hex') FROM ideogate.audit_event e WHERE e.writer = r.writer AND e.seq = r.last_seq + 1 LIMIT 1),
      (SELECT encode(a.first_prev_hash, 'hex') FROM ideogate.archive_chain a WHERE a.writer = r.writer AND a.first_seq = r.last_seq + 1)
    ) AS after,
    EXISTS (SELECT FROM ideogate.audit_event e WHERE e.writer = r.writer AND e.seq > r.last_seq) AS goes_on
  FROM r`;

/**
 * Checks that each range hangs on the event before it, and the event after it on the range. One statement, and so one
 * snapshot; a writer that wrote in the month and still writes is asked for by its own events alone.
 * @throws ArchiveError `broken-chain`
 */
export async function requireContinuity(session: Session, ranges: readonly ChainRange[]): Promise<void> {
  const { rows } = await session.query({
    text: NEIGHBOURS,
    values: [
      ranges.map(({ writer }) => writer),
      ranges.map(({ firstSeq }) => firstSeq),
      ranges.map(({ lastSeq }) => lastSeq),
    ],
  });
  const list = rows as { writer: string; before: string | null; after: string | null; goes_on: boolean }[]; // as: the columns selected above
  const found = new Map(list.map((row) => [row.writer, row]));
  for (const { writer, firstSeq, firstPrevHash, lastSeq, lastHash } of ranges) {
    const beside = found.get(writer);
    const before = firstSeq === 1 ? EMPTY_CHAIN.hash : beside?.before;
    if (before !== firstPrevHash) throw broken(writer, firstSeq - 1, firstSeq);
    const after = beside?.after ?? (beside?.goes_on === true ? undefined : lastHash);
    if (after !== lastHash) throw broken(writer, lastSeq, lastSeq + 1);
  }
}

function broken(writer: string, seq: number, next: number): ArchiveError {
  return new ArchiveError(
    'broken-chain',
    `the chain of writer ${writer} is broken between its events ${seq} and ${next}; nothing was dropped: audit verify says what is wrong`,
  );
}
