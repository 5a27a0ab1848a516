import type { Session } from '@ideogate/postgres';
import type { Month } from '../month.ts';
import { ArchiveError } from './archive-error.ts';
import { tableOf } from './month-table.ts';

/**
 * A month may leave only once every export has it: an export reads the database, and nothing else. Which there are is
 * known by how far they have come, and by `others`, which may have begun nothing yet.
 * @throws ArchiveError `not-delivered`, which says what is missing where
 */
export async function requireDelivered(
  session: Session,
  month: Month,
  others: readonly string[],
): Promise<void> {
  const table = tableOf(month);
  // A chain is found by its first event, wherever that is by now, and its part of the month by two looks into an index.
  const [first] = await session.rows<{ reader: string; chains: number; events: string }>(
    `WITH writers AS (
        SELECT writer FROM ideogate.audit_event WHERE seq = 1
        UNION SELECT writer FROM ${table} WHERE seq = 1
        UNION SELECT writer FROM ideogate.archive_chain
      ), ends AS (
        SELECT w.writer, f.seq AS first_seq, l.seq AS last_seq FROM writers w
        CROSS JOIN LATERAL (SELECT seq FROM ${table} e WHERE e.writer = w.writer ORDER BY seq LIMIT 1) f
        CROSS JOIN LATERAL (SELECT seq FROM ${table} e WHERE e.writer = w.writer ORDER BY seq DESC LIMIT 1) l
      ), readers AS (
        SELECT DISTINCT reader FROM ideogate.chain_position WHERE reader LIKE 'export %'
        UNION SELECT unnest($1::text[])
      )
      SELECT r.reader, count(*)::int AS chains,
        sum(e.last_seq - greatest(coalesce(p.seq, 0), e.first_seq - 1))::text AS events
      FROM readers r CROSS JOIN ends e
      LEFT JOIN ideogate.chain_position p ON p.reader = r.reader AND p.writer = e.writer
      WHERE coalesce(p.seq, 0) < e.last_seq
      GROUP BY r.reader ORDER BY r.reader`,
    [[...others]],
  );
  if (first === undefined) return;
  const url = first.reader.replace(/^export /, '');
  throw new ArchiveError(
    'not-delivered',
    `${first.events} events of ${month}, of ${first.chains} writers, were not sent to ${url} yet: let that export come so far (IDEOGATE_EXPORT_TO, or audit export --to ${url}), or give it up with audit export --to ${url} --forget`,
  );
}
