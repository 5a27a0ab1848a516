import {
  lockOfText,
  noticeLostHosts,
  openSession,
  pause,
  type Session,
  type SessionTimeouts,
  tryLock,
} from '@ideogate/postgres';

const TIMEOUTS: SessionTimeouts = { connectMs: 2_000, statementMs: 2_000, graceMs: 500 };
const TRY_AGAIN_MS = 500;

/** The lock that is a writer's lease: held for as long as it may write. */
function leaseLock(writer: string): bigint {
  return lockOfText(`ideogate life of writer ${writer}`);
}

/**
 * Holds a writer's lease, an advisory lock in a session of its own, and takes it again whenever the database was away:
 * a lease that nobody holds says that the writer's process is gone, or has had no way to the database for a while.
 * Never throws.
 */
export function holdWriterLease(appendUrl: string, writer: string): { stop(): void } {
  const over = new AbortController();
  const lock = leaseLock(writer);
  let session: Session | undefined;
  void run();

  async function run(): Promise<void> {
    while (!over.signal.aborted) {
      await hold().catch(() => {});
      session?.destroy();
      await pause(TRY_AGAIN_MS, over.signal);
    }
  }

  /** Until the session is lost. Another of our own may hold the lock yet, whose loss the server hasn't seen. */
  async function hold(): Promise<void> {
    const lost = Promise.withResolvers<void>();
    session = await openSession(appendUrl, 'ideogate-life', TIMEOUTS, lost.resolve);
    await noticeLostHosts(session);
    while (!over.signal.aborted && session.alive()) {
      if (await tryLock(session, lock)) return lost.promise;
      await pause(TRY_AGAIN_MS, over.signal);
    }
  }

  return {
    stop() {
      over.abort();
      session?.destroy();
    },
  };
}

/**
 * Which of these writers hold their lease.
 * @param session any, in the record's database
 */
export async function writersWithLease(
  session: Session,
  writers: readonly string[],
): Promise<ReadonlySet<string>> {
  const { rows } = await session.query({
    text: `SELECT ((classid::bigint << 32) | objid::bigint)::text AS lock FROM pg_locks
      WHERE locktype = 'advisory' AND objsubid = 1 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  });
  const list = rows as { lock: string }[]; // as: the column selected above
  const held = new Set(list.map(({ lock }) => lock));
  return new Set(writers.filter((writer) => held.has(leaseLock(writer).toString())));
}
