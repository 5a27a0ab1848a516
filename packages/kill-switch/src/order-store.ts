import { type Connection, connectStore } from '@ideogate/upstream-keys';
import { type KillEntry, nameOfEntry, parseKillEntry } from './kill-entry.ts';

/** Orders in the database, for the command that gives them. */
export interface OrderStore {
  entries(): Promise<readonly KillEntry[]>;
  /** @returns the number of the last one: a gateway that follows as far has it on its disk */
  put(entries: readonly KillEntry[]): Promise<number>;
  /** Gateways seen within the last 10 seconds, and how far each follows. */
  gateways(): Promise<readonly { readonly instance: string; readonly followed: number }[]>;
  end(): Promise<void>;
}

/** @param putUrl the login that may put keys */
export async function openOrderStore(putUrl: string): Promise<OrderStore> {
  const connection = await connectStore(putUrl, 'ideogate-kill');
  return {
    entries: async () => (await readEntries(connection)).entries,
    put: (entries) => putEntries(connection, entries),
    async gateways() {
      const rows = await connection.rows<{ instance: string; followed: string }>(
        `SELECT instance, followed FROM ideogate_keys.obeying_gateway
         WHERE seen_at > clock_timestamp() - interval '10 seconds' ORDER BY instance`,
      );
      return rows.map(({ instance, followed }) => ({ instance, followed: Number(followed) }));
    },
    end: () => connection.end(),
  };
}

async function putEntries(connection: Connection, entries: readonly KillEntry[]): Promise<number> {
  let last = 0;
  for (const { id, what, kind, target, reason, who, at } of entries) {
    const [row] = await connection.rows<{ n: string }>(
      'SELECT ideogate_keys.put_kill_entry($1, $2, $3, $4, $5, $6, $7) AS n',
      [id, what, kind, target, reason, who, at],
    );
    last = Math.max(last, Number(row?.n ?? 0));
  }
  return last;
}

async function readEntries(
  connection: Connection,
): Promise<{ entries: readonly KillEntry[]; newest: number }> {
  // Of a time that is none (`infinity`) this is null: its entry is left out, and those behind it are still obeyed.
  const rows = await connection.rows<Record<keyof KillEntry, unknown> & { n: string }>(
    `SELECT n, id, what, kind, target, reason, who,
       to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at
     FROM ideogate_keys.kill_entry ORDER BY n`,
  );
  const entries = rows.map(parseKillEntry);
  return { entries: entries.filter((entry) => entry !== null), newest: Number(rows.at(-1)?.n ?? 0) };
}

const POLL_MS = 300;
const RETRY_MS = 500;

/**
 * Keeps a gateway's orders and the database's the same, for as long as the gateway runs: takes what is new there, and
 * gives what the database did not have.
 */
export class OrderFollower {
  readonly #options: FollowOrders;
  readonly #known = new Set<string>();
  #connection: Connection | null = null;
  #peers: readonly string[] = [];
  #followed = 0;
  #followedAt = 0;
  #wake: () => void = () => undefined;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();
  #failing = false;

  /** Has taken what the database has when it returns. @throws what the network or Postgres says */
  static async start(options: FollowOrders): Promise<OrderFollower> {
    const follower = new OrderFollower(options);
    try {
      await follower.#turn();
    } catch (error) {
      await follower.#connection?.end();
      throw error;
    }
    follower.#running = follower.#run();
    return follower;
  }

  private constructor(options: FollowOrders) {
    this.#options = options;
  }

  /** Gateways that obeyed, this one among them, when the database last answered. */
  peers(): readonly string[] {
    return this.#peers;
  }

  /** When all that the database had was last known here, by `performance.now()`. */
  followedAt(): number {
    return this.#followedAt;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#running;
    await this.#connection
      ?.rows('SELECT ideogate_keys.stop_obeying($1)', [this.#options.writer])
      .catch(() => undefined);
    await this.#connection?.end();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let pause = POLL_MS;
      try {
        await this.#turn();
        if (this.#failing) this.#options.onFault(null);
        this.#failing = false;
      } catch (error) {
        pause = RETRY_MS;
        if (!this.#failing) this.#options.onFault(error);
        this.#failing = true;
      }
      await this.#pause(pause);
    }
  }

  #pause(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    this.#wake = () => {
      clearTimeout(timer);
      resolve();
    };
    if (this.#stopped) this.#wake();
    return promise;
  }

  async #turn(): Promise<void> {
    const { openUrl, writer, instance, take, entries } = this.#options;
    if (this.#connection === null || !this.#connection.alive()) {
      this.#connection = await connectStore(openUrl, 'ideogate-obey');
      this.#connection.onNotification(() => this.#wake());
      await this.#connection.rows('LISTEN ideogate_kills');
    }
    const connection = this.#connection;
    const obey = async () => {
      const [row] = await connection.rows<{ newest: string; instances: string[] }>(
        'SELECT newest, instances FROM ideogate_keys.obey($1, $2, $3)',
        [writer, instance, this.#followed],
      );
      this.#peers = row?.instances ?? [];
      return Number(row?.newest ?? 0);
    };
    if ((await obey()) !== this.#followed) {
      const read = await readEntries(connection);
      // On the disk first: what is said to be followed is kept.
      take(read.entries);
      for (const entry of read.entries) this.#known.add(nameOfEntry(entry));
      this.#followed = read.newest;
      await obey();
    }
    this.#followedAt = performance.now();
    // Last: one that the database would not take must not keep those of others from being obeyed.
    for (const entry of entries()) {
      if (this.#known.has(nameOfEntry(entry))) continue;
      await putEntries(connection, [entry]);
      this.#known.add(nameOfEntry(entry));
    }
  }
}

export interface FollowOrders {
  /** The login that may read what is sealed. */
  readonly openUrl: string;
  readonly writer: string;
  readonly instance: string;
  /** Has entries obeyed and on the disk when it returns. */
  readonly take: (entries: readonly KillEntry[]) => void;
  /** All that the gateway knows. */
  readonly entries: () => readonly KillEntry[];
  readonly onFault: (fault: unknown) => void;
}
