import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { closeGaps, createLogins, type Login, migrate, topUpPartitions } from '@ideogate/audit';
import { openAuditWriter } from '@ideogate/audit/append';
import type { LocalPostgres } from '@ideogate/local-postgres';
import type { Client, QueryResultRow } from 'pg';
import { readChains } from '../chains.ts';
import { createDatabase, type TestDatabase } from '../postgres.ts';
import { type Relay, startRelay } from '../relay.ts';
import { DecisionWatch } from './decision-watch.ts';
import { Callers, type CallKind, type Tokens } from './callers.ts';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts';
import { type EndedGateway, judge, type Verdict } from './judge.ts';
import { connected } from './patient-session.ts';
import type { Random } from './random.ts';
import { type FaultUpstream, startFaultUpstream } from './upstream.ts';

/** How long faults last, and how much of each there is. */
export type Form = 'short' | 'long';

/** What the scenes of a run share. */
export interface World {
  /** A server of the run's own: scenes kill it. */
  readonly postgres: LocalPostgres;
  readonly tokens: Tokens;
  readonly issuer: string;
  readonly identifier: string;
  readonly keySetFile: string;
  readonly compileCache: string;
}

export interface SceneOptions {
  readonly world: World;
  readonly random: Random;
  readonly form: Form;
  /** Variables of the settings table, for every gateway of the scene. */
  readonly settings: Readonly<Record<string, string>>;
  /** Where its database is. */
  readonly postgres: LocalPostgres;
}

/** How it ended. */
export interface Played extends Verdict {
  readonly calls: number;
  readonly kills: number;
  /** Calls whose end nobody could know, and which the record says so of. */
  readonly gaps: number;
}

/** Calls without a pause, until `stop`, which resolves when the last has ended. */
export interface Load {
  stop(): Promise<void>;
}

const COMMIT_MS = { short: 600, long: 2_000 } as const;
const RECOVERY_MS = 60_000;
const STOP_MS = 60_000;
/** Between a call that found no gateway and the next one. */
const NOBODY_MS = 20;
/** As `Bind` of the record's prepared statement begins (Postgres' frontend protocol 3.0). */
const APPEND = Buffer.from('\0append\0');

const DAY_MICROS = 86_400_000_000n;
const OPEN_DECISION = `SELECT FROM ideogate.audit_event d WHERE kind = 'decision' AND result = 'allowed' AND NOT EXISTS (
  SELECT FROM ideogate.audit_event o WHERE o.call_id = d.call_id AND o.kind = 'outcome') LIMIT 1`;

/** A database of its own behind a relay, an upstream, gateways as processes, and those who call them. */
export class Scene {
  readonly random: Random;
  readonly form: Form;
  readonly relay: Relay;
  readonly upstream: FaultUpstream;
  readonly callers: Callers;
  readonly postgres: LocalPostgres;
  readonly database: TestDatabase;
  /** `kill -9`, of whichever process. */
  kills = 0;
  readonly #options: SceneOptions;
  readonly #logins: { readonly append: Login; readonly read: Login };
  readonly #watch: DecisionWatch;
  readonly #gateways: GatewayProcess[] = [];
  readonly #faults: string[] = [];
  readonly #loads = new Set<AbortController>();

  static async open(options: SceneOptions): Promise<Scene> {
    const { postgres } = options;
    const database = await createDatabase(postgres.superuserUrl('postgres'));
    await migrate(database.url);
    await topUpPartitions(database.url, BigInt(Date.now()) * 1000n);
    const logins = {
      append: { user: `${database.name}_append`, password: 'not-a-real-password-a' },
      read: { user: `${database.name}_read`, password: 'not-a-real-password-r' },
    };
    await createLogins(database.url, { database: database.name, ...logins });
    const relay = await startRelay(postgres);
    const watch = new DecisionWatch(database.url);
    const upstream = await startFaultUpstream((marker) => watch.arrived(marker));
    return new Scene(options, { postgres, database, logins, relay, upstream, watch });
  }

  private constructor(
    options: SceneOptions,
    parts: Pick<Scene, 'postgres' | 'database' | 'relay' | 'upstream'> & {
      logins: { append: Login; read: Login };
      watch: DecisionWatch;
    },
  ) {
    this.#options = options;
    this.#logins = parts.logins;
    this.#watch = parts.watch;
    this.random = options.random;
    this.form = options.form;
    this.postgres = parts.postgres;
    this.database = parts.database;
    this.relay = parts.relay;
    this.upstream = parts.upstream;
    this.callers = new Callers(options.world.tokens);
  }

  /** The duration for the form that is played, milliseconds or times. */
  lasting(short: number, long: number): number {
    return this.form === 'short' ? short : long;
  }

  /** Starts a gateway on the scene's database and upstream. */
  async startGateway(
    changes: { readonly settings?: Readonly<Record<string, string>>; readonly clockOffsetMs?: number } = {},
  ): Promise<GatewayProcess> {
    const { world } = this.#options;
    const gateway = await startGatewayProcess({
      identifier: world.identifier,
      issuer: world.issuer,
      keySetFile: world.keySetFile,
      compileCache: world.compileCache,
      upstream: this.upstream.origin,
      appendUrl: this.url(this.#logins.append),
      readUrl: this.url(this.#logins.read),
      clockOffsetMs: changes.clockOffsetMs ?? 0,
      settings: {
        IDEOGATE_RATE_PER_ADDRESS: '1000000',
        IDEOGATE_ANONYMOUS_ROW_BYTES_PER_HOUR: '100000000000',
        IDEOGATE_RATE_PER_SUBJECT: '1000000',
        IDEOGATE_COMMIT_TIMEOUT_MS: String(COMMIT_MS[this.form]),
        ...this.#options.settings,
        ...changes.settings,
      },
    });
    this.#gateways.push(gateway);
    return gateway;
  }

  /** The gateway that is alive, or a new one. */
  async gateway(): Promise<GatewayProcess> {
    return this.#gateways.find(({ alive }) => alive) ?? this.startGateway();
  }

  async killGateway(gateway: GatewayProcess): Promise<void> {
    await gateway.kill();
    this.kills++;
  }

  /** `kill -9` of Postgres itself; it is started again by whoever runs it. */
  async killPostgres(): Promise<void> {
    // Only a server that lives takes a new session: until then the file may name a dead one, or whoever starts the next.
    await this.sql('SELECT');
    const file = join(this.postgres.folder, 'cluster', 'postmaster.pid');
    const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
    if (!(pid > 1) || pid === process.pid) throw new Error(`${file} names no server that could be killed`);
    process.kill(pid, 'SIGKILL');
    this.kills++;
    await this.sql('SELECT');
  }

  /** Resolves when the next batch of the record meets its fate on the way to Postgres. */
  nextAppend(fate: Parameters<Relay['atNext']>[1]): Promise<void> {
    return this.relay.atNext(APPEND, fate);
  }

  /** So many callers at once, each calling whichever gateway is alive. */
  load(callers: number): Load {
    const stopping = new AbortController();
    this.#loads.add(stopping);
    const one = async () => {
      while (!stopping.signal.aborted) {
        const [first, ...rest] = this.#gateways.filter(({ alive }) => alive);
        const made =
          first === undefined
            ? null
            : await this.callers.call(this.random.of([first, ...rest]), this.#kind());
        if (!made?.answer) await delay(NOBODY_MS);
      }
    };
    const all = Promise.all(Array.from({ length: callers }, one));
    return {
      async stop() {
        stopping.abort();
        await all;
      },
    };
  }

  /** So many calls one after another, of the kinds that come in life. */
  async calls(gateway: GatewayProcess, count: number): Promise<void> {
    for (let made = 0; made < count; made++) await this.callers.call(gateway, this.#kind());
  }

  /** Resolves when so many calls more have been made. */
  async madeMore(count: number): Promise<void> {
    const enough = this.callers.made.length + count;
    await this.until(`${count} more calls are made`, async () => this.callers.made.length >= enough);
  }

  /** Resolves when a call that was made from now on is served, whoever made it. */
  async served(): Promise<void> {
    const since = this.callers.made.length;
    await this.until('calls are served', async () =>
      this.callers.made.slice(since).some(({ answer }) => answer?.status === 200),
    );
  }

  /** Waits until it holds; what never comes true within a minute is a fault of the run. */
  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + RECOVERY_MS;
    while (!(await holds())) {
      if (performance.now() > end) throw new Error(`never came true: ${what}`);
      await delay(5);
    }
  }

  /** A fact that must hold besides what the judge asks. */
  expect(holds: boolean, otherwise: string): void {
    if (!holds) this.#faults.push(otherwise);
  }

  /** Runs a statement as the superuser, past the relay. */
  async sql<R extends QueryResultRow>(text: string, values: unknown[] = []): Promise<R[]> {
    const { rows } = await this.withSession((client) => client.query<R>(text, values));
    return rows;
  }

  /** A session past the relay, for as long as `work` takes; by default the superuser's. */
  async withSession<T>(work: (client: Client) => Promise<T>, url: string = this.database.url): Promise<T> {
    const client = await connected(url);
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  /** Ends every session of the gateways' append login; how many there were. */
  async terminateAppends(): Promise<number> {
    const rows = await this.sql('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [
      this.#logins.append.user,
    ]);
    return rows.length;
  }

  /** Pid of the append login's session; null when there is none. */
  async appendBackend(): Promise<number | null> {
    const [row] = await this.sql<{ pid: number }>('SELECT pid FROM pg_stat_activity WHERE usename = $1', [
      this.#logins.append.user,
    ]);
    return row?.pid ?? null;
  }

  /** The database's URL for a login, through the relay or straight. */
  url(login: Login, way: 'relay' | 'straight' = 'relay'): string {
    const url = new URL(this.database.url);
    url.username = login.user;
    url.password = login.password;
    if (way === 'relay') url.port = String(this.relay.port);
    return url.href;
  }

  get readUrl(): string {
    return this.url(this.#logins.read, 'straight');
  }

  /** Puts network and upstream right. */
  calm(): void {
    this.relay.restore();
    this.relay.delayAnswers(0);
    this.upstream.latencyMs = 0;
  }

  /** Puts the network right, sees that everybody recovers, stops the gateways in order, and judges. */
  async settle(): Promise<Played> {
    this.calm();
    const ended: EndedGateway[] = [];
    for (const gateway of this.#gateways) {
      if (gateway.alive) {
        await this.#recovered(gateway);
        const code = await gateway.stop(STOP_MS);
        this.expect(
          code === 0,
          `a gateway that was told to stop ended with ${code ?? 'SIGKILL, not stopping'}`,
        );
      }
      ended.push({ writer: gateway.writer, killed: gateway.killed });
    }
    if (ended.some(({ killed }) => killed)) ended.push(await this.#closeGaps());
    await this.#watch.done();
    const events = await this.withSession(readChains);
    const { made: calls } = this.callers;
    const verdict = judge({
      calls,
      arrivals: this.upstream.arrivals,
      early: this.#watch.early,
      events,
      gateways: ended,
      commitMs: COMMIT_MS[this.form],
    });
    return {
      ...verdict,
      wrong: [...this.#faults, ...verdict.wrong],
      calls: calls.length,
      kills: this.kills,
      gaps: events.filter(({ result }) => result === 'unknown').length,
    };
  }

  async close(): Promise<void> {
    // A fault that failed half-way left its callers at work.
    for (const load of this.#loads) load.abort();
    this.relay.restore();
    for (const gateway of this.#gateways) {
      gateway.resume();
      if (gateway.alive) await gateway.kill();
    }
    this.callers.close();
    await this.upstream.close();
    await this.relay.close();
    await this.#watch.done();
    await this.sql('SELECT');
    await this.database.drop();
  }

  /** As whichever gateway starts next would. */
  async #closeGaps(): Promise<EndedGateway> {
    const [appendUrl, readUrl] = [this.url(this.#logins.append, 'straight'), this.readUrl];
    const now = () => BigInt(Date.now()) * 1000n;
    const opening = { environment: 'staging', instance: 'faults', release: null, version: '0' } as const;
    const record = openAuditWriter({ appendUrl, readUrl, opening, now });
    // Each gateway has said how long its calls may take; nobody waits so long here.
    const tomorrow = () => now() + DAY_MICROS;
    const bounds = { callsEndWithinMs: 0, marginMs: 1, everyMs: 50 };
    const closing = closeGaps({ appendUrl, readUrl, record, now: tomorrow, ...bounds });
    try {
      await this.until('every gap is closed', async () => (await this.sql(OPEN_DECISION)).length === 0);
    } finally {
      await closing.stop();
      await record.close(STOP_MS);
    }
    return { writer: record.writer, killed: false };
  }

  async #recovered(gateway: GatewayProcess): Promise<void> {
    await this.until('a gateway serves again', async () => {
      const { answer } = await this.callers.call(gateway);
      return answer?.status === 200;
    });
  }

  #kind(): CallKind {
    return this.random.of(['paid', 'paid', 'paid', 'paid', 'paid', 'paid', 'upload', 'unscoped', 'stranger']);
  }
}
