import { FaultError } from '@ideogate/contract';

/** Why a step of a key's life was not taken. */
export type RotationFault =
  /** What was given can't be a key, or the store can't take it. */
  | 'not-put'
  /** The gateway takes its keys from variables and files. */
  | 'not-sealed'
  /** The key is in another state by now, or gone. */
  | 'moved-on'
  /** No gateway acts on the store, or not all do. */
  | 'not-followed'
  /** The key is in use still, or Ideogram takes it still. */
  | 'in-use';

/** A step of a key's life was not taken, and why; the same command goes on where it was. Never shows a key. */
export class RotationError extends FaultError<RotationFault> {
  override readonly name = 'RotationError';
}
