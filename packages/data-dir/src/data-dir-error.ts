import { FaultError } from '@ideogate/contract';

/** Why the data folder can't be used. */
export type DataDirFault =
  /** The folder can't be made, or written to. */
  | 'not-writable'
  /** No product says that it runs on this folder. */
  | 'not-running'
  /** A file in it can't be read, or isn't as Ideogate wrote it. */
  | 'unreadable';

/** Something is wrong with the data folder. The message names the file and what to do, and shows nothing of what is in it. */
export class DataDirError extends FaultError<DataDirFault> {
  override readonly name = 'DataDirError';
}
