import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
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
  const stat = linuxStat(pid);
  if (stat === null) return signalReaches(pid) ? UNKNOWN : null;
  if (isDead(stat.state)) return null;
  // Ticks count from boot, and two boots may agree on pid and ticks.
  const boot = readOrNull('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
  return `${boot}:${stat.startTicks}`;
}

interface LinuxStat {
  readonly state: string;
  readonly group: number;
  readonly startTicks: string;
}

/** proc_pid_stat(5): the name in parentheses may hold anything; state, pgrp and starttime are the 1st, 3rd and 20th after it. */
function linuxStat(pid: number): LinuxStat | null {
  const stat = readOrNull(`/proc/${pid}/stat`);
  if (stat === null) return null;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', group: Number(fields[2]), startTicks: fields[19] ?? '' };
}

/** A zombie, or one that is just vanishing. */
function isDead(state: string): boolean {
  return state.startsWith('Z') || state.startsWith('X');
}

function psStart(pid: number): string | null {
  const ps = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
  });
  const line = ps.status === 0 ? ps.stdout.trim() : '';
  if (line === '') return signalReaches(pid) ? UNKNOWN : null;
  if (isDead(line)) return null;
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

/** A process of the machine, as the system shows it to this user. */
export interface LivingProcess {
  readonly pid: number;
  /** Process group: the pid of its leader. */
  readonly group: number;
  /** Program and arguments, joined by spaces; '' where it is hidden from this user. */
  readonly command: string;
}

/** Every process of the machine that lives now, as far as this user sees them. Zombies don't count. */
export function livingProcesses(): readonly LivingProcess[] {
  return process.platform === 'linux' ? linuxProcesses() : psProcesses();
}

function linuxProcesses(): readonly LivingProcess[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isSafeInteger);
  return pids.flatMap((pid) => {
    const stat = linuxStat(pid);
    if (stat === null || isDead(stat.state)) return [];
    const command = readOrNull(`/proc/${pid}/cmdline`)?.replaceAll('\0', ' ') ?? '';
    return [{ pid, group: stat.group, command }];
  });
}

function psProcesses(): readonly LivingProcess[] {
  const ps = spawnSync('ps', ['-axww', '-o', 'pid=,pgid=,stat=,command='], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    maxBuffer: 64 * 1024 * 1024,
  });
  return ps.stdout.split('\n').flatMap((line) => {
    const [, pid, group, state = '', command = ''] = /^ *(\d+) +(\d+) +(\S+) +(.*)$/.exec(line) ?? [];
    return pid === undefined || isDead(state) ? [] : [{ pid: Number(pid), group: Number(group), command }];
  });
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
