import { fault, plainName, type RequestFault, type RequestFaultReason } from '../request-fault.ts';

/** Which part of a body is spoken of. */
export interface PartLabel {
  /** From 1. */
  readonly position: number;
  /** As it was sent, or null. */
  readonly name: string | null;
}

/** A fault of one part: which one, what is wrong with it, what to do. Both texts are ours; a name is told if plain. */
export function partFault(
  reason: RequestFaultReason,
  part: PartLabel,
  what: string,
  remedy: string,
): RequestFault {
  const name = part.name === null ? null : plainName(part.name);
  const which = `Part ${part.position}${name === null ? '' : ` (${name})`} of the multipart body`;
  return { ...fault('invalid-body', reason, `${which} ${what}. ${remedy}`), field: name };
}
