import { existsSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Binaries, prepareBinaries } from './binaries.ts';
import { prepareCluster, SUPERUSER } from './cluster.ts';
import { lockFolder } from './folder-lock.ts';
import { clearHalves } from './halves.ts';
import { chooseHome, clusterIn, type Home, prepareFolder } from './home.ts';
import { LocalPostgresError } from './local-postgres-error.ts';
import { HOST, isFree, keptPort, newPort } from './port.ts';
import { clearLeftover } from './postmaster-file.ts';
import { type Server, ServerStartError, startServer } from './server.ts';
import { serverAccount } from './server-account.ts';

/** Where the database is kept, and how it is to run. */
export interface LocalPostgresOptions {
  /** The data folder of the database, e.g. `.ideogate/staging/postgres`; made if missing. */
  readonly folder: string;
  /** Default: a free one, kept in the folder. */
  readonly port?: number;
  /** Gets one line for each thing an operator may want to know. No secrets. */
  readonly log: (line: string) => void;
  /** Called when the server died, was started again, and answers. */
  readonly onRestart?: () => void;
}

/** A Postgres that runs on this machine. */
export interface LocalPostgres {
  /** Connection URL of the superuser, password included, e.g. `postgres://postgres:…@127.0.0.1:5433/postgres`. */
  readonly superuserUrl: (database: string) => string;
  readonly host: string;
  readonly port: number;
  /** Where the database really is: the data folder, or a place below /var/lib. */
  readonly folder: string;
  /** For the banner: why the database isn't in the data folder. Null when it is. */
  readonly notice: string | null;
  /** Stops the server in order; resolves when its process is gone. May be called twice. */
  readonly stop: () => Promise<void>;
}

/**
 * Starts the embedded Postgres on a data folder, making the database at the first start, and keeps it running
 * until `stop()`: a server that dies is started again. A server left over from a killed run is stopped first.
 *
 * Throws `FolderInUseError` when another process has the folder, and `LocalPostgresError` (one line: what, where,
 * what to do) for everything else.
 */
export async function startLocalPostgres(options: LocalPostgresOptions): Promise<LocalPostgres> {
  if (process.platform === 'win32') {
    throw new LocalPostgresError(
      'The embedded Postgres runs on Linux and macOS: set DATABASE_URL, or use WSL.',
    );
  }
  const folder = prepareFolder(options.folder);
  const lock = lockFolder(folder, { pid: process.pid, port: options.port ?? null });
  try {
    // Before anything looks at the files, or moves them.
    await clearLeftover(clusterIn(folder), options.log);
    const home = chooseHome(folder, serverAccount());
    if (home.folder !== folder) await clearLeftover(clusterIn(home.folder), options.log);
    const binaries = prepareBinaries(home.folder, home.account);
    const password = await prepareCluster(folder, home, binaries);
    const logFile = rotatedLog(folder);
    const stopping = new AbortController();
    const { server, port } = await firstStart(options, folder, home, binaries, logFile, stopping.signal);
    const supervision = supervise(server, { options, home, binaries, port, logFile, stopping });

    let stopped: Promise<void> | null = null;
    return {
      superuserUrl: (database) =>
        `postgres://${SUPERUSER}:${password}@${HOST}:${port}/${encodeURIComponent(database)}`,
      host: HOST,
      port,
      folder: home.folder,
      notice: home.notice,
      stop: () => {
        stopping.abort();
        stopped ??= supervision.finally(() => lock.release());
        return stopped;
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * Stops a Postgres that a killed run left on this data folder, finished or not, and starts none. Throws `FolderInUseError` when the
 * run isn't dead.
 */
export async function stopLeftoverPostgres(folder: string, log: (line: string) => void): Promise<void> {
  const real = prepareFolder(folder);
  const lock = lockFolder(real, { pid: process.pid, port: null });
  try {
    await clearLeftover(clusterIn(real), log);
    const home = chooseHome(real, serverAccount());
    if (home.folder !== real) await clearLeftover(clusterIn(home.folder), log);
    await clearHalves(home.folder);
  } finally {
    lock.release();
  }
}

const LOG_BYTES_KEPT = 10 * 1024 * 1024;

/** One old log is kept. */
function rotatedLog(folder: string): string {
  const path = join(folder, 'postgres.log');
  if (existsSync(path) && statSync(path).size > LOG_BYTES_KEPT) renameSync(path, `${path}.1`);
  return path;
}

/** Workers of a server that was killed take a moment to notice. */
const OLD_WORKERS_MS = 15_000;
const PORT_ATTEMPTS = 5;

async function firstStart(
  options: LocalPostgresOptions,
  folder: string,
  home: Home,
  binaries: Binaries,
  logFile: string,
  signal: AbortSignal,
): Promise<{ server: Server; port: number }> {
  if (options.port !== undefined && !(await isFree(options.port))) throw portTaken(options.port);
  let port = options.port ?? (await keptPort(folder));
  let portsTried = 1;
  const deadline = Date.now() + OLD_WORKERS_MS;
  for (;;) {
    try {
      return { server: await startServer(home, binaries, port, logFile, signal), port };
    } catch (error) {
      if (!(error instanceof ServerStartError)) throw error;
      if (error.failure === 'port-taken' && options.port !== undefined) throw portTaken(options.port);
      if (error.failure === 'port-taken' && portsTried++ < PORT_ATTEMPTS) {
        port = await newPort(folder);
      } else if (error.failure === 'old-workers-still-run' && Date.now() < deadline) {
        await delay(50);
      } else {
        throw new LocalPostgresError(
          `Postgres doesn't start on ${clusterIn(home.folder)}: ${error.message}.`,
          {
            cause: error,
          },
        );
      }
    }
  }
}

function portTaken(port: number): LocalPostgresError {
  return new LocalPostgresError(
    `Port ${port} on ${HOST} is taken by another program: stop that one, or choose another port for Postgres.`,
  );
}

interface Supervised {
  readonly options: LocalPostgresOptions;
  readonly home: Home;
  readonly binaries: Binaries;
  readonly port: number;
  readonly logFile: string;
  readonly stopping: AbortController;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;
/** A server that ran this long starts the pauses anew. */
const STEADY_MS = 30_000;

/** Resolves when the server was stopped because `stopping` said so, and is gone. */
async function supervise(first: Server, parts: Supervised): Promise<void> {
  const { options, home, binaries, port, logFile, stopping } = parts;
  const asked = new Promise<'asked'>((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve('asked'), { once: true });
  });
  let server: Server | null = first;
  let since = Date.now();
  let pause = FIRST_PAUSE_MS;
  for (;;) {
    if (server !== null) {
      const event = await Promise.race([asked, server.gone]);
      if (event === 'asked') return server.stop();
      options.log(`Postgres ended (${event.how}); it is started again.`);
      server = null;
      if (Date.now() - since > STEADY_MS) pause = FIRST_PAUSE_MS;
    }
    await delay(pause, undefined, { signal: stopping.signal }).catch(() => undefined);
    if (stopping.signal.aborted) return;
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    try {
      await clearLeftover(clusterIn(home.folder), () => undefined);
      server = await startServer(home, binaries, port, logFile, stopping.signal);
    } catch (error) {
      if (stopping.signal.aborted) return;
      const reason = error instanceof Error ? error.message : String(error);
      options.log(`Postgres doesn't start: ${reason}; next try in ${pause} ms.`);
      continue;
    }
    since = Date.now();
    options.log('Postgres runs again.');
    options.onRestart?.();
  }
}
