import type { Settings } from '@ideogate/config';
import type { Actor } from '@ideogate/audit/append';
import {
  currentUser,
  dataDir,
  environmentDir,
  type LoginName,
  readLogin,
  readRuntimeFile,
  type RuntimeFile,
} from '@ideogate/data-dir';
import manifest from '../package.json' with { type: 'json' };

/** The product that commands are about, and where its files are. */
export interface RunningProduct extends RuntimeFile {
  /** The data folder. */
  readonly data: string;
  /** The environment's part of it. */
  readonly dir: string;
}

/** @throws DataDirError when none runs on the data folder */
export function runningProduct(settings: Settings): RunningProduct {
  const data = dataDir(settings);
  const runtime = readRuntimeFile(data);
  return { ...runtime, data, dir: environmentDir(data, runtime.environment) };
}

/**
 * URL of one of its logins: each command reads those that it needs.
 * @throws DataDirError
 */
export function loginOf({ dir }: Pick<RunningProduct, 'dir'>, name: LoginName): string {
  return readLogin(dir, name);
}

/**
 * The account that gives this command, as the record is told of it.
 * @throws DataDirError
 */
export function actorOf({ dir, environment }: Pick<RunningProduct, 'dir' | 'environment'>): Actor {
  return {
    appendUrl: readLogin(dir, 'append'),
    readUrl: readLogin(dir, 'read'),
    environment,
    who: currentUser(),
    version: manifest.version,
  };
}
