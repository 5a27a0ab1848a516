/** The embedded Postgres can't do what was asked. The message is one line: what, where, what to do. */
export class LocalPostgresError extends Error {
  override readonly name = 'LocalPostgresError';
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there. Give it the right to, or name another data folder',
  EPERM: 'this user may not change it. Give it the right to, or name another data folder',
  EROFS: 'the file system is read-only. Name a data folder on another one',
  ENOSPC: 'the disk is full. Free some space, or name a data folder on another disk',
  EDQUOT: 'the disk quota is used up. Free some space, or name another data folder',
  ENOTDIR: 'a part of the path is a file. Name another data folder',
  EEXIST: 'a file is in the way. Name another data folder, or move that file',
  ENAMETOOLONG: 'the path is too long. Name a data folder with a shorter path',
};

/** The errno name of a Node system error (`EACCES`), or '' for anything else. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Runs `work` on `path`; a file-system error becomes one clear line, anything else is passed on. */
export function onPath<T>(doing: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw explained(doing, path, error);
  }
}

/** As `onPath`, for work that takes a while. */
export async function onPathAsync<T>(doing: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explained(doing, path, error);
  }
}

function explained(doing: string, path: string, error: unknown): unknown {
  const code = errorCode(error);
  if (code === '' || error instanceof LocalPostgresError) return error;
  const reason = REASONS[code] ?? 'see the code';
  return new LocalPostgresError(`Can't ${doing} ${shortened(path)} (${code}): ${reason}.`, { cause: error });
}

/** A path that fits on the line of an error. */
export function shortened(path: string): string {
  return path.length <= 200 ? path : `${path.slice(0, 120)}…${path.slice(-60)}`;
}
