import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openReadPool } from '@ideogate/audit';
import { afterAll, expect, vi } from 'vitest';
import { type Client, type LoginName, readClients, type RuntimeFile } from '@ideogate/data-dir';
import { type KnownConfiguredKey, readKeySources } from '@ideogate/upstream-keys';

export const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
/** Spares each of many processes the reading of the same sources. */
const COMPILE_CACHE = join(REPOSITORY, 'node_modules/.cache/compile');
const READY_WITHIN_MS = 40_000;

/** The command as a person runs it: one process, with nothing in its environment but what the test gives. */
export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

export interface Product extends Running {
  readonly ready: RuntimeFile;
  readonly clients: readonly Client[];
  /** URLs by the names of their files; empty where there is none. */
  readonly logins: Readonly<Record<LoginName, string>>;
  /** Keys that variables and files gave, or the emulator's own. */
  readonly keys: readonly KnownConfiguredKey[];
  readonly data: string;
  readonly port: number;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Runs as this user, which only root can ask for. */
  readonly uid?: number;
  readonly cwd?: string;
}

export function run(words: readonly string[], options: RunOptions = {}): Running {
  const { uid, cwd = REPOSITORY } = options;
  const child = spawn(process.execPath, [MAIN, ...words], {
    cwd,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = once(child, 'close').then(
    ([code, signal]) => (code ?? signal) as number | NodeJS.Signals | null, // as: what `close` gives
  );
  return { child, pid: child.pid ?? 0, stdout: () => stdout, stderr: () => stderr, ended };
}

/** Runs a command to its end. */
export async function ran(
  words: readonly string[],
  options: RunOptions = {},
): Promise<{ code: number | NodeJS.Signals | null; stdout: string; stderr: string }> {
  const running = run(words, options);
  const code = await running.ended;
  return { code, stdout: running.stdout(), stderr: running.stderr() };
}

const folders: string[] = [];

/** A folder that every account may pass, as /tmp would be; removed at the end of the file. */
export function newFolder(mode = 0o755): string {
  const folder = mkdtempSync(join(tmpdir(), 'ideogate-cli-'));
  chmodSync(folder, mode);
  folders.push(folder);
  return folder;
}

const products = new Set<Product>();

/**
 * Starts the product and waits until it is ready and has said so: the banner comes a moment after `ready.json`. In a
 * folder and on ports of its own, if not told which.
 */
export async function start(
  options: RunOptions & { readonly data?: string; readonly port?: number } = {},
): Promise<Product> {
  const { data = newFolder(), port = await freePorts() } = options;
  const running = run(['start'], {
    ...options,
    env: { ...options.env, IDEOGATE_DATA: data, IDEOGATE_PORT: String(port) },
  });
  let over = false;
  void running.ended.then(() => (over = true));
  const ready = await vi.waitUntil(
    () => {
      if (over) throw new Error(`it ended: ${running.stderr()}`);
      return running.stdout().includes('\nIdeogate is ready') ? readyIn(data, running.pid) : null;
    },
    { timeout: READY_WITHIN_MS, interval: 20 },
  );
  const product = { ...running, ready, data, port, ...keptIn(join(data, ready.environment)) };
  products.add(product);
  return product;
}

const LOGINS = ['owner', 'append', 'read', 'keys-put', 'keys-open', 'webhook'] as const;

/** Secrets of a product, from their files. */
function keptIn(dir: string): Pick<Product, 'clients' | 'logins' | 'keys'> {
  const logins = LOGINS.map((name) => {
    const file = join(dir, 'logins', name);
    return [name, existsSync(file) ? readFileSync(file, 'utf8').trim() : ''];
  });
  return {
    clients: readClients(dir),
    logins: Object.fromEntries(logins) as Product['logins'], // as: one entry per name
    keys: readKeySources(dir).configured,
  };
}

/** What the files of `keys/` hold, by their names. */
export function installationKeys(dir: string): Readonly<Record<string, string>> {
  const names = readdirSync(join(dir, 'keys'));
  return Object.fromEntries(
    names.map((name) => [name, readFileSync(join(dir, 'keys', name), 'utf8').trim()]),
  );
}

/** `ready.json` if it is there and of this process. */
export function readyIn(data: string, pid?: number): RuntimeFile | null {
  const file = join(data, 'ready.json');
  if (!existsSync(file)) return null;
  const ready = JSON.parse(readFileSync(file, 'utf8')) as RuntimeFile; // as: whole or not at all is what we test
  return pid === undefined || ready.pid === pid ? ready : null;
}

/** Stops it in order and gives the exit code. */
export function stop(product: Product, signal: NodeJS.Signals = 'SIGTERM'): Promise<unknown> {
  products.delete(product);
  product.child.kill(signal);
  return product.ended;
}

/** Ends what the tests of a file left, as soon as it is called and after all of them. */
export async function cleanUp(): Promise<void> {
  await Promise.all([...products].map((product) => stop(product)));
  for (const folder of folders.splice(0)) {
    for (const pid of processesOf(folder)) process.kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

afterAll(cleanUp);

/** Processes that still have this folder in their command line, environment, or as where their output goes. */
export function processesOf(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && usesFolder(pid, folder));
}

function usesFolder(pid: number, folder: string): boolean {
  try {
    if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)) return true;
    if (readFileSync(`/proc/${pid}/environ`, 'utf8').includes(folder)) return true;
    // The emulator knows nothing of the folder but its log.
    return readlinkSync(`/proc/${pid}/fd/1`).startsWith(folder);
  } catch {
    return false;
  }
}

/** Pid of the Postgres of a product that keeps its database in the data folder. */
export function postgresPid(product: Product): number {
  const file = join(product.data, product.ready.environment, 'postgres/cluster/postmaster.pid');
  return Number(readFileSync(file, 'utf8').split('\n')[0]);
}

export function emulatorPid(product: Product): number {
  return pidIn(product, 'emulator.pid');
}

export function issuerPid(product: Product): number {
  return pidIn(product, 'issuer.pid');
}

function pidIn({ data, ready }: Product, file: string): number {
  return Number.parseInt(readFileSync(join(data, ready.environment, file), 'utf8'), 10);
}

export function runs(pid: number): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** The port of a gateway so that it and the three others are free; below the range that connections are given. */
export async function freePorts(): Promise<number> {
  for (;;) {
    // Above 10080, the last of the ports that fetch refuses to call (Fetch Standard, section 2.9).
    const port = 10_088 + 8 * Math.floor(Math.random() * 2500);
    const free = await Promise.all([0, 1, 3, 4].map((offset) => isFree(port + offset)));
    if (free.every(Boolean)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

export async function token(
  product: Pick<Product, 'ready' | 'clients'>,
  client: string,
  scope?: string,
): Promise<string> {
  const { issuer } = product.ready;
  const { clients } = product;
  const secret = clients.find(({ client_id }) => client_id === client)?.client_secret;
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client}:${secret}`)}` },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      ...(scope === undefined ? {} : { scope }),
    }),
  });
  const answer = (await response.json()) as { access_token?: string }; // as: RFC 6749 section 5
  if (answer.access_token === undefined) throw new Error(`no token: ${JSON.stringify(answer)}`);
  return answer.access_token;
}

/** A generate call inside the writer's bounds. */
export function generate(
  product: Pick<Product, 'ready'>,
  bearer: string,
  prompt = 'a lighthouse',
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${product.ready.gateway}/v1/ideogram-v3/generate`, {
    method: 'POST',
    headers: { 'api-key': bearer, 'content-type': 'application/json', ...headers },
    body: generateBody(prompt),
    signal: AbortSignal.timeout(20_000),
  });
}

export function generateBody(prompt: string): string {
  return JSON.stringify({ prompt, rendering_speed: 'TURBO' });
}

export async function fault(product: Product, fault: object): Promise<void> {
  const response = await fetch(`${product.ready.emulator}/-/faults`, {
    method: 'PUT',
    body: JSON.stringify(fault),
  });
  expect(response.status).toBe(200);
}

/** Every event of the record as `eventsIn` names it, sorted. */
export async function eventsInTable(product: Pick<Product, 'logins'>): Promise<readonly string[]> {
  const pool = openReadPool(product.logins.read);
  try {
    const { rows } = await pool.query<{ event: string }>(
      `SELECT writer || ' ' || seq AS event FROM ideogate.audit_event`,
    );
    return rows.map(({ event }) => event).toSorted();
  } finally {
    await pool.end();
  }
}

/** Calls asynchronously, and has the result sent to the endpoint `images` of the gateway itself. */
export async function callHome(
  product: Pick<Product, 'ready' | 'clients'>,
  prompt: string,
): Promise<{ readonly status: number; readonly id: string }> {
  const { gateway } = product.ready;
  const home = encodeURIComponent(`${gateway}/-/webhooks/images`);
  const response = await fetch(`${gateway}/v1/ideogram-v4/async/generate?webhook_url=${home}`, {
    method: 'POST',
    headers: { 'api-key': await token(product, 'writer'), 'content-type': 'application/json' },
    body: JSON.stringify({ text_prompt: prompt, rendering_speed: 'TURBO' }),
  });
  const { generation_id: id = '' } = (await response.json()) as { generation_id?: string }; // as: an asynchronous answer
  return { status: response.status, id };
}
