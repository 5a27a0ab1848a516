import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type {
  AuthenticationFailure,
  FailureSum,
  FromIssuer,
  IssuerCounts,
  IssuerSetUp,
  ToIssuer,
} from '@ideogate/issuer';
import { addedCounts } from './issuer-counts.ts';
import { endLeftover, type ProcessFile, writeProcessFile } from './leftover-process.ts';
import { StartError } from './start-error.ts';

/** What the issuer tells while it runs. */
interface IssuerEars {
  /** A client failed to authenticate, and this is to have a row of its own. */
  failed(failure: AuthenticationFailure): void;
  /** Failures without rows, since it was last told. */
  summed(sums: readonly FailureSum[]): void;
  /** A fault of the issuer itself, as `faultOf` words it. */
  fault(error: string): void;
}

/** An issuer in a process of its own. */
export interface IssuerProcess {
  /**
   * From here on it answers.
   * @throws StartError when it can't.
   */
  listen(ears: IssuerEars): Promise<void>;
  /** What it has done since the first start, over all its processes; null: nothing was told yet. */
  counts(): IssuerCounts | null;
  /** Whether it answers. */
  isUp(): boolean;
  /** How often it died and was started again. */
  restarts(): number;
  /** Answers what is asked already, tells the rest, and ends. May be called twice. */
  stop(): Promise<void>;
}

/**
 * `starting` until its process has what it needs, `set-up` until it is to answer, then `listening`; `restarting` between
 * the death of a process that was listening and the next that is; `stopped` for good.
 */
type State = 'starting' | 'set-up' | 'listening' | 'restarting' | 'stopped';

const MAIN = fileURLToPath(new URL('../../issuer/src/main.ts', import.meta.url));
const LISTENS_WITHIN_MS = 10_000;
const STOPS_WITHIN_MS = 3000;
/** From here on its deaths are counted anew. */
const STEADY_AFTER_MS = 60_000;
const MOST_TRIES = 4;
const LONGEST_PAUSE_MS = 5000;

/**
 * The issuer as a process of its own, so that a flood there costs the gateway no time of its event loop, and at a lower
 * priority, so that it costs little of the machine's. It ends with ours, however ours ends; one that dies is started again.
 */
export function startIssuer(folder: string, setUp: IssuerSetUp, log: (line: string) => void): IssuerProcess {
  const file = processFileIn(folder);
  const listening = Promise.withResolvers<void>();
  listening.promise.catch(() => undefined); // why: who starts the product asks for it later, or never where it fails first
  let state: State = 'starting';
  let wanted = false;
  let ears: IssuerEars | null = null;
  let child: ChildProcess | null = null;
  let gone: Promise<void> = Promise.resolve();
  let tries = 0;
  let restarts = 0;
  /** Of processes that have ended, and of the one that runs. */
  let before: IssuerCounts | null = null;
  let now: IssuerCounts | null = null;

  const launch = () => {
    const out = openSync(join(folder, 'issuer.log'), 'a', 0o600);
    // Nothing of our environment: what it needs to know comes by the channel.
    const started = spawn(process.execPath, [MAIN, folder], { stdio: ['ignore', out, out, 'ipc'], env: {} });
    closeSync(out);
    child = started;
    const startedAt = performance.now();
    if (started.pid !== undefined) {
      lowerPriority(started.pid);
      writeProcessFile(file, { pid: started.pid, port: setUp.port });
    }
    started.unref();
    started.channel?.unref();
    started.on('message', (message) => hear(started, message as FromIssuer)); // as: it runs the same sources
    gone = endOf(started).then(() => {
      if (performance.now() - startedAt > STEADY_AFTER_MS) tries = 0;
      died();
    });
    say(started, { kind: 'set-up', setUp });
  };

  const hear = (from: ChildProcess, message: FromIssuer) => {
    switch (message.kind) {
      case 'set-up':
        if (state === 'starting') state = 'set-up';
        if (wanted) say(from, { kind: 'listen' });
        return;
      case 'listening':
        if (state !== 'stopped') state = 'listening';
        listening.resolve();
        return;
      case 'unusable':
        if (state === 'restarting') log(`the issuer cannot be started again: ${message.faults.join('; ')}`);
        else if (state !== 'stopped') giveUp(unusable(message, setUp.port));
        from.kill('SIGKILL');
        return;
      case 'fault':
        ears?.fault(message.error);
        return;
      case 'authentication-failed':
        ears?.failed(message.failure);
        return;
      case 'report':
        now = message.counts;
        if (message.sums.length > 0) ears?.summed(message.sums);
        return;
    }
  };

  const died = () => {
    before = addedCounts(before, now);
    now = null;
    if (state === 'stopped') return;
    tries++;
    state = state === 'listening' || state === 'restarting' ? 'restarting' : 'starting';
    if (state !== 'restarting' && tries >= MOST_TRIES) {
      giveUp(new StartError('process', `The issuer does not start: see ${join(folder, 'issuer.log')}.`));
      return;
    }
    restarts++;
    log('the issuer died; it is started again');
    setTimeout(
      () => {
        if (state !== 'stopped') launch();
      },
      Math.min(LONGEST_PAUSE_MS, 50 * 2 ** tries),
    );
  };

  const giveUp = (why: StartError) => {
    state = 'stopped';
    listening.reject(why);
  };

  launch();
  return {
    async listen(told) {
      ears = told;
      wanted = true;
      if (state === 'set-up' && child !== null) say(child, { kind: 'listen' });
      const late = setTimeout(
        () =>
          listening.reject(
            new StartError(
              'process',
              `The issuer does not answer within ${LISTENS_WITHIN_MS / 1000} s: see ${join(folder, 'issuer.log')}.`,
            ),
          ),
        LISTENS_WITHIN_MS,
      );
      await listening.promise.finally(() => clearTimeout(late));
    },
    counts: () => addedCounts(before, now),
    isUp: () => state === 'listening',
    restarts: () => restarts,
    async stop() {
      state = 'stopped';
      if (child !== null) say(child, { kind: 'stop' });
      const timer = setTimeout(() => child?.kill('SIGKILL'), STOPS_WITHIN_MS);
      await gone;
      clearTimeout(timer);
      rmSync(file.path, { force: true });
    },
  };
}

/** Ends the issuer that a killed run may have left in this folder: its own end may still be under way. */
export function endIssuer(folder: string): Promise<void> {
  return endLeftover(processFileIn(folder));
}

function processFileIn(folder: string): ProcessFile {
  return { path: join(folder, 'issuer.pid'), marks: [MAIN, folder] };
}

function say(child: ChildProcess, message: ToIssuer): void {
  // One that is just dying can't be told, and tells so by its end.
  if (child.connected) child.send(message, () => undefined);
}

/** Resolves when the process has ended and all that it said was heard. */
async function endOf(child: ChildProcess): Promise<void> {
  const unheard = new Promise<void>((resolve) => {
    child.once('disconnect', resolve);
  });
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    // It never was: there will be no exit.
    child.once('error', () => {
      if (child.pid === undefined) resolve();
    });
    // Without the channel it is of no use, and would hold the port.
    void unheard
      .then(() => delay(STOPS_WITHIN_MS, undefined, { ref: false }))
      .then(() => child.kill('SIGKILL'));
  });
  if (child.pid !== undefined)
    await Promise.race([unheard, delay(STOPS_WITHIN_MS, undefined, { ref: false })]);
}

/** A third of the gateway's weight where both want one core: calls come first, and tokens still come. */
const NICE = 5;

/** Where calls and tokens both want the machine, calls come first. */
function lowerPriority(pid: number): void {
  try {
    setPriority(pid, NICE);
  } catch {
    // It has ended already, or the system has no priorities: it runs as it is.
  }
}

function unusable({ faults, code }: FromIssuer & { kind: 'unusable' }, port: number): StartError {
  if (code === 'EADDRINUSE')
    return new StartError(
      'port-in-use',
      `Port ${port} (issuer) is in use: stop what uses it, or set IDEOGATE_PORT to another.`,
    );
  return new StartError(
    'process',
    faults.map((fault) => `The issuer cannot start: ${fault}.`),
  );
}
