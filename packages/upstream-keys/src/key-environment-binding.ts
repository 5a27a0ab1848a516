import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EnvironmentName, errorCode, FaultError, isEnvironmentName } from '@ideogate/contract';
import { writePrivateFile } from '@ideogate/data-dir';

/*
 * Which environment each key of a data folder belongs to. Environments have databases and fingerprint secrets of their
 * own, so that nothing of one tells of another: here alone, keys of all of them can be compared, by fingerprints under a
 * secret of the folder.
 */

/** Keys by their ids under `secret`. */
export interface KeyBindings {
  readonly secret: string;
  readonly keys: Readonly<Record<string, { readonly environment: EnvironmentName; readonly since: string }>>;
}

type KeyBindingFault =
  /** The key belongs to another environment. */
  | 'other-environment'
  /** What is kept can't be read, or isn't as Ideogate wrote it. */
  | 'unreadable';

/** A key can't be bound to an environment. The message never shows the key. */
export class KeyBindingError extends FaultError<KeyBindingFault> {
  override readonly name = 'KeyBindingError';
}

/**
 * Binds a key to an environment for good; returns since when it is bound (RFC 3339).
 * @param data the data folder, which all environments share
 * @param idUnder the key's id under a fingerprint secret
 * @param name of the key, for people
 * @throws KeyBindingError
 */
export function bindKey(
  data: string,
  environment: EnvironmentName,
  idUnder: (secret: string) => string,
  name: string,
): string {
  const { secret, keys } = readKeyBindings(data);
  const id = idUnder(secret);
  const bound = keys[id];
  if (bound?.environment === environment) return bound.since;
  if (bound !== undefined)
    throw new KeyBindingError(
      'other-environment',
      `${name} is a key of ${bound.environment}, and this is ${environment}: each environment needs a key of its own. Make one in Ideogram's dashboard.`,
    );
  const since = new Date().toISOString();
  const bindings: KeyBindings = { secret, keys: { ...keys, [id]: { environment, since } } };
  writePrivateFile(fileIn(data), `${JSON.stringify(bindings, null, 2)}\n`);
  return since;
}

/**
 * Which key is bound to which environment.
 * @throws KeyBindingError when what is kept can't be read
 */
export function readKeyBindings(data: string): KeyBindings {
  const file = fileIn(data);
  if (!existsSync(file)) return { secret: randomBytes(24).toString('base64url'), keys: {} };
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as Partial<KeyBindings>; // as: looked at below
    const { secret, keys = {} } = kept;
    if (
      typeof secret === 'string' &&
      Object.values(keys).every(({ environment }) => isEnvironmentName(environment))
    )
      return { secret, keys };
  } catch (error) {
    throw new KeyBindingError(
      'unreadable',
      `${file} cannot be read (${errorCode(error)}): it says which key belongs to which environment; restore it from a copy.`,
    );
  }
  throw new KeyBindingError('unreadable', `${file} is not as Ideogate wrote it: restore it from a copy.`);
}

function fileIn(data: string): string {
  return join(data, 'key-claims.json');
}
