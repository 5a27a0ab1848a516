import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { errorCode, LocalPostgresError, onPath, shortened } from './local-postgres-error.ts';
import { barrier, ownerOf, type ServerAccount } from './server-account.ts';

/** Where the cluster lives, and who runs it. */
export interface Home {
  /** Real path; holds `cluster`. */
  readonly folder: string;
  readonly account: ServerAccount | null;
  /** For the banner, where the cluster isn't in the data folder. */
  readonly notice: string | null;
}

/** The data directory of Postgres within a home. */
export function clusterIn(home: string): string {
  return join(home, 'cluster');
}

/** Postgres keeps paths in 1024 bytes, and needs some for its own names below the data directory. */
const MAX_PATH_BYTES = 900;

/** Makes the data folder if it is missing, and gives its real path. */
export function prepareFolder(path: string): string {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new LocalPostgresError(
      `The path of the data folder is too long for Postgres (${Buffer.byteLength(path)} bytes, ${MAX_PATH_BYTES} at most): use a shorter one instead of ${shortened(path)}.`,
    );
  }
  return onPath('write the data folder', path, () => {
    const made = mkdirSync(path, { recursive: true });
    // What root makes must let the server's account pass, whatever the umask; the secrets in it are 0600 each.
    if (made !== undefined && process.getuid?.() === 0) chmodSync(path, 0o755);
    const folder = realpathSync(path);
    const probe = join(folder, `.probe-${randomBytes(6).toString('hex')}`);
    writeFileSync(probe, '', { mode: 0o600, flag: 'wx' });
    rmSync(probe);
    return folder;
  });
}

/**
 * Decides where the cluster lives. `folder` is the real path of the data folder, whose lock we hold. Normally it
 * is `folder` itself; when Postgres must run under another account and that one can't get there (a clone in root's
 * home), it is a place of this folder's own below `stateRoot`. A cluster that is already there is never left
 * behind for an empty one: it is used where it is, or moved.
 */
export function chooseHome(
  folder: string,
  account: ServerAccount | null,
  stateRoot = '/var/lib/ideogate',
): Home {
  const idFile = join(folder, 'id');
  if (account === null) {
    if (existsSync(idFile) && !existsSync(clusterIn(folder))) {
      const elsewhere = elsewhereOf(stateRoot, folder, readFileSync(idFile, 'utf8').trim());
      if (existsSync(elsewhere)) {
        throw new LocalPostgresError(
          `The database of ${shortened(folder)} was made by root and lives in ${elsewhere}: start as root, or use another data folder.`,
        );
      }
    }
    return { folder, account: null, notice: null };
  }

  const known = existsSync(idFile) ? readFileSync(idFile, 'utf8').trim() : null;
  const here = clusterIn(folder);
  const wall = barrier(folder, account);
  if (existsSync(here)) {
    const owner = ownerOf(here);
    const runner = owner.uid === 0 ? account : owner;
    if (barrier(folder, runner) === null) {
      // Restored from a backup by root: Postgres reads only what its own account owns.
      if (owner.uid === 0) onPath('hand over', here, () => giveTo(here, runner));
      return { folder, account: runner, notice: null };
    }
  } else if (
    wall === null &&
    (known === null || !existsSync(clusterIn(elsewhereOf(stateRoot, folder, known))))
  ) {
    return { folder, account, notice: null };
  }

  const id = known ?? newId(idFile);
  const home = elsewhereOf(stateRoot, folder, id);
  onPath('write', home, () => {
    adoptMoved(stateRoot, folder, id, home);
    for (const path of [stateRoot, home]) {
      mkdirSync(path, { recursive: true });
      chmodSync(path, 0o755);
    }
    writeFileSync(join(home, ORIGIN), `${folder}\n`);
    if (existsSync(here) && !existsSync(clusterIn(home))) moveCluster(here, clusterIn(home), account);
  });
  const unreachable = barrier(home, account);
  if (unreachable !== null) {
    throw new LocalPostgresError(
      `Postgres would run as ${account.name}, which may pass neither ${wall ?? folder} nor ${unreachable}: start as an ordinary user, or use a data folder that all users can reach.`,
    );
  }
  const because =
    wall === null ? 'was put there by an earlier start' : `runs as ${account.name}, which can't pass ${wall}`;
  return { folder: home, account, notice: `The database lives in ${home}: Postgres ${because}.` };
}

/** Holds the path of the data folder that a home below the state root belongs to. */
const ORIGIN = 'data-folder';

function newId(path: string): string {
  const id = randomBytes(8).toString('hex');
  writeFileSync(path, `${id}\n`, { mode: 0o600 });
  return id;
}

/** By path *and* id: neither a copy of a data folder nor a new one in an old place gets another's database. */
function elsewhereOf(stateRoot: string, folder: string, id: string): string {
  const hash = createHash('sha256').update(folder).digest('hex').slice(0, 16);
  // The id comes from a file anybody with the folder can edit, and becomes part of a path.
  if (!/^[0-9a-f]{16}$/.test(id)) {
    throw new LocalPostgresError(
      `${join(folder, 'id')} doesn't hold 16 hexadecimal digits: restore it, or use another data folder.`,
    );
  }
  return join(stateRoot, `${hash}-${id}`);
}

/** A data folder that was renamed takes its database along; one that was copied doesn't (the original is still there). */
function adoptMoved(stateRoot: string, folder: string, id: string, home: string): void {
  if (existsSync(home) || !existsSync(stateRoot)) return;
  for (const entry of readdirSync(stateRoot)) {
    if (!entry.endsWith(`-${id}`)) continue;
    const origin = readFileSync(join(stateRoot, entry, ORIGIN), 'utf8').trim();
    if (origin === folder || holdsId(origin, id)) continue;
    renameSync(join(stateRoot, entry), home);
    return;
  }
}

function holdsId(folder: string, id: string): boolean {
  try {
    return readFileSync(join(folder, 'id'), 'utf8').trim() === id;
  } catch {
    return false;
  }
}

function moveCluster(from: string, to: string, account: ServerAccount): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (errorCode(error) !== 'EXDEV') throw error;
    const half = `${to}.moving`;
    rmSync(half, { recursive: true, force: true });
    cpSync(from, half, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    renameSync(half, to);
    rmSync(from, { recursive: true, force: true });
  }
  giveTo(to, account);
}

/** Everything below `path` belongs to the account; links are changed themselves, never what they point at. */
function giveTo(path: string, account: ServerAccount): void {
  lchownSync(path, account.uid, account.gid);
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    lchownSync(join(entry.parentPath, entry.name), account.uid, account.gid);
  }
}
