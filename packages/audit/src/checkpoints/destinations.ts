import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { checkpointLine } from '../chain/ndjson.ts';

/** Somewhere outside of the database that is given every checkpoint, so that somebody else holds them. */
export interface CheckpointDestination {
  /** Takes a checkpoint to send; never throws, never waits. */
  send(note: string): void;
  /** Ends when what was taken is sent, or given up after `timeoutMs`. */
  close(timeoutMs: number): Promise<void>;
}

/** One line a checkpoint, on disk before the next one is taken. */
export function fileDestination(file: string, onFault: (error: unknown) => void): CheckpointDestination {
  return {
    send(note) {
      try {
        // Opened each time: the file may have been moved away or be on a disk that was full.
        const descriptor = openSync(file, 'a', 0o600);
        try {
          writeSync(descriptor, `${checkpointLine(note)}\n`);
          fsyncSync(descriptor);
        } finally {
          closeSync(descriptor);
        }
      } catch (error) {
        onFault(error);
      }
    },
    close: async () => {},
  };
}

/** One line a checkpoint on standard output, for whoever collects the logs. */
export function streamDestination(stream: NodeJS.WritableStream): CheckpointDestination {
  return {
    send: (note) => void stream.write(`${checkpointLine(note)}\n`),
    close: async () => {},
  };
}

/** Where and how checkpoints are posted. */
export interface HttpDestinationOptions {
  readonly url: string;
  /** Told when a checkpoint is given up. */
  readonly onFault: (error: unknown) => void;
  /** Before the second attempt, milliseconds; doubled for each after it. */
  readonly firstBackoffMs?: number;
}

const ATTEMPTS = 6;
const REQUEST_TIMEOUT_MS = 10_000;
const FIRST_BACKOFF_MS = 500;
/** What an address that is away may keep waiting; the oldest go first, as each later one vouches for them. */
const MAX_WAITING = 1_000;

/** POSTs one line a checkpoint, in their order, each a bounded number of times. Anything but 2xx is a failure. */
export function httpDestination(options: HttpDestinationOptions): CheckpointDestination {
  const { url, onFault, firstBackoffMs = FIRST_BACKOFF_MS } = options;
  const waiting: string[] = [];
  const over = new AbortController();
  let working: Promise<void> | undefined;

  async function work(): Promise<void> {
    for (let note = waiting.shift(); note !== undefined && !over.signal.aborted; note = waiting.shift()) {
      await post(note).catch(onFault);
    }
    working = undefined;
  }

  async function post(note: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/x-ndjson' },
          body: `${checkpointLine(note)}\n`,
          redirect: 'error',
          signal: AbortSignal.any([over.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
        });
        await answer.body?.cancel();
        if (answer.ok) return;
        throw new Error(`the address for checkpoints answered ${answer.status}`);
      } catch (error) {
        if (attempt === ATTEMPTS || over.signal.aborted) throw error;
        await delay(firstBackoffMs * 2 ** (attempt - 1), undefined, { signal: over.signal, ref: false });
      }
    }
  }

  return {
    send(note) {
      waiting.push(note);
      if (waiting.length > MAX_WAITING) {
        waiting.shift();
        onFault(new Error(`${MAX_WAITING} checkpoints wait for their address; the oldest is given up`));
      }
      working ??= work();
    },
    async close(timeoutMs) {
      const cut = setTimeout(() => over.abort(), timeoutMs);
      await working;
      clearTimeout(cut);
    },
  };
}
