import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, LocalPostgresError, onPath, shortened } from './local-postgres-error.ts';
import { isSameProcess, processStart } from './process-identity.ts';

/** Another process (or an earlier call of this one) works on the folder. The message is one line and names it. */
export class FolderInUseError extends Error {
  override readonly name = 'FolderInUseError';
  readonly pid: number;

  constructor(folder: string, pid: number, port: number | null) {
    const where = port === null ? '' : `, port ${port}`;
    super(
      `${shortened(folder)} is in use by process ${pid}${where}. Stop that one first (kill ${pid}), or use another data folder.`,
    );
    this.pid = pid;
  }
}

/** A folder that this process alone uses. */
export interface FolderLock {
  /** Gives the folder free. May be called twice. */
  release(): void;
}

interface Holder {
  readonly pid: number;
  readonly port: number | null;
  /** As `processStart` words it, so that a later process with the same pid isn't taken for this one. */
  readonly start: string;
  readonly token: string;
}

/**
 * Takes the folder (made if missing) for this process until `release()`, or until the process is gone: a lock
 * whose holder is dead is taken over. Of any number of processes that try at once exactly one gets it.
 *
 * `port` is only for the line that the loser reads. Throws `FolderInUseError`, and `LocalPostgresError` when the
 * folder can't be written.
 */
export function lockFolder(
  folder: string,
  holder: { readonly pid: number; readonly port: number | null },
): FolderLock {
  return onPath('lock the folder', folder, () => {
    mkdirSync(folder, { recursive: true });
    const start = processStart(holder.pid);
    if (start === null) throw new LocalPostgresError(`Process ${holder.pid} isn't there to hold a lock.`);
    const mine: Holder = { pid: holder.pid, port: holder.port, start, token: randomUUID() };
    const path = join(folder, LOCK);
    acquire(path, mine, folder, 0);
    return { release: () => release(path, mine) };
  });
}

const LOCK = 'lock';
/** Each level is left behind only by a process that was killed within the microseconds of a take-over. */
const MAX_DEPTH = 8;
const MAX_ATTEMPTS = 50;

/**
 * A lock appears whole or not at all: it is written under another name and then linked, and link(2) fails when
 * the name is there.
 *
 * A dead holder's lock is replaced, never removed first: between removing and creating, a second process that
 * had judged the same lock dead would remove the new one. Who replaces holds the lock *on the take-over*, taken
 * in this same way, and reads the lock again under it. While it is held the dead lock can't change: its holder
 * is dead, nothing can be created where something is, and nobody else may replace it.
 */
function acquire(path: string, mine: Holder, folder: string, depth: number): void {
  if (depth > MAX_DEPTH) throw new LocalPostgresError(`Can't take over ${path}: remove it by hand.`);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const found = read(path);
    if (found === null) {
      if (create(path, mine)) return;
      continue;
    }
    if (found !== 'unreadable' && isSameProcess(found.pid, found.start)) {
      throw new FolderInUseError(folder, found.pid, found.port);
    }
    const takeOver = `${path}.take-over`;
    acquire(takeOver, mine, folder, depth + 1);
    try {
      const still = read(path);
      if (still === null) continue;
      if (still !== 'unreadable' && isSameProcess(still.pid, still.start)) {
        throw new FolderInUseError(folder, still.pid, still.port);
      }
      const written = write(path, mine);
      renameSync(written, path);
      return;
    } finally {
      release(takeOver, mine);
    }
  }
  throw new LocalPostgresError(`Can't lock ${path}: it changes all the time. Try again.`);
}

function write(path: string, mine: Holder): string {
  const temporary = `${path}.${mine.token}`;
  // Readable by all: the loser, perhaps another user, is told who holds it. There is nothing secret in it.
  writeFileSync(temporary, `${JSON.stringify(mine)}\n`, { mode: 0o644 });
  return temporary;
}

function create(path: string, mine: Holder): boolean {
  const temporary = write(path, mine);
  try {
    linkSync(temporary, path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function release(path: string, mine: Holder): void {
  const found = read(path);
  // Somebody may have removed the file by hand and another process taken its place.
  if (found !== null && found !== 'unreadable' && found.token === mine.token) rmSync(path, { force: true });
}

/** A file that isn't a lock of ours (a disk that was full, an editor) holds nobody. */
function read(path: string): Holder | 'unreadable' | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return 'unreadable';
    if (!('pid' in value && 'port' in value && 'start' in value && 'token' in value)) return 'unreadable';
    const { pid, port, start, token } = value;
    if (typeof pid !== 'number' || typeof start !== 'string' || typeof token !== 'string')
      return 'unreadable';
    return { pid, port: typeof port === 'number' ? port : null, start, token };
  } catch {
    return 'unreadable';
  }
}
