import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { startTestGateway, type TestGateway } from '../gateway.ts';
import { attribute, couldHaveSent } from './attribution.ts';
import { type Played, type Playing, play, prepare } from './caller.ts';
import { type FuzzCase, fuzzCase } from './cases.ts';
import { KEPT_CASES } from './kept-cases.ts';
import { collectGarbage } from '../collect-garbage.ts';
import { FAKE_KEYS } from '../test-policy.ts';
import { type Ledger, openLedger, type RowsOfCase } from './ledger.ts';
import { judge, type World } from './oracle.ts';
import { createFuzzMint, FUZZ_ISSUER } from './tokens.ts';
import { type Arrived, type FuzzUpstream, startFuzzUpstream } from './upstream.ts';

export type { FuzzCase };

export interface FuzzOptions {
  readonly seed: number;
  /** Ends when so many cases have been played, or so many milliseconds are over. */
  readonly cases?: number;
  readonly milliseconds?: number;
  /** Superuser URL of the Postgres to keep the record in; default: the test run's. */
  readonly postgresUrl?: string;
  /** Cases to play in place of the kept and the generated ones. */
  readonly only?: readonly FuzzCase[];
  /** Told of the gateway once it is up, e.g. to trouble its database. */
  readonly onGateway?: (gateway: TestGateway) => void;
  readonly onProgress?: (done: number, failures: number) => void;
  readonly onFailure?: (failure: FuzzFailure) => void;
}

export interface FuzzFailure {
  readonly faults: readonly string[];
  readonly case: FuzzCase;
  /** The bytes that were sent, in base64. */
  readonly sent: string;
  readonly heard: string;
  /** What the record and the upstream have of it. */
  readonly rows: readonly string[];
  readonly arrived: readonly string[];
}

export interface FuzzResult {
  readonly seed: number;
  readonly cases: number;
  readonly seconds: number;
  /** Calls that reached the upstream whole. */
  readonly forwarded: number;
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly failures: readonly FuzzFailure[];
  /** What is wrong with the run as a whole: memory, sockets, calls left in flight, the caller beside it. */
  readonly faults: readonly string[];
  /** Growth of the heap from the first quarter to the end, MB. */
  readonly grownMb: number;
  /** Calls of the well-behaved caller beside it, and the longest of them in milliseconds. */
  readonly probes: number;
  readonly slowestProbeMs: number;
}

const AT_ONCE = 24;
const CHUNK = 200;
/** A case is judged so long after its end, and when the record is nearly as far: every row is there by then. */
const REST_MS = 1500;
const RECORD_REST_MS = 1000;
/** The last cases are judged after so long even if the record has not come so far. */
const LAST_REST_MS = 20_000;
/** More would only say the same again. */
const MAX_FAILURES = 25;
const PROBE_BOUND_MS = 4000;
const MAX_GROWTH_MB = 64;
/** Requests an address may make in a second, so that a flood of 60 goes over it. */
const PER_ADDRESS = 40;

/** Plays cases against a gateway on real parts, and holds each against the oracle. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const folder = mkdtempSync(join(tmpdir(), 'ideogate-fuzz-'));
  const upstream = await startFuzzUpstream();
  let gateway: TestGateway | undefined;
  const running = () => {
    if (gateway === undefined) throw new Error('the gateway is not up');
    return gateway;
  };
  const mint = createFuzzMint(
    () => running().release,
    () => running().url,
  );
  const leaks: string[] = [];
  writeFileSync(join(folder, 'jwks.json'), mint.keySet);
  gateway = await startTestGateway({
    ...(options.postgresUrl === undefined ? {} : { postgresUrl: options.postgresUrl }),
    upstream: upstream.origin,
    verifier: {
      issuers: [{ issuer: FUZZ_ISSUER, algorithms: ['ES256'], keys: { file: join(folder, 'jwks.json') } }],
      keySetCooldownSeconds: 2,
    },
    settings: {
      IDEOGATE_HEADERS_TIMEOUT_MS: '2000',
      IDEOGATE_REQUEST_TIMEOUT_MS: '3000',
      IDEOGATE_IDLE_TIMEOUT_MS: '3000',
      IDEOGATE_DISCARD_MS: '2000',
      IDEOGATE_COMMIT_TIMEOUT_MS: '15000',
      IDEOGATE_RATE_PER_ADDRESS: String(PER_ADDRESS),
      IDEOGATE_ANONYMOUS_ROW_BYTES_PER_HOUR: '100000000000',
      IDEOGATE_RATE_WINDOW_MS: '1000',
    },
    onLogLine: (line) => {
      if (line.includes('MARKED') || /\.[A-Za-z0-9_-]{86}\b/.test(line)) leaks.push(line);
      if (line.includes('"a step failed"') || line.includes('could not be ended')) leaks.push(line);
    },
  });
  options.onGateway?.(gateway);
  const ledger = openLedger(gateway.databaseUrl, () => undefined);
  try {
    const run = new Run(options, gateway, upstream, ledger, {
      keys: FAKE_KEYS,
      known: (token) => mint.known(token),
    });
    const result = await run.play(mint);
    return { ...result, faults: [...result.faults, ...leaks.slice(0, 5).map((line) => `log: ${line}`)] };
  } finally {
    await ledger.close();
    await gateway.close();
    await upstream.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

class Run {
  readonly #options: FuzzOptions;
  readonly #gateway: TestGateway;
  readonly #upstream: FuzzUpstream;
  readonly #ledger: Ledger;
  readonly #world: World;
  readonly #failures: FuzzFailure[] = [];
  readonly #statuses: Record<string, number> = {};
  readonly #faults: string[] = [];
  readonly #playing = new Set<Playing>();
  #waiting: Played[] = [];
  #arrived: Arrived[] = [];
  #number = 0;
  #judged = 0;
  #forwarded = 0;
  #limited = 0;

  constructor(
    options: FuzzOptions,
    gateway: TestGateway,
    upstream: FuzzUpstream,
    ledger: Ledger,
    world: World,
  ) {
    this.#options = options;
    this.#gateway = gateway;
    this.#upstream = upstream;
    this.#ledger = ledger;
    this.#world = world;
  }

  async play(mint: ReturnType<typeof createFuzzMint>): Promise<FuzzResult> {
    const {
      seed,
      milliseconds = Number.POSITIVE_INFINITY,
      cases = Number.POSITIVE_INFINITY,
      only,
    } = this.#options;
    const began = performance.now();
    const next = only === undefined ? generated(seed) : only[Symbol.iterator]();
    const over = () =>
      performance.now() - began > milliseconds ||
      this.#number >= cases ||
      this.#failures.length >= MAX_FAILURES;
    const ending = new AbortController();
    const busy = () => !ending.signal.aborted;
    const caller = new Neighbour(this.#gateway, mint, busy);
    const beside = caller.run();
    const judging = (async () => {
      while (busy()) {
        await this.#judgeRested(REST_MS);
        await delay(50);
      }
    })();
    let early = Number.NaN;
    const work = async () => {
      while (!over()) {
        const { value: one } = next.next();
        if (one === undefined) return;
        const number = ++this.#number;
        if (number % 2000 === 0 && Number.isNaN(early)) early = heapMb();
        const playing = prepare(one, number, addressOf(number), mint);
        this.#playing.add(playing);
        const played = await play(playing, this.#gateway.port);
        this.#playing.delete(playing);
        this.#waiting.push(played);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    const seconds = (performance.now() - began) / 1000;
    const played = this.#number;
    // With the neighbour still there, whose rows show how far the record is.
    await this.#allJudged(LAST_REST_MS);
    ending.abort();
    await judging;
    await beside;
    await this.#judgeRested(0);
    await this.#judgeWhole(caller);
    const late = heapMb();
    const grownMb = Number.isNaN(early) ? 0 : late - early;
    if (grownMb > MAX_GROWTH_MB) this.#faults.push(`memory: the heap has grown by ${grownMb.toFixed(0)} MB`);
    return {
      seed,
      cases: played,
      seconds,
      forwarded: this.#forwarded,
      statuses: this.#statuses,
      failures: this.#failures,
      faults: this.#faults,
      grownMb,
      probes: caller.probes,
      slowestProbeMs: caller.slowestMs,
    };
  }

  /** Judges the cases that ended so long ago that their rows must be there. */
  async #judgeRested(restMs: number): Promise<void> {
    this.#arrived.push(...this.#upstream.take().filter(({ raw }) => !raw.includes(NEIGHBOUR)));
    const until = Math.min(
      performance.now() - restMs,
      this.#ledger.caughtUpAt() - 300,
      this.#ledger.writtenUpTo() - RECORD_REST_MS,
    );
    const ended = this.#waiting.filter(({ endedAt }) => endedAt < until || restMs === 0);
    if (ended.length === 0) return;
    const { of, open } = attribute(this.#arrived, {
      ended: this.#waiting,
      playing: [...this.#playing],
      allowedFrom: (address) => this.#ledger.allowedFrom(address),
      readUntil: restMs === 0 ? Number.POSITIVE_INFINITY : this.#ledger.caughtUpAt(),
    });
    const rested = ended.filter((played) => !open.some((one) => couldHaveSent(played, one)));
    this.#waiting = this.#waiting.filter((played) => !rested.includes(played));
    const taken = new Set(rested.flatMap((played) => of.get(played) ?? []));
    this.#arrived = this.#arrived.filter((one) => !taken.has(one));
    for (const played of rested) {
      for (const { status } of played.answers) {
        this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
        if (status === 429) this.#limited++;
      }
      const came = of.get(played) ?? [];
      this.#forwarded += came.filter(({ request }) => request !== null).length;
      const rows = this.#ledger.take(played.address);
      const faults = await judge(played, rows, came, this.#world);
      if (faults.length > 0) this.#fail(played, faults, rows, came);
      this.#judged++;
      if (this.#judged % 1000 === 0) this.#options.onProgress?.(this.#judged, this.#failures.length);
    }
  }

  async #allJudged(boundMs: number): Promise<void> {
    const until = performance.now() + boundMs;
    while (this.#waiting.length > 0 && performance.now() < until) await delay(50);
  }

  #fail(played: Played, faults: readonly string[], rows: RowsOfCase, arrived: readonly Arrived[]): void {
    const failure: FuzzFailure = {
      faults,
      rows: [...rows.values()].flatMap(({ decisions, outcomes }) =>
        [...decisions, ...outcomes].map(
          ({ method, resource, result, reason, status }) =>
            `${method} ${resource} ${result} ${reason} ${status}`,
        ),
      ),
      arrived: arrived.map(
        ({ request, raw }) => `${request === null ? 'part' : 'whole'} ${raw.slice(0, 300)}`,
      ),
      case: played.case,
      sent: Buffer.from(played.sent, 'latin1').toString('base64'),
      heard: played.heard.slice(0, 2000),
    };
    this.#failures.push(failure);
    this.#options.onFailure?.(failure);
  }

  async #judgeWhole(caller: Neighbour): Promise<void> {
    const metrics = await quiet(this.#gateway);
    const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1] ?? 0);
    for (const name of ['ideogate_calls_in_flight', 'ideogate_rows_waiting'])
      if (value(name) !== 0) this.#faults.push(`${name} is ${value(name)} when all is over`);
    if (/^ideogate_rows_not_written\{.*\} [^0]/m.test(metrics)) this.#faults.push('rows were not written');
    const counted = value('ideogate_refusals_total\\{reason="address-rate"\\}');
    if (counted < this.#limited)
      this.#faults.push(`${this.#limited} calls over the address limit, ${counted} counted`);
    const strays = this.#arrived;
    if (strays.length > 0)
      this.#faults.push(
        `upstream: ${strays.length} calls that no case made: ${strays[0]?.raw.slice(0, 300)}`,
      );
    this.#faults.push(...caller.faults.slice(0, 5));
    // Both ends of the upstream's connections are in this process, those to Postgres and its relay beside them.
    const sockets = process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
    const most = 2 * this.#upstream.connections() + 24;
    if (sockets > most)
      this.#faults.push(`sockets: ${sockets} are open when all is over, at most ${most} have a use`);
  }
}

/** Metrics once nothing is in flight, or as they are after a bounded while. */
async function quiet(gateway: TestGateway): Promise<string> {
  const until = performance.now() + 5000;
  for (;;) {
    const metrics = await gateway.metrics();
    if (/^ideogate_calls_in_flight 0$/m.test(metrics) || performance.now() > until) return metrics;
    await delay(50);
  }
}

const NEIGHBOUR = 'well-behaved';

/** A caller that does nothing wrong, on calls of its own all the while. */
class Neighbour {
  readonly #gateway: TestGateway;
  readonly #mint: ReturnType<typeof createFuzzMint>;
  readonly #goOn: () => boolean;
  readonly faults: string[] = [];
  probes = 0;
  slowestMs = 0;

  constructor(gateway: TestGateway, mint: ReturnType<typeof createFuzzMint>, goOn: () => boolean) {
    this.#gateway = gateway;
    this.#mint = mint;
    this.#goOn = goOn;
  }

  async run(): Promise<void> {
    while (this.#goOn()) {
      const began = performance.now();
      try {
        const response = await fetch(`${this.#gateway.url}/models`, {
          headers: { 'api-key': this.#mint.token('reader', undefined, 1), 'user-agent': NEIGHBOUR },
          signal: AbortSignal.timeout(PROBE_BOUND_MS),
        });
        await response.text();
        if (response.status !== 200) this.faults.push(`beside: a good call got ${response.status}`);
      } catch (error) {
        this.faults.push(`beside: a good call failed: ${String(error)}`);
      }
      this.probes++;
      this.slowestMs = Math.max(this.slowestMs, performance.now() - began);
      await delay(200);
    }
  }
}

/** The kept cases first, then new ones without end. */
function* generated(seed: number): Generator<FuzzCase, undefined> {
  yield* KEPT_CASES;
  for (let chunk = 0; ; chunk++)
    yield* fc.sample(fuzzCase, { seed: (seed * 10_007 + chunk) | 0, numRuns: CHUNK });
}

/** One of some thirty thousand loopback addresses: by the time one is used again, its case is long judged. */
function addressOf(number: number): string {
  const index = number % 30_000;
  return `127.${1 + Math.floor(index / 15_000)}.${1 + Math.floor((index % 15_000) / 250)}.${1 + (index % 250)}`;
}

function heapMb(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1024 / 1024;
}
