import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errorCode, LocalPostgresError, onPath } from './local-postgres-error.ts';
import { livingProcesses } from './process-identity.ts';

const PREFIX = 'initdb-';

/** A new name in the home for a database that is being made. */
export function newHalf(home: string): string {
  return join(home, `${PREFIX}${randomBytes(6).toString('hex')}`);
}

/** Where `initdb` makes the database within a half. */
export function clusterInHalf(half: string): string {
  return join(half, 'cluster');
}

/**
 * Clears away what a start that was killed while it made the database left in the home. Its `initdb` survives it
 * and would go on writing: it is ended first. Nobody else makes a database here now: we hold the folder's lock.
 *
 * Throws `LocalPostgresError` when something there can't be ended or removed.
 */
export async function clearHalves(home: string): Promise<void> {
  const halves = onPath('clean', home, () => readdirSync(home).filter((entry) => entry.startsWith(PREFIX)));
  for (const half of halves.map((entry) => join(home, entry))) {
    await endInitdb(half);
    await remove(half);
  }
}

const PATIENCE_MS = 5_000;

/** Ends the `initdb` that works in the half, and the servers it runs: they are one process group, which it leads. */
async function endInitdb(half: string): Promise<void> {
  const leader = livingProcesses().find(({ pid, group, command }) => pid === group && makes(half, command));
  if (leader === undefined) return;
  try {
    // Nothing of the half is kept, so nothing needs to be ended in order.
    process.kill(-leader.group, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw survivor(half, leader.pid);
  }
  const deadline = Date.now() + PATIENCE_MS;
  while (livingProcesses().some(({ group }) => group === leader.group)) {
    if (Date.now() > deadline) throw survivor(half, leader.pid);
    await delay(5);
  }
}

/**
 * A bootstrap server whose initdb was killed too writes on until it notices that its input has ended. `rmSync` then
 * leaves the folder behind, with ENOTEMPTY or without a word.
 */
async function remove(half: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  do {
    onPath('clear away', half, () => removeWhatIsThere(half));
    if (!existsSync(half)) return;
    await delay(20);
  } while (Date.now() < deadline);
  throw new LocalPostgresError(`Something goes on writing into ${half}: stop it, or remove that folder.`);
}

function removeWhatIsThere(half: string): void {
  try {
    rmSync(half, { recursive: true, force: true });
  } catch (error) {
    if (errorCode(error) !== 'ENOTEMPTY') throw error;
  }
}

/** By program and argument both, so that nothing but an initdb of ours is ever signalled. */
function makes(half: string, command: string): boolean {
  const at = command.indexOf(` --pgdata=${clusterInHalf(half)} `);
  return at !== -1 && command.slice(0, at).endsWith('/initdb');
}

function survivor(half: string, pid: number): LocalPostgresError {
  return new LocalPostgresError(
    `An initdb that an earlier run left in ${half} (process ${pid}) can't be ended: stop it by hand (kill -9 -${pid}).`,
  );
}
