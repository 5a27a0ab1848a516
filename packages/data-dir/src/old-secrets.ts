import { createHmac } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '@ideogate/contract';
import { DataDirError } from './data-dir-error.ts';
import type { InstallationKey } from './installation-keys.ts';
import type { LoginName } from './logins.ts';

/*
 * Until each secret had a file of its own, all of an environment's stood in one, `secrets.json`. A start takes it over:
 * its secrets go into files of their own, and it is removed once all of them are there.
 */

const MEMBERS = {
  appendPassword: 'append',
  readPassword: 'read',
  fingerprint: 'fingerprint',
  prompt: 'prompt',
  emulatorReadKey: 'emulator-read',
  emulatorWriteKey: 'emulator-write',
} as const satisfies Readonly<Record<string, InstallationKey | LoginName>>;

/** What an old `secrets.json` held, under the names that its secrets have now. */
export interface OldSecrets {
  readonly keys: Readonly<Record<InstallationKey, string>>;
  readonly passwords: Partial<Readonly<Record<LoginName, string>>>;
}

/**
 * The secrets of an old data folder; null where there is none to be taken over.
 * @throws DataDirError when they can't be read, or aren't whole
 */
export function readOldSecrets(dir: string): OldSecrets | null {
  const file = fileIn(dir);
  if (!existsSync(file)) return null;
  let kept: unknown;
  try {
    kept = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new DataDirError(
      'unreadable',
      `${file} cannot be read (${errorCode(error)}): restore it from a copy; without it the record's logins are lost.`,
    );
  }
  const members = new Map<string, unknown>(
    typeof kept === 'object' && kept !== null ? Object.entries(kept) : [],
  );
  const held: Partial<Record<(typeof MEMBERS)[keyof typeof MEMBERS], string>> = {};
  for (const [member, name] of Object.entries(MEMBERS)) {
    const secret = members.get(member);
    if (typeof secret === 'string' && secret !== '') held[name] = secret;
  }
  const {
    append,
    read,
    fingerprint,
    prompt,
    'emulator-read': emulatorRead,
    'emulator-write': emulatorWrite,
  } = held;
  if (
    append === undefined ||
    read === undefined ||
    fingerprint === undefined ||
    prompt === undefined ||
    emulatorRead === undefined ||
    emulatorWrite === undefined
  )
    throw new DataDirError(
      'unreadable',
      `${file} lacks one of ${Object.keys(MEMBERS).join(', ')}: restore it from a copy.`,
    );
  // Logins that came later had passwords made from it, so that every replica had the same.
  const later = (login: string) =>
    createHmac('sha256', prompt).update(`ideogate login ${login}`).digest('base64url');
  return {
    keys: { fingerprint, prompt, 'emulator-read': emulatorRead, 'emulator-write': emulatorWrite },
    passwords: {
      append,
      read,
      'keys-put': later('keys put'),
      'keys-open': later('keys open'),
      webhook: later('webhook'),
    },
  };
}

/** To be called once every secret of it is in a file of its own. */
export function removeOldSecrets(dir: string): void {
  rmSync(fileIn(dir), { force: true });
}

function fileIn(dir: string): string {
  return join(dir, 'secrets.json');
}
