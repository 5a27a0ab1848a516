import { mkdirSync, cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEmulator, type Emulator } from '@ideogate/ideogram/emulator';
import { createDatabase, type Relay, startRelay, type TestDatabase } from '@ideogate/testkit';
import { expect } from 'vitest';
import {
  freePorts,
  generate,
  newFolder,
  type Product,
  ran,
  run,
  type Running,
  start,
  token,
} from './running-product.ts';

/** The long form: more calls, more kinds of faults, and figures for who runs it. */
export const LONG = process.env['KEYS_LONG'] === 'yes';
export const PER_SECOND = LONG ? 200 : 50;

export function figures(line: string): void {
  if (LONG) process.stdout.write(`${line}\n`);
}

export const OLD = 'fake-old-write-key-MARKED-0';
export const NEW = 'fake-new-write-key-MARKED-1';
const READ = 'fake-read-key-MARKED-0';

/** Two products on one database, whose keys come from the sealed store, before an emulator whose keys can be changed. */
export interface TwoGateways {
  readonly database: TestDatabase;
  readonly emulator: Emulator;
  /** Between both gateways, the commands, and Postgres. */
  readonly relay: Relay;
  readonly tools: string;
  readonly one: Product;
  readonly two: Product;
  /** Keys that Ideogram takes from now on. */
  accept(...keys: readonly string[]): Promise<void>;
  /** Runs `ideogate keys …` beside the first one. */
  keys(...words: readonly string[]): ReturnType<typeof ran>;
  begin(...words: readonly string[]): Running;
  /** Runs any command beside the first one. */
  ideogate(...words: readonly string[]): ReturnType<typeof ran>;
  /** A file that holds this key. */
  file(key: string): string;
  list(): Promise<
    readonly { id: string; slot: string; state: string; callsLastDay: number; lastUse: string | null }[]
  >;
  again(which: 'one' | 'two'): Promise<void>;
  close(): Promise<void>;
}

export async function startTwoGateways(): Promise<TwoGateways> {
  const database = await createDatabase();
  const straight = new URL(database.url);
  const relay = await startRelay({ host: straight.hostname, port: Number(straight.port) });
  const url = new URL(database.url);
  url.host = `127.0.0.1:${relay.port}`;
  const emulator = await createEmulator({ keys: { read: [READ], write: [OLD] } });
  const tools = newFolder();
  const env = {
    IDEOGATE_KEYS: 'sealed',
    IDEOGRAM_BASE_URL: emulator.url,
    DATABASE_URL: url.href,
    IDEOGATE_CONTROL_DIR: join(tools, 'control'),
    IDEOGATE_RATE_PER_ADDRESS: '1000000',
    IDEOGATE_RATE_PER_SUBJECT: '1000000',
  };
  const [first, second] = [newFolder(), newFolder()];
  let one = await start({ data: first, port: await freePorts(), env });
  mkdirSync(join(second, 'staging'));
  for (const name of ['secrets.json', 'keys-identity', 'checkpoint-key'])
    cpSync(join(first, 'staging', name), join(second, 'staging', name));
  let two = await start({ data: second, port: await freePorts(), env });
  const file = (key: string) => {
    const path = join(tools, `${key}.txt`);
    writeFileSync(path, `${key}\n`);
    return path;
  };
  const options = { env: { ...env, IDEOGATE_DATA: first } };
  const keys = (...words: readonly string[]) => ran(['keys', ...words], options);
  for (const [slot, key] of [
    ['read', READ],
    ['write', OLD],
  ] as const)
    expect(await keys('rotate', '--for', slot, '--from', file(key))).toMatchObject({ code: 0 });
  return {
    database,
    emulator,
    relay,
    tools,
    get one() {
      return one;
    },
    get two() {
      return two;
    },
    async accept(...write) {
      await fetch(`${emulator.url}/-/settings`, {
        method: 'PUT',
        body: JSON.stringify({ keys: { read: [READ], write } }),
      });
    },
    keys,
    ideogate: (...words) => ran(words, options),
    begin: (...words) => run(['keys', ...words], options),
    file,
    async list() {
      const { stdout, stderr, code } = await keys('list', '--all', '--json');
      if (code !== 0) throw new Error(stderr);
      return JSON.parse(stdout) as Awaited<ReturnType<TwoGateways['list']>>; // as: what keys list prints
    },
    async again(which) {
      const { data, port } = which === 'one' ? one : two;
      const started = await start({ data, port, env });
      if (which === 'one') one = started;
      else two = started;
    },
    async close() {
      relay.restore();
      await emulator.close();
      await relay.close();
      await database.drop();
    },
  };
}

/** Calls without a pause until `stop`, which resolves with how each ended. */
export async function load(
  products: readonly (() => Product)[],
  perSecond: number,
): Promise<{ stop(): Promise<readonly Made[]> }> {
  const tokens = new Map<number, string>();
  const made: Promise<Made>[] = [];
  let turn = 0;
  const bearer = async (product: Product) => {
    const kept = tokens.get(product.port) ?? (await token(product, 'writer'));
    tokens.set(product.port, kept);
    return kept;
  };
  for (const product of products) await bearer(product());
  const timer = setInterval(() => {
    const product = products[turn++ % products.length]?.();
    if (product !== undefined) made.push(call(product, bearer(product)));
  }, 1000 / perSecond);
  return {
    async stop() {
      clearInterval(timer);
      return Promise.all(made);
    },
  };
}

export interface Made {
  readonly at: number;
  readonly status: number | null;
  readonly problem: string | null;
}

async function call(product: Product, bearer: Promise<string>): Promise<Made> {
  const at = Date.now();
  try {
    const response = await generate(product, await bearer);
    const body = (await response.json()) as { type?: string }; // as: an image list or a problem
    return { at, status: response.status, problem: body.type?.split('/').at(-1) ?? null };
  } catch {
    return { at, status: null, problem: null };
  }
}

/** How many calls ended in which way. */
export function tally(made: readonly Made[]): Readonly<Record<string, number>> {
  const counted: Record<string, number> = {};
  for (const { status, problem } of made) {
    const name = problem === null ? String(status) : `${status} ${problem}`;
    counted[name] = (counted[name] ?? 0) + 1;
  }
  return counted;
}
