import { fault, plainName, type RequestFault, type RequestFaultReason } from './request-fault.ts';

/** Which part of a body it is about. */
export interface PartPlace {
  /** From 1. */
  readonly position: number;
  /** As it was sent, or null. */
  readonly name: string | null;
}

/** A fault of one part: which one, what is wrong with it, what to do. Both texts are ours; a name is told if plain. */
export function partFault(
  reason: RequestFaultReason,
  place: PartPlace,
  what: string,
  remedy: string,
): RequestFault {
  const name = place.name === null ? null : plainName(place.name);
  const which = `Part ${place.position}${name === null ? '' : ` (${name})`} of the multipart body`;
  return { ...fault('invalid-body', reason, `${which} ${what}. ${remedy}`), field: name };
}
