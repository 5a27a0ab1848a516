import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '@ideogate/contract';
import { DataDirError } from './data-dir-error.ts';

/**
 * Secrets of one environment's installation, made at its first start, each in a file of its own (`keys/<name>`, 0600):
 *
 * - `fingerprint`: under it ids are made from keys
 * - `prompt`: the keys under which prompts are recognised in the record are wrapped with it
 * - `emulator-read`, `emulator-write`: the emulator takes them in place of Ideogram's keys
 */
const INSTALLATION_KEYS = ['fingerprint', 'prompt', 'emulator-read', 'emulator-write'] as const;

/** The name of one of `INSTALLATION_KEYS`. */
export type InstallationKey = (typeof INSTALLATION_KEYS)[number];

const FOLDER = 'keys';

/** Whether this installation has its keys already. */
export function hasInstallationKeys(dir: string): boolean {
  return existsSync(join(dir, FOLDER));
}

/** @throws DataDirError when it isn't there, or can't be read */
export function readInstallationKey(dir: string, name: InstallationKey): string {
  const file = join(dir, FOLDER, name);
  let key = '';
  let code = 'empty';
  try {
    key = readFileSync(file, 'utf8').trim();
  } catch (error) {
    code = errorCode(error);
  }
  if (key !== '') return key;
  throw new DataDirError(
    'unreadable',
    `${file} cannot be read (${code}): restore it from a copy of the data folder; a new one would not fit the record.`,
  );
}

/**
 * Makes all keys of an installation that has none: all of them or none, for one that is missing later is lost, and must
 * not be made anew unseen.
 * To be called by one process at a time: what one that was killed left half made is removed.
 * @param kept keys that an installation had before they had files of their own
 */
export function makeInstallationKeys(
  dir: string,
  kept: Partial<Readonly<Record<InstallationKey, string>>> = {},
): void {
  if (hasInstallationKeys(dir)) return;
  const folder = join(dir, FOLDER);
  const temporary = `${folder}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { mode: 0o700 });
  for (const name of INSTALLATION_KEYS) {
    const key = kept[name] ?? randomBytes(24).toString('base64url');
    // On disk before the file that it may have been taken from is removed.
    writeFileSync(join(temporary, name), `${key}\n`, { mode: 0o600, flush: true });
  }
  renameSync(temporary, folder);
}
