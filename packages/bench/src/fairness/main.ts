import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { runFlags } from '@ideogate/testkit/run-flags';
import type { AttackOrder } from './attacker.main.ts';
import { ATTACKS } from './attacks.ts';
import { type Cell, CELLS } from './cells.ts';
import { type Bounds, faultsOf, latenciesOf, megabytes, type Strain } from './judge.ts';
import type { Habit, NeighbourOrder, Observed } from './neighbour.main.ts';
import type { Vitals } from './probe.ts';
import { type RunningProduct, startProduct, WEBHOOK_SECRET } from './product.ts';
import { blockOf, type PlayedCell, tableOf } from './report.ts';
import { models, type RequestParts, smallPicture, tokenRequest } from './requests.ts';

// What each attacker does to another caller: `pnpm bench:fairness`. docs/test.md says more.
const { flags, number, whole } = runFlags({
  seconds: { type: 'string', default: '15' },
  only: { type: 'string', default: '' },
  memory: { type: 'string', default: '512' },
  json: { type: 'boolean', default: false },
});
const seconds = number('seconds', (value) => value >= 2 && value <= 120, 'seconds from 2 to 120');
const bounds: Bounds = { rss: whole('memory', 1) * 1024 * 1024, healthMs: 50 };
const cells = CELLS.filter(({ name }) => name.includes(flags.only));
if (cells.length === 0) {
  process.stderr.write(`no cell has ${JSON.stringify(flags.only)} in its name; these there are:\n`);
  for (const { name } of CELLS) process.stderr.write(`  ${name}\n`);
  process.exit(3);
}

/** Of the neighbour's requests before anything is measured: the first ones are the compiler's. */
const WARM_SECONDS = 3;

const machine = `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, node ${process.version}`;
// With --json nothing but JSON goes to stdout.
const say = (text: string) => void (flags.json ? process.stderr : process.stdout).write(`${text}\n`);
say(
  `${machine}; ${seconds} s a cell alone, then ${seconds} s beside the attacker; memory up to ${megabytes(bounds.rss)}`,
);
const subscriber = createServer((request, response) => {
  request.resume();
  request.once('end', () => response.writeHead(204).end());
});
subscriber.listen(0, '127.0.0.1');
await once(subscriber, 'listening');
const played: PlayedCell[] = [];
for (const cell of cells) {
  played.push(await play(cell));
  const last = played.at(-1);
  if (last !== undefined) say(blockOf(last));
}
subscriber.close();
subscriber.closeAllConnections();
say(`\n${tableOf(played)}`);
if (flags.json)
  process.stdout.write(`${JSON.stringify({ machine, seconds, bounds, cells: played }, null, 2)}\n`);
process.exitCode = played.every(({ faults }) => faults.length === 0) ? 0 : 1;

/** A product of its own for each: what an attack leaves behind is not the next one's. */
async function play(cell: Cell): Promise<PlayedCell> {
  const product = await startProduct(cell.settings, subscriberUrl());
  const neighbour = fork(childPath('./neighbour.main.ts'));
  const ask = async (forSeconds: number, habits: readonly Habit[]): Promise<readonly Observed[]> => {
    const observed = once(neighbour, 'message') as Promise<[readonly Observed[]]>; // as: the neighbour's answer
    neighbour.send({ seconds: forSeconds, from: cell.from, habits } satisfies NeighbourOrder);
    return (await observed)[0];
  };
  try {
    const habits = await habitsOf(cell, product);
    await ask(WARM_SECONDS, habits);
    const alone = await strained(product, () => ask(seconds, habits));
    const attacker = await begin(cell, product);
    const beside = await strained(product, () => ask(seconds, habits));
    const seen = await attacker.end();
    const pairs = alone.found.map((observed, at) => ({
      kind: observed.kind,
      alone: latenciesOf(observed),
      beside: latenciesOf(beside.found[at] ?? { kind: observed.kind, milliseconds: [], errors: {} }),
    }));
    const strain = { alone: alone.strain, beside: beside.strain };
    return {
      cell: cell.name,
      attack: ATTACKS[cell.name].what,
      pairs,
      strain,
      seen,
      faults: faultsOf(pairs, strain, bounds),
    };
  } finally {
    neighbour.disconnect();
    await product.stop();
  }
}

/** Does `work` and looks at what the gateway's process came to meanwhile. */
async function strained<T>(
  product: RunningProduct,
  work: () => Promise<T>,
): Promise<{ found: T; strain: Strain | null }> {
  const before = await product.vitals();
  const began = performance.now();
  const found = await work();
  const micros = (performance.now() - began) * 1000;
  return { found, strain: strainOf(before, await product.vitals(), micros) };
}

function strainOf(before: Vitals | null, after: Vitals | null, micros: number): Strain | null {
  if (before === null || after === null) return null;
  const { stallMs, peakRss, cpuMicros } = after;
  return { stallMs, peakRss, cpuShare: (cpuMicros - before.cpuMicros) / micros };
}

async function begin(cell: Cell, product: RunningProduct) {
  const attacker = fork(childPath('./attacker.main.ts'));
  const order: AttackOrder = {
    attack: cell.name,
    scene: {
      gatewayPort: product.port,
      issuerPort: product.issuerPort,
      client: { id: 'attacker', secret: product.secretOf('attacker') },
      token: await product.token('attacker'),
    },
  };
  const seen = once(attacker, 'message') as Promise<[Readonly<Record<string, number>>]>; // as: the attacker's answer
  attacker.send(order);
  return {
    async end() {
      attacker.send('end');
      return (await seen)[0];
    },
  };
}

/** What the neighbour asks for, in a second: at intervals, each on a connection of its own. */
async function habitsOf(cell: Cell, product: RunningProduct): Promise<readonly Habit[]> {
  const { port, issuerPort, operationsPort } = product;
  const habit = (kind: string, perSecond: number, request: RequestParts, at = port): Habit => {
    const fields = { ...request.fields, ...cell.fields };
    return { kind, port: at, perSecond, expects: 200, sends: { request: { ...request, fields } } };
  };
  const token = await product.token('neighbour');
  const client = tokenRequest('neighbour', product.secretOf('neighbour'));
  const calls = [habit('models', 20, models(token)), habit('generate', 10, smallPicture(token))];
  const own = {
    caller: calls,
    client: [...calls, habit('token', 2, client, issuerPort)],
    webhooks: [
      { kind: 'webhook', port, perSecond: 20, expects: 204, sends: { webhookSecret: WEBHOOK_SECRET } },
    ],
  }[cell.neighbour];
  const health: RequestParts = { path: '/-/health' };
  const pages = [habit('health', 20, health), habit('ready', 10, { path: '/-/ready' })];
  const operations = (await hasHealth(operationsPort))
    ? [habit('health, own port', 20, health, operationsPort)]
    : [];
  return [...own, ...pages, ...operations];
}

async function hasHealth(port: number): Promise<boolean> {
  return (await fetch(`http://127.0.0.1:${port}/-/health`)).ok;
}

function subscriberUrl(): string {
  const address = subscriber.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return `http://127.0.0.1:${address.port}/`;
}

function childPath(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}
