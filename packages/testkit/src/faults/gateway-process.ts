import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { freePort } from '../free-port.ts';

/** What a gateway process is told at its start. */
export interface GatewayBirth {
  readonly port: number;
  readonly identifier: string;
  readonly issuer: string;
  /** A JWK Set (RFC 7517) on this disk. */
  readonly keySetFile: string;
  readonly upstream: string;
  readonly appendUrl: string;
  readonly readUrl: string;
  /** Variables of the settings table. */
  readonly settings: Readonly<Record<string, string>>;
  /** How far its clock is ahead of the true time, milliseconds. */
  readonly clockOffsetMs: number;
  /** Folder for compiled modules. */
  readonly compileCache: string;
}

/** What the record of a gateway says of itself. */
interface RecordState {
  /** Events neither written nor given up. */
  readonly waiting: number;
}

export type ToGateway = { readonly clockOffsetMs: number } | { readonly ask: 'state' };
export type FromGateway = { readonly writer: string } | { readonly state: RecordState };

/** A gateway in a process of its own. */
export interface GatewayProcess {
  readonly port: number;
  /** Its writer's id in the record. */
  readonly writer: string;
  /** It ended by `kill`. */
  readonly killed: boolean;
  /** It runs: neither killed nor told to stop. */
  readonly alive: boolean;
  state(): Promise<RecordState>;
  /** Sets how far its clock is ahead of the true time. */
  setClock(offsetMs: number): Promise<void>;
  /** `kill -9`; resolves when it is gone. */
  kill(): Promise<void>;
  /** Stops it where it stands (SIGSTOP), until `resume`. */
  pause(): void;
  resume(): void;
  /** SIGTERM; resolves with its exit code, or null when it had to be killed after `boundMs`. */
  stop(boundMs: number): Promise<number | null>;
}

const MAIN = fileURLToPath(new URL('gateway.main.ts', import.meta.url));
const START_MS = 60_000;

/** @throws when it doesn't come up */
export async function startGatewayProcess(birth: Omit<GatewayBirth, 'port'>): Promise<GatewayProcess> {
  const port = await freePort();
  const child = spawn(process.execPath, [MAIN, JSON.stringify({ ...birth, port })], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // Nothing of the shell's but where compiled modules are kept: a process of these is started a thousand times.
    env: { NODE_COMPILE_CACHE: birth.compileCache },
  });
  const exited = once(child, 'exit') as Promise<[number | null]>; // as: Node's arguments of the event
  const first = await answerOf(child, START_MS);
  if (!('writer' in first)) throw new Error('a gateway of the fault run told its state before its name');
  let killed = false;
  let alive = true;
  const ask = async (question: ToGateway): Promise<RecordState> => {
    const answer = answerOf(child, START_MS);
    child.send(question);
    const told = await answer;
    if (!('state' in told)) throw new Error('a gateway of the fault run told its name twice');
    return told.state;
  };
  return {
    port,
    writer: first.writer,
    get killed() {
      return killed;
    },
    get alive() {
      return alive;
    },
    state: () => ask({ ask: 'state' }),
    async setClock(clockOffsetMs) {
      await ask({ clockOffsetMs });
    },
    async kill() {
      killed = true;
      alive = false;
      child.kill('SIGKILL');
      await exited;
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async stop(boundMs) {
      alive = false;
      const bound = setTimeout(() => child.kill('SIGKILL'), boundMs);
      child.kill('SIGTERM');
      const [code] = await exited;
      clearTimeout(bound);
      return code;
    },
  };
}

async function answerOf(child: ChildProcess, boundMs: number): Promise<FromGateway> {
  const over = new AbortController();
  const onExit = () => over.abort(new Error('a gateway of the fault run died'));
  const bound = setTimeout(
    () => over.abort(new Error('a gateway of the fault run does not answer')),
    boundMs,
  );
  child.once('exit', onExit);
  try {
    const [message] = (await once(child, 'message', { signal: over.signal })) as [FromGateway]; // as: gateway.main.ts sends these
    return message;
  } catch {
    child.kill('SIGKILL');
    throw over.signal.reason;
  } finally {
    clearTimeout(bound);
    child.off('exit', onExit);
  }
}
