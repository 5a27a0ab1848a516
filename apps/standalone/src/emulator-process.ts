import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { endLeftover, leftoverOf, lives, type ProcessFile, writeProcessFile } from './leftover-process.ts';
import { StartError } from './start-error.ts';

/** An emulator in a process of its own. */
export interface EmulatorProcess {
  readonly url: string;
  stop(): Promise<void>;
}

const MAIN = fileURLToPath(new URL('../../../packages/ideogram/src/emulator/main.ts', import.meta.url));
const STARTS_WITHIN_MS = 10_000;

/**
 * The emulator as a process of its own, in its own process group: it outlives a kill of ours, so that what it
 * received can still be read, and the next start takes it over. One that dies is started again.
 *
 * @throws StartError when it does not come up.
 */
export async function startEmulator(
  folder: string,
  port: number,
  keys: { read: string; write: string },
  log: (line: string) => void,
): Promise<EmulatorProcess> {
  const url = `http://127.0.0.1:${port}`;
  const file = processFileIn(folder);
  let stopping = false;
  let failures = 0;
  let child: ChildProcess | null = null;

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
    closeSync(out);
    child = started;
    if (started.pid !== undefined) writeProcessFile(file, { pid: started.pid, port });
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
    const look = setInterval(() => {
      if (stopping) return clearInterval(look);
      if (lives(file, pid)) return undefined;
      clearInterval(look);
      log('the emulator died; it is started again');
      launch();
    }, 250);
    look.unref();
  };

  const leftover = leftoverOf(file);
  if (leftover?.port === port && (await answers(url))) {
    log(`the emulator of a killed run (process ${leftover.pid}) is taken over, with what it has received`);
    adopt(leftover.pid);
  } else {
    await endEmulator(folder);
    launch();
  }
  const until = Date.now() + STARTS_WITHIN_MS;
  while (!(await answers(url))) {
    if (Date.now() > until || failures > 3) {
      stopping = true;
      await endEmulator(folder);
      throw new StartError(
        'process',
        `The emulator does not answer on ${url}: see ${join(folder, 'emulator.log')}.`,
      );
    }
    await delay(25);
  }
  return {
    url,
    async stop() {
      stopping = true;
      await endEmulator(folder);
    },
  };
}

/** True when the emulator that an earlier run left in this folder holds the port. */
export function runsEmulator(folder: string, port: number): boolean {
  return leftoverOf(processFileIn(folder))?.port === port;
}

/** Ends the emulator of this folder, if one runs. */
export function endEmulator(folder: string): Promise<void> {
  return endLeftover(processFileIn(folder));
}

function processFileIn(folder: string): ProcessFile {
  return { path: join(folder, 'emulator.pid'), marks: [MAIN] };
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/-/health`, { signal: AbortSignal.timeout(2000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
