import { escapeIdentifier } from 'pg';
import type { SessionTimeouts } from './connection-config.ts';
import { openSession, type Session } from './session.ts';

/** What is followed, how, and what is done with it. */
export interface ChannelOptions {
  readonly url: string;
  /** Names the session, for whoever looks at the server. */
  readonly name: string;
  /** What writers `NOTIFY`. */
  readonly channel: string;
  readonly timeouts: SessionTimeouts;
  /** How often is read without being notified, milliseconds. */
  readonly pollMs: number;
  /** How long after a read that failed the next one begins, milliseconds. */
  readonly retryMs: number;
  /**
   * Brings what is known here up to date: at the start, on each notification, every `pollMs`, and once the database is
   * back. Never two at a time.
   */
  readonly read: (session: Session) => Promise<void>;
  /** Told once for each way in which reading fails, and with null when it works again. */
  readonly onFault: (fault: unknown) => void;
}

/** Something that keeps up with a channel in the background. */
export interface ChannelFollower {
  /** Has the next read begin now, or as soon as the one under way is over. */
  wake(): void;
  /**
   * Begins no more reads, waits for the one under way, and ends.
   * @param leave does what is to be done at last, in the session if there is one; what it throws is let pass
   */
  stop(leave?: (session: Session) => Promise<unknown>): Promise<void>;
}

/**
 * Keeps up with what the database has, for as long as it runs. A notification only says that there is something to
 * read: one that was lost with its connection costs no more than `pollMs`.
 * @returns once the first read is over
 * @throws what that read throws; what the network or Postgres says
 */
export async function followChannel(options: ChannelOptions): Promise<ChannelFollower> {
  const { url, name, channel, timeouts, pollMs, retryMs, read, onFault } = options;
  let session: Session | null = null;
  const over = new AbortController();
  /** Since the last read began there was a reason for another. */
  let woken = false;
  let endPause = () => {};
  let lastFault: string | null = null;

  function wake(): void {
    woken = true;
    endPause();
  }

  async function listen(): Promise<Session> {
    const opened = await openSession(url, name, timeouts);
    try {
      opened.onNotification(wake);
      await opened.query({ text: `LISTEN ${escapeIdentifier(channel)}` });
      return opened;
    } catch (error) {
      opened.destroy();
      throw error;
    }
  }

  async function readOnce(): Promise<void> {
    if (session?.alive() !== true) session = await listen();
    woken = false;
    await read(session);
  }

  async function run(): Promise<void> {
    while (!over.signal.aborted) {
      let pauseMs = pollMs;
      try {
        await readOnce();
        if (lastFault !== null) onFault(null);
        lastFault = null;
      } catch (error) {
        pauseMs = retryMs;
        // What came during a read that failed would have it fail again at once.
        woken = false;
        const fault = error instanceof Error ? error.message : 'unknown';
        if (fault !== lastFault) onFault(error);
        lastFault = fault;
      }
      await pause(pauseMs);
    }
  }

  function pause(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    endPause = () => {
      clearTimeout(timer);
      resolve();
    };
    if (woken || over.signal.aborted) endPause();
    return promise;
  }

  try {
    await readOnce();
  } catch (error) {
    await (session as Session | null)?.end(); // as: the compiler doesn't see that `readOnce` sets it
    throw error;
  }
  const running = run();
  return {
    wake,
    async stop(leave) {
      over.abort();
      endPause();
      await running;
      if (session?.alive() === true) await leave?.(session).catch(() => {});
      await session?.end();
    },
  };
}
