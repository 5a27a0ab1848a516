import type { LocalPostgres } from '@ideogate/local-postgres';
import { type BenchDatabase, groupCommit, lostCalls, serverCpuMicros, singleRowCommit } from './database.ts';
import { type Figure, figure } from './figures.ts';
import { type Burst, openPool, pace, percentile, saturate, type Target, upload } from './load.ts';
import type { MeasuredProcess } from './measured-process.ts';
import { withSlowCommits } from './slow-commits.ts';

const MB = 1024 * 1024;
const UPLOADS_AT_ONCE = 10;

export interface Scene {
  readonly bare: MeasuredProcess;
  readonly ideogate: MeasuredProcess;
  /** Another of either: what one that has run for long keeps of memory hides what uploads take. */
  readonly startAnother: (name: Name) => Promise<MeasuredProcess>;
  readonly upstream: MeasuredProcess;
  readonly postgres: LocalPostgres;
  readonly database: BenchDatabase;
  /** 500 new tokens: one lives for five minutes, the bench runs longer. */
  readonly tokens: () => readonly string[];
}

/** What one gateway came to in one round. Times in milliseconds, CPU in microseconds a call, memory in bytes. */
interface Measured {
  readonly cpuSaturated: number;
  readonly callsPerSecond: number;
  readonly cpuAt1000: number;
  readonly postgresCpuAt1000: number;
  readonly p99At1000: number;
  readonly p50At200: number;
  readonly rss: number;
}

/** How many bytes one gateway grew by under ten uploads at once, of 25 and of 45 MB each. */
interface Grown {
  readonly upload25: number;
  readonly upload45: number;
}

export interface Comparison {
  readonly ratios: Readonly<Record<string, Figure>>;
  /** What Ideogate adds to the median at 200 calls/s, in single-row commits of the same Postgres. */
  readonly addedP50Commits: Figure;
  /** The same on a Postgres whose commits take 3 ms, in such commits. */
  readonly slowCommitAddedP50At200: Figure;
  readonly slowCommitAddedP50At1000: Figure;
  /** What is added at 200 calls/s in milliseconds, and one such commit, on the Postgres as it is. */
  readonly addedP50Ms: Figure;
  readonly commitMs: Figure;
  /** Forwarded calls without decision and outcome in the record. */
  readonly lost: number;
}

/** Both gateways by turns, round after round: machines change their speed within seconds. */
export async function compare(scene: Scene, rounds: number): Promise<Comparison> {
  const found: {
    bare: Measured;
    ideogate: Measured;
    commitMs: number;
    ahead16: number;
    ahead64: number;
    slow: SlowCommits;
  }[] = [];
  let forwarded = 0;
  const counted: Counted = async (name, work) => {
    const before = await callsOf(scene.upstream);
    const result = await work();
    if (name === 'ideogate') forwarded += (await callsOf(scene.upstream)) - before;
    return result;
  };
  // Caches and compilers should be warm for both.
  for (const name of ['bare', 'ideogate'] as const) {
    await counted(name, () => saturate({ url: scene[name].url, tokens: scene.tokens() }, 32, 3));
  }
  for (let round = 0; round < rounds; round++) {
    const commitMs = await singleRowCommit(scene.database);
    const tokens = scene.tokens();
    const loads: Loads = (load, seconds) => bySlices(scene, counted, tokens, load, seconds);
    const { bare, ideogate } = await measure(loads, scene);
    const ahead16 = await groupCommit(scene.database, 16, 1);
    const ahead64 = await groupCommit(scene.database, 64, 1);
    const slow = await slowCommits(loads, scene);
    found.push({ bare, ideogate, commitMs, ahead16, ahead64, slow });
    process.stderr.write(`round ${round + 1} of ${rounds}\n`);
  }
  await scene.ideogate.stop();
  const grown: Record<Name, Grown>[] = [];
  for (let round = 0; round < rounds; round++) {
    grown.push(await growths(scene, counted, inTurn(round)));
    process.stderr.write(`uploads, round ${round + 1} of ${rounds}\n`);
  }

  type Round = (typeof found)[number];
  const over = (pick: (round: Round) => number): Figure => figure(found.map(pick));
  const ratio = (name: keyof Measured): Figure => over((round) => round.ideogate[name] / round.bare[name]);
  const uploads = (name: keyof Grown): Figure =>
    figure(grown.map((round) => round.ideogate[name] / round.bare[name]));
  return {
    ratios: {
      cpuSaturated: ratio('cpuSaturated'),
      cpuAt1000: ratio('cpuAt1000'),
      callsPerSecond: ratio('callsPerSecond'),
      p99: ratio('p99At1000'),
      rss: ratio('rss'),
      uploadMemory25: uploads('upload25'),
      uploadMemory45: uploads('upload45'),
      groupCommit16: over((round) => round.ahead16),
      groupCommit64: over((round) => round.ahead64),
      postgresCpu: over((round) => round.ideogate.postgresCpuAt1000 / round.bare.cpuAt1000),
    },
    addedP50Commits: over((round) => (round.ideogate.p50At200 - round.bare.p50At200) / round.commitMs),
    slowCommitAddedP50At200: over((round) => round.slow.addedAt200),
    slowCommitAddedP50At1000: over((round) => round.slow.addedAt1000),
    addedP50Ms: over((round) => round.ideogate.p50At200 - round.bare.p50At200),
    commitMs: over((round) => round.commitMs),
    lost: await lostCalls(scene.database, forwarded),
  };
}

export type Name = 'bare' | 'ideogate';

/** Who goes first in a round, or in a slice of it. */
function inTurn(number: number): readonly Name[] {
  return number % 2 === 0 ? ['bare', 'ideogate'] : ['ideogate', 'bare'];
}

/** Short enough that a machine which changes its speed does so for both gateways. */
const SLICES = 8;

/** What one gateway did in all slices of a load: how often it was called, in how long and at what cost. */
interface Load {
  calls: number;
  seconds: number;
  cpuMicros: number;
  postgresMicros: number;
  latencies: number[];
}

/** The same load on both gateways, in short slices by turns. */
async function bySlices(
  scene: Scene,
  counted: Counted,
  tokens: readonly string[],
  load: (target: Target, seconds: number) => Promise<Burst>,
  seconds: number,
): Promise<Readonly<Record<Name, Load>>> {
  const none = (): Load => ({ calls: 0, seconds: 0, cpuMicros: 0, postgresMicros: 0, latencies: [] });
  const loads = { bare: none(), ideogate: none() };
  // Callers keep their connections, slice after slice.
  const pools = { bare: openPool(scene.bare.url, 64), ideogate: openPool(scene.ideogate.url, 64) };
  for (let slice = 0; slice < SLICES; slice++) {
    for (const name of inTurn(slice)) {
      const gateway = scene[name];
      const before = await gateway.usage();
      const postgresBefore = serverCpuMicros(scene.postgres.folder);
      const target = { url: gateway.url, tokens, pool: pools[name] };
      const burst = await counted(name, () => load(target, seconds / SLICES));
      const sum = loads[name];
      sum.postgresMicros += serverCpuMicros(scene.postgres.folder) - postgresBefore;
      sum.cpuMicros += (await gateway.usage()).cpuMicros - before.cpuMicros;
      sum.calls += burst.calls;
      sum.seconds += burst.seconds;
      sum.latencies.push(...burst.latencies);
    }
  }
  await Promise.all(Object.values(pools).map((pool) => pool.close()));
  return loads;
}

type Loads = (
  load: (target: Target, seconds: number) => Promise<Burst>,
  seconds: number,
) => Promise<Readonly<Record<Name, Load>>>;

async function measure(loads: Loads, scene: Scene): Promise<Readonly<Record<Name, Measured>>> {
  const full = await loads((target, seconds) => saturate(target, 32, seconds), 4);
  const busy = await loads((target, seconds) => pace(target, 1000, seconds), 6);
  const calm = await loads((target, seconds) => pace(target, 200, seconds), 4);
  const measured = async (name: Name): Promise<Measured> => ({
    cpuSaturated: full[name].cpuMicros / full[name].calls,
    callsPerSecond: full[name].calls / full[name].seconds,
    cpuAt1000: busy[name].cpuMicros / busy[name].calls,
    postgresCpuAt1000: busy[name].postgresMicros / busy[name].calls,
    p99At1000: percentile(ascending(busy[name].latencies), 0.99),
    p50At200: median(calm[name]),
    rss: (await scene[name].usage()).rss,
  });
  return { bare: await measured('bare'), ideogate: await measured('ideogate') };
}

async function growths(scene: Scene, counted: Counted, order: readonly Name[]): Promise<Record<Name, Grown>> {
  const grown = { bare: { upload25: 0, upload45: 0 }, ideogate: { upload25: 0, upload45: 0 } };
  for (const name of order) {
    const gateway = await scene.startAnother(name);
    const target = { url: gateway.url, tokens: scene.tokens() };
    await counted(name, () => saturate(target, 32, 1));
    const by = (bytes: number) => counted(name, () => growth(gateway, target, bytes));
    grown[name] = { upload25: await by(25 * MB), upload45: await by(45 * MB) };
    await gateway.stop();
  }
  return grown;
}

function median(load: Load): number {
  return percentile(ascending(load.latencies), 0.5);
}

function ascending(values: readonly number[]): Float64Array {
  return Float64Array.from(values).sort();
}

/** Does work of one gateway, and counts the calls that Ideogate forwards in it. */
type Counted = <T>(name: Name, work: () => Promise<T>) => Promise<T>;

/** What Ideogate adds to the median, in single-row commits that take 3 ms. */
interface SlowCommits {
  readonly addedAt200: number;
  readonly addedAt1000: number;
}

async function slowCommits(loads: Loads, scene: Scene): Promise<SlowCommits> {
  return withSlowCommits(scene.postgres, async () => {
    const commitMs = await singleRowCommit(scene.database);
    const added = async (perSecond: number) => {
      const { bare, ideogate } = await loads((target, seconds) => pace(target, perSecond, seconds), 3);
      return (median(ideogate) - median(bare)) / commitMs;
    };
    return { addedAt200: await added(200), addedAt1000: await added(1000) };
  });
}

/** How far the resident set rises above its rest while ten uploads of this size run at once. At least 1 MB: below that is noise. */
async function growth(gateway: MeasuredProcess, target: Target, bytes: number): Promise<number> {
  const rest = await gateway.reset();
  await upload(target, UPLOADS_AT_ONCE, bytes);
  return Math.max(MB, (await gateway.usage()).peakRss - rest.rss);
}

async function callsOf(upstream: MeasuredProcess): Promise<number> {
  return Number(await (await fetch(`${upstream.url}/-/calls`)).text());
}
