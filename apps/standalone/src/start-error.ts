import { FaultError } from '@ideogate/contract';

/** Why the product did not start. */
export type StartFault =
  /** Something else listens on a port. */
  | 'port-in-use'
  /** The database can't be used for the record, or isn't safe for it. */
  | 'database'
  /** The database is another environment's. */
  | 'other-database'
  /** The emulator or the issuer doesn't come up. */
  | 'process';

/** The product can't be started: a line for each thing that was wrong, with what to do. Nothing is left running. */
export class StartError extends FaultError<StartFault> {
  override readonly name = 'StartError';
  constructor(fault: StartFault, lines: string | readonly string[]) {
    super(fault, typeof lines === 'string' ? lines : lines.join('\n'));
  }
}
