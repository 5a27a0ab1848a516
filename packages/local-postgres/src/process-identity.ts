import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { errorCode } from './local-postgres-error.ts';

/**
 * When a process began, in a form that only compares for equality: boot id and clock ticks on Linux, a date
 * elsewhere. A pid is used again sooner or later; pid and start together are not.
 *
 * `null`: no such process (a zombie counts as none: it holds nothing any more, and in a container whose first
 * process doesn't reap it would stay for ever). `unknown`: it lives, but its start is hidden from this user.
 */
export function processStart(pid: number): string | null {
  if (!signalReaches(pid)) return null;
  return process.platform === 'linux' ? linuxStart(pid) : psStart(pid);
}

/** The process lives, and began when `start` says (as `processStart` words it). */
export function isSameProcess(pid: number, start: string): boolean {
  const now = processStart(pid);
  // In doubt it is the same one: a lock wrongly respected costs a line, a lock wrongly taken costs data.
  return now !== null && (now === start || now === UNKNOWN || start === UNKNOWN);
}

const UNKNOWN = 'unknown';

function signalReaches(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

function linuxStart(pid: number): string | null {
  const stat = readOrNull(`/proc/${pid}/stat`);
  if (stat === null) return signalReaches(pid) ? UNKNOWN : null;
  // proc_pid_stat(5): the name in parentheses may hold anything; state is the first field after it, starttime the 20th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return null;
  // Ticks count from boot, and two boots may agree on pid and ticks.
  const boot = readOrNull('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
  return `${boot}:${fields[19] ?? ''}`;
}

function psStart(pid: number): string | null {
  const ps = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
  });
  const line = ps.status === 0 ? ps.stdout.trim() : '';
  if (line === '') return signalReaches(pid) ? UNKNOWN : null;
  if (line.startsWith('Z')) return null;
  return line.slice(line.indexOf(' ')).trim();
}

/**
 * The process is a Postgres server on this data directory. Anything that can't be seen is "no": a process that
 * only happens to have the pid must never be signalled.
 */
export function isPostgresOn(cluster: string, pid: number): boolean {
  if (processStart(pid) === null) return false;
  if (process.platform === 'linux') {
    const program = readOrNull(`/proc/${pid}/cmdline`)?.split('\0')[0] ?? '';
    return isPostgresProgram(program) && linkOrNull(`/proc/${pid}/cwd`) === cluster;
  }
  const ps = spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
  });
  const command = ps.stdout.trim();
  const at = command.indexOf(` -D ${cluster} `);
  return ps.status === 0 && at !== -1 && isPostgresProgram(command.slice(0, at));
}

function isPostgresProgram(program: string): boolean {
  return program === 'postgres' || program.endsWith('/postgres');
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function linkOrNull(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
