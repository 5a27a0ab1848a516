import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { errorCode } from '@ideogate/contract';
import { writePrivateFile } from '@ideogate/data-dir';

/** A process beside ours, as the file tells of it that it has in the data folder. */
export interface ProcessFile {
  readonly path: string;
  /** What its command line holds, and no other's. */
  readonly marks: readonly string[];
}

/** A process that an earlier start may have left, and the port that it listens on. */
export interface Leftover {
  readonly pid: number;
  readonly port: number;
}

/** Says where to find the process, for a start that comes after this one was killed. */
export function writeProcessFile({ path }: ProcessFile, { pid, port }: Leftover): void {
  writePrivateFile(path, `${pid} ${port}\n`);
}

/** The process that the file tells of, if it lives. */
export function leftoverOf(file: ProcessFile): Leftover | null {
  let text: string;
  try {
    text = readFileSync(file.path, 'utf8');
  } catch {
    return null;
  }
  const [pid = 0, port = 0] = text.split(' ').map(Number);
  // A pid may have gone to another process since: only one that runs our program is ours.
  return Number.isInteger(pid) && pid > 1 && lives(file, pid) ? { pid, port } : null;
}

/** False also for a zombie, which has no command line any more: where nobody reaps, a signal would still find it. */
export function lives({ marks }: ProcessFile, pid: number): boolean {
  const command = commandOf(pid);
  return marks.every((mark) => command.includes(mark));
}

/** Ends the process that the file tells of, by force when it must be, and removes the file. */
export async function endLeftover(file: ProcessFile): Promise<void> {
  const running = leftoverOf(file);
  if (running !== null) await endProcess(running.pid);
  rmSync(file.path, { force: true });
}

async function endProcess(pid: number): Promise<void> {
  for (const [signal, milliseconds] of [
    ['SIGTERM', 3000],
    // It is sure to end, and on a busy machine not at once: until then it has its port.
    ['SIGKILL', 10_000],
  ] as const) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (errorCode(error) === 'ESRCH') return;
      throw error;
    }
    const until = Date.now() + milliseconds;
    while (!hasEnded(pid) && Date.now() < until) await delay(10);
    if (hasEnded(pid)) return;
  }
}

/**
 * Whether a process has let go of all that it had, its port too. One that is dying has no command line any more while it
 * still listens; a zombie has let go, once it is the last of its threads.
 */
function hasEnded(pid: number): boolean {
  if (process.platform !== 'linux') return !signalReaches(pid);
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // proc_pid_stat(5): the state comes behind the name, which may hold anything and ends with the last parenthesis.
    const state = stat.charAt(stat.lastIndexOf(')') + 2);
    return (state === 'Z' || state === 'X') && readdirSync(`/proc/${pid}/task`).length < 2;
  } catch {
    return true;
  }
}

function signalReaches(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return spawnSync('ps', ['-ww', '-p', String(pid), '-o', 'args='], { encoding: 'utf8' }).stdout ?? '';
  }
}
