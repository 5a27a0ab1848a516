import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errorCode, LocalPostgresError } from './local-postgres-error.ts';
import { isPostgresOn, processStart } from './process-identity.ts';

/** What `postmaster.pid` says: the server's pid, and whether it takes connections. */
export function readPostmasterFile(cluster: string): { pid: number; ready: boolean } | null {
  let lines: string[];
  try {
    lines = readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return null;
  }
  const pid = Number(lines[0]);
  // Line 8 is the status pg_ctl waits for (src/include/utils/pidfile.h).
  return Number.isSafeInteger(pid) && pid > 1 ? { pid, ready: lines[7]?.trim() === 'ready' } : null;
}

/**
 * Makes way for a new server on the cluster: one that a killed predecessor left running is stopped in order, and
 * a pid file whose pid now belongs to an unrelated process is disarmed. That process is never signalled.
 */
export async function clearLeftover(cluster: string, log: (line: string) => void): Promise<void> {
  const found = readPostmasterFile(cluster);
  if (found === null) return;
  if (isPostgresOn(cluster, found.pid)) {
    await stopStranger(cluster, found.pid);
    // It may have been dying already, by a signal that let it clear nothing away.
    disarm(cluster);
    log(`Stopped a Postgres (process ${found.pid}) that an earlier run had left on ${cluster}.`);
    return;
  }
  disarm(cluster);
  log(
    processStart(found.pid) === null
      ? `Postgres on ${cluster} was killed before (process ${found.pid}); it recovers now.`
      : `Postgres on ${cluster} was killed before; its process ${found.pid} is another program now, left alone.`,
  );
}

/**
 * Postgres refuses to start while kill(2) finds any process with the pid in the file: an unrelated one, or the
 * killed server's zombie, which stays for good where nobody reaps. The file isn't removed, because it also names
 * the shared memory by which a new server notices workers of the old one that still run; a server takes a file
 * with its own parent's pid (ours) for a stale one and does that check.
 */
function disarm(cluster: string): void {
  const path = join(cluster, 'postmaster.pid');
  if (!existsSync(path)) return;
  const [, ...rest] = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, [String(process.pid), ...rest].join('\n'));
}

async function stopStranger(cluster: string, pid: number): Promise<void> {
  for (const { signal, patience } of STOP_STEPS) {
    if (!isPostgresOn(cluster, pid)) return;
    if (!sent(pid, signal)) return;
    const deadline = Date.now() + patience;
    while (Date.now() < deadline) {
      if (!isPostgresOn(cluster, pid)) return;
      await delay(10);
    }
  }
  throw new LocalPostgresError(
    `A Postgres that an earlier run left on ${cluster} (process ${pid}) doesn't end: stop it by hand (kill -9 ${pid}).`,
  );
}

/** False: the process ended in this moment. */
function sent(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
    throw error;
  }
}

/** Fast shutdown (rolls back, writes everything), immediate shutdown (recovers at the next start), the end. */
export const STOP_STEPS: readonly { readonly signal: NodeJS.Signals; readonly patience: number }[] = [
  { signal: 'SIGINT', patience: 10_000 },
  { signal: 'SIGQUIT', patience: 5_000 },
  { signal: 'SIGKILL', patience: 5_000 },
];
