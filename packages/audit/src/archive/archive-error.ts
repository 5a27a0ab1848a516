import { FaultError } from '@ideogate/contract';

/** Why a month isn't archived, or an archive not imported. */
export type ArchiveFault =
  /** An event can still be dated into the month. */
  | 'not-closed'
  /** The database has no such month. */
  | 'no-such-month'
  /** The month was archived and dropped before. */
  | 'archived-already'
  /** An export hasn't got all of the month. */
  | 'not-delivered'
  /** Another month is on its way out and has to be first. */
  | 'unfinished'
  /** Another process archives just now. */
  | 'busy'
  /** A chain doesn't hang together at one end of the month. */
  | 'broken-chain'
  /** What is on disk isn't what was read from the database, or isn't an archive. */
  | 'unproved'
  /** Imported before, or not the file that was archived. */
  | 'not-importable';

/** A month isn't archived, or an archive not imported; the message says what to do. */
export class ArchiveError extends FaultError<ArchiveFault> {
  override readonly name = 'ArchiveError';
}
