import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '@ideogate/contract';
import { DataDirError } from './data-dir-error.ts';
import { writePrivateFile } from './private-file.ts';

/**
 * The logins of a product's database, each a URL in a file of its own (`logins/<name>`, 0600), so that who needs one
 * is not handed the others:
 *
 * - `owner`: superuser of the embedded Postgres; not there where `DATABASE_URL` names another
 * - `append`: adds to the record; commands that read it say so there first
 * - `read`: reads the record
 * - `keys-put`: puts keys into the sealed store and moves them on; opens none
 * - `keys-open`: reads what is sealed in the store, for resealing
 * - `webhook`: lists and replays webhooks
 */
export type LoginName = 'owner' | 'append' | 'read' | 'keys-put' | 'keys-open' | 'webhook';

/** @param dir the environment's part of the data folder, as everywhere below */
function loginFile(dir: string, name: LoginName): string {
  return join(dir, 'logins', name);
}

/** @throws DataDirError when it isn't there, or can't be read */
export function readLogin(dir: string, name: LoginName): string {
  const file = loginFile(dir, name);
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new DataDirError(
      'unreadable',
      `${file} cannot be read (${errorCode(error)}): it holds the ${name} login of the database, and the start of Ideogate writes it.`,
    );
  }
}

/** As `readLogin`; null when it isn't there. */
export function findLogin(dir: string, name: LoginName): string | null {
  try {
    return readFileSync(loginFile(dir, name), 'utf8').trim();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    return readLogin(dir, name);
  }
}

/** Keeps the URL of a login, password included, for this account alone. */
export function writeLogin(dir: string, name: LoginName, url: string): void {
  mkdirSync(join(dir, 'logins'), { recursive: true, mode: 0o700 });
  writePrivateFile(loginFile(dir, name), `${url}\n`);
}

/** Removes it if it is there. */
export function removeLogin(dir: string, name: LoginName): void {
  rmSync(loginFile(dir, name), { force: true });
}
