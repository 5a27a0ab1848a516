import { ENVIRONMENTS } from '@ideogate/contract';
import { readNamedFile } from '@ideogate/upstream-keys';
import { CommandError, EXIT } from '../exit-codes.ts';
import { codeOf } from '../product/data-folder.ts';

/** A key of some environment, by its id. */
export interface KnownElsewhere {
  readonly id: string;
  /** Null: the file does not say. */
  readonly environment: string | null;
}

const ID = /\bkey_[0-9a-f]{16}\b/g;

/**
 * Ids of keys and whose they are, from a file that holds what `keys list` printed in each environment, as JSON or as a
 * table; any other text of ids is one of keys whose environment is not said.
 * @throws CommandError when it cannot be read
 */
export function readKnownElsewhere(file: string | undefined): readonly KnownElsewhere[] {
  if (file === undefined) return [];
  let text: string;
  try {
    text = readNamedFile(file).toString('utf8');
  } catch (error) {
    throw new CommandError(EXIT.invalidInput, `--known: ${file} cannot be read (${codeOf(error)}).`);
  }
  // A line of the table, or one object of the list: neither holds another brace or id.
  const entries = text.includes('{') ? text.split('}') : text.split('\n');
  return entries.flatMap((entry) => {
    const environment = ENVIRONMENTS.find((name) => new RegExp(`\\b${name}\\b`).test(entry)) ?? null;
    return (entry.match(ID) ?? []).map((id) => ({ id, environment }));
  });
}
