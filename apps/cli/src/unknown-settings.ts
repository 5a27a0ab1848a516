import type { UnknownVariable } from '@ideogate/config';

/** A line for each variable that looks like a setting and is none. It may be meant for something else, and stops nothing. */
export function unknownInWords(unknown: readonly UnknownVariable[]): readonly string[] {
  return unknown.map(
    ({ variable, meant }) =>
      `${variable} is no setting of Ideogate, and changes nothing${meant === null ? '' : `: did you mean ${meant}?`}`,
  );
}
