import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EnvironmentName, isEnvironmentName } from '@ideogate/contract';
import { CommandError, EXIT } from '../exit-codes.ts';
import { codeOf, writePrivately } from './data-folder.ts';

/*
 * Which environment each key of this data folder belongs to. Environments have databases and fingerprint secrets of
 * their own, so that nothing of one tells of another: here alone, keys of all of them can be compared, by fingerprints
 * under a secret of the folder.
 */

interface Claims {
  readonly secret: string;
  readonly keys: Readonly<Record<string, { readonly environment: EnvironmentName; readonly since: string }>>;
}

/**
 * Ties a key to an environment for good; returns since when it is tied.
 * @param idUnder the key's id under a fingerprint secret
 * @param name of the key, for people
 * @throws CommandError when it is another environment's
 */
export function claimKey(
  data: string,
  environment: EnvironmentName,
  idUnder: (secret: string) => string,
  name: string,
): string {
  const file = join(data, 'key-claims.json');
  const claims = readClaims(file);
  const id = idUnder(claims.secret);
  const claim = claims.keys[id];
  if (claim?.environment === environment) return claim.since;
  if (claim !== undefined)
    throw new CommandError(
      EXIT.invalidInput,
      `${name} is a key of ${claim.environment}, and this is ${environment}: each environment needs a key of its own. Make one in Ideogram's dashboard.`,
    );
  const since = new Date().toISOString();
  const keys = { ...claims.keys, [id]: { environment, since } };
  writePrivately(file, `${JSON.stringify({ secret: claims.secret, keys }, null, 2)}\n`);
  return since;
}

/**
 * Which key is tied to which environment, by ids under the folder's secret.
 * @throws CommandError when what is kept cannot be read
 */
export function keyClaims(data: string): Claims {
  return readClaims(join(data, 'key-claims.json'));
}

function readClaims(file: string): Claims {
  if (!existsSync(file)) return { secret: randomBytes(24).toString('base64url'), keys: {} };
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as Partial<Claims>; // as: looked at below
    const { secret, keys = {} } = kept;
    if (
      typeof secret === 'string' &&
      Object.values(keys).every(({ environment }) => isEnvironmentName(environment))
    )
      return { secret, keys };
  } catch (error) {
    throw new CommandError(
      EXIT.failed,
      `${file} cannot be read (${codeOf(error)}): it says which key belongs to which environment; restore it from a copy.`,
    );
  }
  throw new CommandError(EXIT.failed, `${file} is not as Ideogate wrote it: restore it from a copy.`);
}
