import { openSession, type Session, type SessionTimeouts } from '@ideogate/postgres';
import { type KillEntry, parseKillEntry } from './kill-entry.ts';

/** How long the database may take: a gateway that hears nothing tries again soon. */
export const STORE_TIMEOUTS: SessionTimeouts = { connectMs: 2_000, statementMs: 4_000, graceMs: 500 };

/** Orders in the database, for the command that gives them. */
export interface OrderStore {
  entries(): Promise<readonly KillEntry[]>;
  /** @returns the number of the last one: a gateway that follows as far has it on its disk */
  put(entries: readonly KillEntry[]): Promise<number>;
  /** Gateways seen within the last 10 seconds, and how far each follows. */
  gateways(): Promise<readonly { readonly instance: string; readonly followed: number }[]>;
  end(): Promise<void>;
}

/**
 * @param putUrl the login that may put keys
 * @throws what the network or Postgres says
 */
export async function openOrderStore(putUrl: string): Promise<OrderStore> {
  const session = await openSession(putUrl, 'ideogate-kill', STORE_TIMEOUTS);
  return {
    entries: async () => (await readEntries(session)).entries,
    put: (entries) => putEntries(session, entries),
    async gateways() {
      const rows = await session.rows<{ instance: string; followed: string }>(
        `SELECT instance, followed FROM ideogate_keys.obeying_gateway
         WHERE seen_at > clock_timestamp() - interval '10 seconds' ORDER BY instance`,
      );
      return rows.map(({ instance, followed }) => ({ instance, followed: Number(followed) }));
    },
    end: () => session.end(),
  };
}

/** @returns the number of the last one */
export async function putEntries(session: Session, entries: readonly KillEntry[]): Promise<number> {
  let last = 0;
  for (const { id, what, kind, target, reason, who, at } of entries) {
    const [row] = await session.rows<{ n: string }>(
      'SELECT ideogate_keys.put_kill_entry($1, $2, $3, $4, $5, $6, $7) AS n',
      [id, what, kind, target, reason, who, at],
    );
    last = Math.max(last, Number(row?.n ?? 0));
  }
  return last;
}

/** All that the database has, and the number of the newest. */
export async function readEntries(
  session: Session,
): Promise<{ readonly entries: readonly KillEntry[]; readonly newest: number }> {
  // Of a time that is none (`infinity`) this is null: its entry is left out, and those behind it are still obeyed.
  const rows = await session.rows<Record<keyof KillEntry, unknown> & { n: string }>(
    `SELECT n, id, what, kind, target, reason, who,
       to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at
     FROM ideogate_keys.kill_entry ORDER BY n`,
  );
  const entries = rows.map(parseKillEntry).filter((entry) => entry !== null);
  return { entries, newest: Number(rows.at(-1)?.n ?? 0) };
}
