import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type Binaries, runAs, SERVER_ENVIRONMENT } from './binaries.ts';
import { clusterIn, type Home } from './home.ts';
import { LocalPostgresError, onPath } from './local-postgres-error.ts';
import { HOST } from './port.ts';
import { readPostmasterFile, STOP_STEPS } from './postmaster-file.ts';

/** A running `postgres`, our child. */
export interface Server {
  readonly pid: number;
  /** Resolves once the process is gone, whatever ended it. */
  readonly gone: Promise<Exit>;
  /** Stops it in order, by force after a while. Resolves when it is gone. */
  stop(): Promise<void>;
}

interface Exit {
  /** 'signal SIGKILL' or 'exit code 1' */
  readonly how: string;
  /** The last lines it wrote to its log. */
  readonly lastWords: string;
}

/** Why a server didn't come up. */
type StartFailure = 'port-taken' | 'old-workers-still-run' | 'other';

/** A server didn't come up; `failure` says in which way. */
export class ServerStartError extends Error {
  readonly failure: StartFailure;
  constructor(failure: StartFailure, message: string) {
    super(message);
    this.failure = failure;
  }
}

/**
 * Given on the command line, where neither postgresql.conf nor ALTER SYSTEM can change them: what is committed is
 * on the disk, and nobody off this machine is listened to.
 */
function settings(port: number): Readonly<Record<string, string>> {
  return {
    listen_addresses: HOST,
    port: String(port),
    unix_socket_directories: '',
    fsync: 'on',
    synchronous_commit: 'on',
    full_page_writes: 'on',
    password_encryption: 'scram-sha-256',
    max_connections: '300',
    log_destination: 'stderr',
    logging_collector: 'off',
    // A failed statement or row is quoted in the log otherwise, passwords and prompts included.
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
  };
}

/** A crash may leave a day's log to replay; a server that neither ends nor answers for this long is given up. */
const READY_WITHIN_MS = 120_000;

/** Starts the server, its output appended to `logFile`; resolves when it takes connections. Throws `ServerStartError`. */
export async function startServer(
  home: Home,
  binaries: Binaries,
  port: number,
  logFile: string,
  signal: AbortSignal,
): Promise<Server> {
  const cluster = clusterIn(home.folder);
  const output = onPath('write', logFile, () => openSync(logFile, 'a+', 0o600));
  const logStart = fstatSync(output).size;
  const options = Object.entries(settings(port)).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(binaries.postgres, ['-D', cluster, ...options], {
    cwd: cluster,
    env: SERVER_ENVIRONMENT,
    // A process group of its own: a terminal's Ctrl-C must not end the database before the last record is in it.
    detached: true,
    stdio: ['ignore', output, output],
    ...runAs(home.account),
  });
  const gone = exitOf(child).then((how) => {
    const lastWords = tail(output, logStart);
    closeSync(output);
    return { how, lastWords };
  });

  const state: { exit: Exit | null } = { exit: null };
  void gone.then((exit) => {
    state.exit = exit;
  });
  const server: Server = { pid: child.pid ?? 0, gone, stop: () => stop(child, gone) };
  const deadline = Date.now() + READY_WITHIN_MS;
  while (state.exit === null) {
    const found = readPostmasterFile(cluster);
    if (found?.ready && found.pid === child.pid) return server;
    if (signal.aborted || Date.now() > deadline) {
      await server.stop();
      throw new ServerStartError(
        'other',
        signal.aborted ? 'stopped while it was starting' : 'not ready in time',
      );
    }
    await Promise.race([delay(10), gone]);
  }
  throw startError(state.exit, logFile);
}

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
}

function startError(exit: Exit, logFile: string): ServerStartError {
  const words = exit.lastWords;
  const failure: StartFailure = /could not bind|could not create any TCP\/IP sockets/.test(words)
    ? 'port-taken'
    : /pre-existing shared memory block/.test(words)
      ? 'old-workers-still-run'
      : 'other';
  const line = words.split('\n').findLast((text) => /FATAL|PANIC|ERROR/.test(text));
  return new ServerStartError(failure, `${line?.trim() ?? exit.how}; see ${logFile}`);
}

async function stop(child: ChildProcess, gone: Promise<Exit>): Promise<void> {
  for (const { signal, patience } of STOP_STEPS) {
    child.kill(signal);
    const timer = new AbortController();
    const ended = await Promise.race([
      gone.then(() => true),
      delay(patience, false, { signal: timer.signal }).catch(() => false),
    ]);
    timer.abort();
    if (ended) return;
  }
  throw new LocalPostgresError(`Postgres (process ${child.pid ?? 0}) doesn't end, not even by SIGKILL.`);
}

function tail(file: number, from: number): string {
  const end = fstatSync(file).size;
  const length = Math.min(end - from, 16_384);
  if (length <= 0) return '';
  const buffer = Buffer.alloc(length);
  return buffer.toString('utf8', 0, readSync(file, buffer, 0, length, end - length));
}
