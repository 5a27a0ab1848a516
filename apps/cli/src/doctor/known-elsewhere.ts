import { ENVIRONMENTS } from '@ideogate/contract';
import { keyIdsIn } from '@ideogate/upstream-keys';
import { readNamed } from '../known-keys.ts';

/** A key of some environment, by its id. */
export interface KnownElsewhere {
  readonly id: string;
  /** Null: the file does not say. */
  readonly environment: string | null;
}

/**
 * Ids of keys and whose they are, from a file that holds what `keys list` printed in each environment, as JSON or as a
 * table; any other text of ids is one of keys whose environment is not said.
 * @throws CommandError when it cannot be read
 */
export function readKnownElsewhere(file: string | undefined): readonly KnownElsewhere[] {
  if (file === undefined) return [];
  const text = readNamed(file, '--known');
  // A line of the table, or one object of the list: neither holds another brace or id.
  const entries = text.includes('{') ? text.split('}') : text.split('\n');
  return entries.flatMap((entry) => {
    const environment = ENVIRONMENTS.find((name) => new RegExp(`\\b${name}\\b`).test(entry)) ?? null;
    return keyIdsIn(entry).map((id) => ({ id, environment }));
  });
}
