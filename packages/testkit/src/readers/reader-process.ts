import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Answer, Frame } from './programs/frames.ts';
import type { ReaderProgram } from './reader.ts';

/** A running reader. */
export interface RunningReader {
  readonly version: string;
  /** What it makes of one body; several may be asked at once, and are answered in order. */
  read(frame: Frame): Promise<Answer>;
  close(): Promise<void>;
}

/** Longest that a reader may take to start, or over one body. */
const BOUND_MS = 60_000;

/** Starts a reader. @throws when it cannot be started, or ends before it says its version. */
export async function startReader({ name, command }: ReaderProgram): Promise<RunningReader> {
  const [file, ...args] = await command();
  const child = spawn(file, args, { stdio: 'pipe' });
  const complaints: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => {
    if (complaints.length < 20) complaints.push(chunk.toString());
  });
  // A reader that has ended is noticed by what it leaves unanswered.
  child.stdin.on('error', () => undefined);
  const lines = linesOf(child, () => `${name}: ${complaints.join('').trim().slice(0, 500) || 'ended'}`);
  const { version } = JSON.parse(await lines.next()) as { version: string }; // as: the first line of every reader
  return {
    version,
    read({ type, body }) {
      child.stdin.write(`${Buffer.byteLength(type, 'latin1')} ${body.length}\n`);
      child.stdin.write(type, 'latin1');
      child.stdin.write(body);
      return lines.next().then((line) => JSON.parse(line) as Answer); // as: what programs/frames.ts asks of readers
    },
    async close() {
      const closed = child.exitCode !== null || child.signalCode !== null ? null : once(child, 'close');
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
      await closed;
      clearTimeout(timer);
    },
  };
}

interface Lines {
  next(): Promise<string>;
}

function linesOf(child: ChildProcessWithoutNullStreams, why: () => string): Lines {
  const waiting: {
    resolve: (line: string) => void;
    reject: (error: Error) => void;
    timer: NodeJS.Timeout;
  }[] = [];
  const ready: string[] = [];
  let ended = false;
  const end = () => {
    ended = true;
    for (const { reject, timer } of waiting.splice(0)) {
      clearTimeout(timer);
      reject(new Error(why()));
    }
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    const first = waiting.shift();
    if (first === undefined) ready.push(line);
    else {
      clearTimeout(first.timer);
      first.resolve(line);
    }
  });
  child.on('error', end);
  child.on('close', end);
  return {
    next() {
      const line = ready.shift();
      if (line !== undefined) return Promise.resolve(line);
      if (ended) return Promise.reject(new Error(why()));
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => child.kill('SIGKILL'), BOUND_MS);
        waiting.push({ resolve, reject, timer });
      });
    },
  };
}
