import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Usage } from './usage.ts';

/** A process of the scene, on a core of its own where the machine has `taskset`. */
export interface MeasuredProcess {
  readonly url: string;
  readonly pid: number;
  usage(): Promise<Usage>;
  /**
   * Collects garbage by force, and forgets the peak. What the compiler had learnt goes with it, as in no collection that
   * comes by itself: thousands of calls after it are dearer, and their CPU is no figure.
   */
  reset(): Promise<Usage>;
  stop(): Promise<void>;
}

export async function startMeasured(
  file: string,
  args: readonly string[],
  options: { readonly core: number | null; readonly nodeOptions?: readonly string[] },
): Promise<MeasuredProcess> {
  const main = fileURLToPath(new URL(file, import.meta.url));
  const command = [process.execPath, '--expose-gc', ...(options.nodeOptions ?? []), main, ...args];
  const pinned = options.core === null ? command : ['taskset', '-c', String(options.core), ...command];
  const [program = '', ...rest] = pinned;
  const child = spawn(program, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const { url } = (await answerOf(child)) as { url: string }; // as: tellReady's message
  const ask = async (question: string) => {
    const answer = answerOf(child);
    child.send(question);
    return (await answer) as Usage; // as: tellUsage's message
  };
  return {
    url,
    pid: child.pid ?? 0,
    usage: () => ask('usage'),
    reset: () => ask('reset'),
    async stop() {
      const ended = once(child, 'exit');
      child.send('stop');
      await ended;
    },
  };
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  const died = new AbortController();
  const message = once(child, 'message', { signal: died.signal });
  const onExit = () => died.abort(new Error('a process of the bench died'));
  child.once('exit', onExit);
  try {
    const [answer] = (await message) as [unknown]; // as: `once` gives the event's arguments
    return answer;
  } finally {
    child.off('exit', onExit);
  }
}
