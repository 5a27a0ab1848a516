import { createHash } from 'node:crypto';
import { mkdirSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEmulator, type Emulator } from '@ideogate/ideogram/emulator';
import { startLocalPostgres } from '@ideogate/local-postgres';
import { createDatabase, type Relay, startRelay, type TestDatabase } from '@ideogate/testkit';
import { expect } from 'vitest';
import {
  generate,
  newFolder,
  type Product,
  type ran,
  run,
  type Running,
  start,
  token,
} from './running-product.ts';

/** The long form: more calls, more kinds of faults, and figures for who runs it. */
export const LONG = process.env['LONG_TESTS'] === 'yes';
export const PER_SECOND = LONG ? 200 : 50;

export function figures(line: string): void {
  if (LONG) process.stdout.write(`${line}\n`);
}

export const OLD = 'fake-old-write-key-MARKED-0';
export const NEW = 'fake-new-write-key-MARKED-1';
const READ = 'fake-read-key-MARKED-0';

type Ended = Awaited<ReturnType<typeof ran>>;

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
  keys(...words: readonly string[]): Promise<Ended>;
  begin(...words: readonly string[]): Running;
  /** Runs any command beside the first one. */
  ideogate(...words: readonly string[]): Promise<Ended>;
  /** Stops Postgres itself, and starts it again: only where it is their own. */
  readonly postgres: { stop(): Promise<void>; start(): Promise<void> };
  /** All that the commands said so far, and how they were called as `/proc` shows it. */
  readonly heard: { readonly output: string; readonly commandLines: string };
  /** A file that holds this key. */
  file(key: string): string;
  list(): Promise<
    readonly { id: string; slot: string; state: string; callsLastDay: number; lastUse: string | null }[]
  >;
  again(which: 'one' | 'two'): Promise<void>;
  close(): Promise<void>;
}

/** @param own on a Postgres of their own, which can be stopped. */
export async function startTwoGateways({ own = false } = {}): Promise<TwoGateways> {
  const postgres = own ? await ownPostgres() : null;
  const database = await createDatabase(postgres?.url());
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
  let one = await start({ data: first, env });
  mkdirSync(join(second, 'staging'));
  for (const name of ['keys', 'logins', 'keys-identity', 'checkpoint-key'])
    cpSync(join(first, 'staging', name), join(second, 'staging', name), { recursive: true });
  let two = await start({ data: second, env });
  const file = (key: string) => {
    // Its name is seen in command lines, and is nothing of the key's.
    const path = join(tools, `key-${createHash('sha256').update(key).digest('hex').slice(0, 8)}.txt`);
    writeFileSync(path, `${key}\n`);
    return path;
  };
  const options = { env: { ...env, IDEOGATE_DATA: first } };
  const heard = { output: '', commandLines: '' };
  const begin = (words: readonly string[]): Running => {
    const running = run(words, options);
    heard.commandLines += `${readFileSync(`/proc/${running.pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}\n`;
    void running.ended.then(() => (heard.output += `${running.stdout()}\n${running.stderr()}\n`));
    return running;
  };
  const ended = async (words: readonly string[]) => {
    const running = begin(words);
    const code = await running.ended;
    return { code, stdout: running.stdout(), stderr: running.stderr() };
  };
  const keys = (...words: readonly string[]) => ended(['keys', ...words]);
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
    ideogate: (...words) => ended(words),
    begin: (...words) => begin(['keys', ...words]),
    heard,
    file,
    async list() {
      const { stdout, stderr, code } = await keys('list', '--all', '--json');
      if (code !== 0) throw new Error(stderr);
      return JSON.parse(stdout) as Awaited<ReturnType<TwoGateways['list']>>; // as: what keys list prints
    },
    postgres: postgres ?? {
      stop: () => Promise.reject(new Error('it is not theirs')),
      start: () => Promise.reject(new Error('it is not theirs')),
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
      if (postgres === null) await database.drop();
      else await postgres.stop();
    },
  };
}

async function ownPostgres(): Promise<TwoGateways['postgres'] & { url(): string }> {
  const folder = newFolder();
  const begin = () => startLocalPostgres({ folder: join(folder, 'postgres'), log: () => undefined });
  let running = await begin();
  return {
    url: () => running.superuserUrl('postgres'),
    stop: () => running.stop(),
    async start() {
      running = await begin();
    },
  };
}

/** Less than it lives. */
const TOKEN_SERVES_MS = 120_000;

/** So many calls a second until `stop`, late ones made up for, which resolves with how each ended. */
export async function load(
  products: readonly (() => Product)[],
  perSecond: number,
): Promise<{ stop(): Promise<readonly Made[]> }> {
  const tokens = new Map<number, { readonly at: number; readonly bearer: Promise<string> }>();
  const made: Promise<Made>[] = [];
  let turn = 0;
  const bearer = (product: Product) => {
    const kept = tokens.get(product.port);
    if (kept !== undefined && performance.now() - kept.at < TOKEN_SERVES_MS) return kept.bearer;
    const fresh = { at: performance.now(), bearer: token(product, 'writer') };
    tokens.set(product.port, fresh);
    return fresh.bearer;
  };
  for (const product of products) await bearer(product());
  const began = performance.now();
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - began) * perSecond) / 1000);
    while (turn < due) {
      const product = products[turn++ % products.length]?.();
      if (product !== undefined) made.push(call(product, bearer(product)));
    }
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
