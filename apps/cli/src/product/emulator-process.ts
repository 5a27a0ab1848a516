import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommandError, EXIT } from '../exit-codes.ts';
import { writePrivately } from './data-folder.ts';

export interface EmulatorProcess {
  readonly url: string;
  stop(): Promise<void>;
}

const MAIN = fileURLToPath(new URL('../../../../packages/ideogram/src/emulator/main.ts', import.meta.url));
const STARTS_WITHIN_MS = 10_000;

/**
 * The emulator as a process of its own, in its own process group: it outlives a kill of ours, so that what it
 * received can still be read, and the next start takes it over. One that dies is started again.
 *
 * @throws CommandError when it does not come up.
 */
export async function startEmulator(
  folder: string,
  port: number,
  keys: { read: string; write: string },
  log: (line: string) => void,
): Promise<EmulatorProcess> {
  const url = `http://127.0.0.1:${port}`;
  const pidFile = join(folder, 'emulator.pid');
  let stopping = false;
  let failures = 0;
  let child: ChildProcess | null = null;
  let adopted: number | null = null;

  const launch = () => {
    const out = openSync(join(folder, 'emulator.log'), 'a', 0o600);
    const started = spawn(process.execPath, [MAIN], {
      detached: true,
      stdio: ['ignore', out, out],
      env: {
        IDEOGATE_EMULATOR_PORT: String(port),
        IDEOGATE_EMULATOR_KEYS: keys.write,
        IDEOGATE_EMULATOR_READ_KEYS: keys.read,
      },
    });
    child = started;
    if (started.pid !== undefined) writePrivately(pidFile, String(started.pid));
    started.unref();
    started.once('exit', () => {
      if (stopping || child !== started) return;
      failures++;
      log('the emulator died; it is started again');
      setTimeout(
        () => {
          if (!stopping) launch();
        },
        Math.min(5000, 100 * 2 ** failures),
      );
    });
  };

  /** A process that is not our child tells nobody when it dies: so it is looked at. */
  const adopt = (pid: number) => {
    adopted = pid;
    const look = setInterval(() => {
      if (stopping) return clearInterval(look);
      if (isAlive(pid)) return undefined;
      clearInterval(look);
      adopted = null;
      log('the emulator died; it is started again');
      launch();
    }, 250);
    look.unref();
  };

  const leftover = leftoverIn(pidFile);
  if (leftover !== null && (await answers(url))) {
    log(`the emulator of a killed run (process ${leftover}) is taken over, with what it has received`);
    adopt(leftover);
  } else {
    if (leftover !== null) await endProcess(leftover);
    launch();
  }
  const until = Date.now() + STARTS_WITHIN_MS;
  while (!(await answers(url))) {
    if (Date.now() > until || failures > 3) {
      stopping = true;
      throw new CommandError(
        EXIT.failed,
        `The emulator does not answer on ${url}: see ${join(folder, 'emulator.log')}.`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return {
    url,
    async stop() {
      stopping = true;
      const pid = adopted ?? child?.pid;
      if (pid !== undefined) await endProcess(pid);
      rmSync(pidFile, { force: true });
    },
  };
}

/** The emulator a killed run left behind, or null. */
function leftoverIn(pidFile: string): number | null {
  let text: string;
  try {
    text = readFileSync(pidFile, 'utf8');
  } catch {
    return null;
  }
  const pid = Number(text);
  // A pid may have gone to another process since: only one that runs our program is ours.
  return Number.isInteger(pid) && pid > 1 && commandOf(pid).includes(MAIN) ? pid : null;
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return spawnSync('ps', ['-p', String(pid), '-o', 'args='], { encoding: 'utf8' }).stdout ?? '';
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function endProcess(pid: number): Promise<void> {
  for (const [signal, milliseconds] of [
    ['SIGTERM', 3000],
    ['SIGKILL', 1000],
  ] as const) {
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    const until = Date.now() + milliseconds;
    while (isAlive(pid) && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/-/received`, { signal: AbortSignal.timeout(2000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
