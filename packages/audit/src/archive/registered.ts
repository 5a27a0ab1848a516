import {
  inTransaction,
  lockOfText,
  type Session,
  type SessionTimeouts,
  tryLock,
  withSession,
} from '@ideogate/postgres';
import { type Month, parseMonth } from '../month.ts';
import { ArchiveError } from './archive-error.ts';
import type { ArchiveContent } from './archive-file.ts';

/** An archive as the database knows it. */
export interface RegisteredArchive {
  readonly month: Month;
  /** Name of the file. */
  readonly file: string;
  /** Of the file as it is, hex. */
  readonly sha256: string;
  readonly events: number;
  readonly checkpoints: number;
  /** Its partition is gone: the file is all there is. */
  readonly dropped: boolean;
  /** The file was removed for its age. */
  readonly removed: boolean;
}

/** Detaching waits for everyone who reads the record just now; an hour is an auditor's longest question. */
const TIMEOUTS: SessionTimeouts = { connectMs: 5_000, statementMs: 3_600_000, graceMs: 5_000 };
const ARCHIVE_LOCK = lockOfText('ideogate archive');

/**
 * Runs `work` in a session of the owner role, one process at a time.
 * @throws ArchiveError `busy`
 */
export function alone<T>(ownerUrl: string, work: (session: Session) => Promise<T>): Promise<T> {
  return withSession(ownerUrl, 'ideogate-archive', TIMEOUTS, async (session) => {
    if (!(await tryLock(session, ARCHIVE_LOCK)))
      throw new ArchiveError('busy', 'another process is archiving or importing; try again when it is done');
    return work(session);
  });
}

/** Every archive that the database knows of, oldest first. */
export async function registeredArchives(session: Session): Promise<readonly RegisteredArchive[]> {
  const { rows } = await session.query({
    text: `SELECT to_char(month, 'YYYY-MM') AS month, file, encode(sha256, 'hex') AS sha256, events::text, checkpoints::text,
        dropped_at IS NOT NULL AS dropped, removed_at IS NOT NULL AS removed
      FROM ideogate.archive ORDER BY month`,
  });
  // as: the columns selected above
  const list = rows as (Omit<RegisteredArchive, 'month' | 'events' | 'checkpoints'> &
    Record<'month' | 'events' | 'checkpoints', string>)[];
  return list.flatMap((row) => {
    const month = parseMonth(row.month);
    return month === undefined
      ? []
      : [{ ...row, month, events: Number(row.events), checkpoints: Number(row.checkpoints) }];
  });
}

/** What the database knows of the archive of a month, or null when it was never archived. */
export async function registeredArchive(session: Session, month: Month): Promise<RegisteredArchive | null> {
  return (await registeredArchives(session)).find((archive) => archive.month === month) ?? null;
}

/** Registers a proved archive whose partition is still there; a file proved later takes the place of one before. */
export function registerArchive(
  session: Session,
  { month, file, sha256, bytes, events, checkpoints, ranges }: ArchiveContent & { readonly file: string },
): Promise<void> {
  const day = `${month}-01`;
  return inTransaction(session, async () => {
    await session.query({
      text: `INSERT INTO ideogate.archive (month, file, sha256, bytes, events, checkpoints)
        VALUES ($1, $2, decode($3, 'hex'), $4, $5, $6)
        ON CONFLICT (month) DO UPDATE SET file = excluded.file, sha256 = excluded.sha256, bytes = excluded.bytes,
          events = excluded.events, checkpoints = excluded.checkpoints, proved_at = now()`,
      values: [day, file, sha256, bytes, events, checkpoints],
    });
    await session.query({ text: 'DELETE FROM ideogate.archive_chain WHERE month = $1', values: [day] });
    await session.query({
      text: `INSERT INTO ideogate.archive_chain (month, writer, first_seq, first_prev_hash, last_seq, last_hash)
        SELECT $1, writer, first_seq, decode(first_prev_hash, 'hex'), last_seq, decode(last_hash, 'hex')
        FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::bigint[], $6::text[])
          AS r (writer, first_seq, first_prev_hash, last_seq, last_hash)`,
      values: [
        day,
        ranges.map(({ writer }) => writer),
        ranges.map(({ firstSeq }) => firstSeq),
        ranges.map(({ firstPrevHash }) => firstPrevHash),
        ranges.map(({ lastSeq }) => lastSeq),
        ranges.map(({ lastHash }) => lastHash),
      ],
    });
  });
}

/** In the transaction that drops the partition. */
export async function markDropped(
  session: Session,
  { month, sha256 }: { readonly month: Month; readonly sha256: string },
): Promise<void> {
  const { rowCount } = await session.query({
    text: `UPDATE ideogate.archive SET dropped_at = now() WHERE month = $1 AND sha256 = decode($2, 'hex')`,
    values: [`${month}-01`, sha256],
  });
  if (rowCount !== 1)
    throw new ArchiveError(
      'unproved',
      `${month} is not registered with the file that was proved; nothing was dropped`,
    );
}
