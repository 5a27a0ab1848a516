import { followChannel, type Session } from '@ideogate/postgres';
import { type Kill, nameOfKill } from './kill.ts';
import { putKills, readKills, STORE_TIMEOUTS } from './kill-store.ts';

const POLL_MS = 300;
const RETRY_MS = 500;

/** One gateway, as it follows kills in the database. */
export interface FollowKills {
  /** The login that may read what is sealed. */
  readonly openUrl: string;
  /** This gateway's id in the record, and its name. */
  readonly writer: string;
  readonly instance: string;
  /** Has kills obeyed and on the disk when it returns. */
  readonly take: (kills: readonly Kill[]) => void;
  /** All that the gateway knows. */
  readonly kills: () => readonly Kill[];
  /** Told once for each way in which following fails, and with null when it works again. */
  readonly onFault: (fault: unknown) => void;
}

/** What is known of the kills in the database, and of who obeys them. */
export interface KillFollower {
  /** Gateways that obeyed, this one among them, when the database last answered. */
  peers(): readonly string[];
  /** When all that the database had was last known here, by `performance.now()`. */
  followedAt(): number;
  stop(): Promise<void>;
}

/**
 * Keeps a gateway's kills and the database's the same, for as long as the gateway runs: takes what is new there, and
 * gives what the database did not have.
 * @returns once what the database has was taken
 * @throws what the network or Postgres says
 */
export async function followKills(options: FollowKills): Promise<KillFollower> {
  const { openUrl, writer, instance, take, kills, onFault } = options;
  /** Kills that the database is known to have, by name. */
  const stored = new Set<string>();
  let peers: readonly string[] = [];
  let followed = 0;
  let followedAt = 0;

  /** Says how far this gateway obeys. @returns the number of the newest kill */
  async function obey(session: Session): Promise<number> {
    const [row] = await session.rows<{ newest: string; instances: string[] }>(
      'SELECT newest, instances FROM ideogate_keys.obey($1, $2, $3)',
      [writer, instance, followed],
    );
    peers = row?.instances ?? [];
    return Number(row?.newest ?? 0);
  }

  async function read(session: Session): Promise<void> {
    if ((await obey(session)) !== followed) {
      const found = await readKills(session);
      // On the disk first: what is said to be followed is kept.
      take(found.kills);
      for (const kill of found.kills) stored.add(nameOfKill(kill));
      followed = found.newest;
      await obey(session);
    }
    followedAt = performance.now();
    // Last: one that the database would not take must not keep those of others from being obeyed.
    for (const kill of kills()) {
      if (stored.has(nameOfKill(kill))) continue;
      await putKills(session, [kill]);
      stored.add(nameOfKill(kill));
    }
  }

  const channel = await followChannel({
    url: openUrl,
    name: 'ideogate-obey',
    channel: 'ideogate_kills',
    timeouts: STORE_TIMEOUTS,
    pollMs: POLL_MS,
    retryMs: RETRY_MS,
    read,
    onFault,
  });
  return {
    peers: () => peers,
    followedAt: () => followedAt,
    stop: () => channel.stop((session) => session.rows('SELECT ideogate_keys.stop_obeying($1)', [writer])),
  };
}
