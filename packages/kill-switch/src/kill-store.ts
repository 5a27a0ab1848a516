import { openSession, type Session, type SessionTimeouts } from '@ideogate/postgres';
import { type Kill, parseKill } from './kill.ts';

/** How long the database may take: a gateway that hears nothing tries again soon. */
export const STORE_TIMEOUTS: SessionTimeouts = { connectMs: 2_000, statementMs: 4_000, graceMs: 500 };

/** Kills in the database, for the command that gives them. */
export interface KillStore {
  kills(): Promise<readonly Kill[]>;
  /** @returns the number of the last one: a gateway that follows as far has it on its disk */
  put(kills: readonly Kill[]): Promise<number>;
  /** Gateways seen within the last 10 seconds, and how far each follows. */
  gateways(): Promise<readonly { readonly instance: string; readonly followed: number }[]>;
  end(): Promise<void>;
}

/**
 * @param putUrl the login that may put keys
 * @throws what the network or Postgres says
 */
export async function openKillStore(putUrl: string): Promise<KillStore> {
  const session = await openSession(putUrl, 'ideogate-kill', STORE_TIMEOUTS);
  return {
    kills: async () => (await readKills(session)).kills,
    put: (kills) => putKills(session, kills),
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
export async function putKills(session: Session, kills: readonly Kill[]): Promise<number> {
  let last = 0;
  for (const { id, what, kind, target, reason, who, at } of kills) {
    const [row] = await session.rows<{ n: string }>(
      'SELECT ideogate_keys.put_kill_entry($1, $2, $3, $4, $5, $6, $7) AS n',
      [id, what, kind, target, reason, who, at],
    );
    last = Math.max(last, Number(row?.n ?? 0));
  }
  return last;
}

/** All that the database has, and the number of the newest. */
export async function readKills(
  session: Session,
): Promise<{ readonly kills: readonly Kill[]; readonly newest: number }> {
  // Of a time that is none (`infinity`) this is null: its entry is left out, and those behind it are still obeyed.
  const rows = await session.rows<Record<keyof Kill, unknown> & { n: string }>(
    `SELECT n, id, what, kind, target, reason, who,
       to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at
     FROM ideogate_keys.kill_entry ORDER BY n`,
  );
  const kills = rows.map(parseKill).filter((kill) => kill !== null);
  return { kills, newest: Number(rows.at(-1)?.n ?? 0) };
}
