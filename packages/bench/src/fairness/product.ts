import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Client, readClients, type RuntimeFile } from '@ideogate/data-dir';
import { stopLeftoverPostgres } from '@ideogate/local-postgres';
import type { Vitals } from './probe.ts';
import { WEBHOOK_PATH } from './requests.ts';

/** The product as `pnpm start` runs it, on ports and a data folder of its own. */
export interface RunningProduct {
  readonly port: number;
  readonly issuerPort: number;
  readonly operationsPort: number;
  readonly secretOf: (client: string) => string;
  readonly token: (client: string) => Promise<string>;
  /** What its process tells of itself; null when it is gone or says nothing. */
  readonly vitals: () => Promise<Vitals | null>;
  readonly stop: () => Promise<void>;
}

/** Secret of the webhooks that the neighbour signs. */
export const WEBHOOK_SECRET = `whsec_${randomBytes(32).toString('base64')}`;

const POLICY = `
environments:
  staging: { ceiling: ["read:*", "write:limited"] }
callers:
  - subject: attacker
    grants: { staging: ["read:*", "write:limited"] }
  - subject: neighbour
    grants: { staging: ["read:*", "write:limited"] }
`;

const CLI = fileURLToPath(new URL('../../../../apps/cli/src/main.ts', import.meta.url));
const PROBE = new URL('./probe.ts', import.meta.url).href;
const READY_WITHIN_MS = 60_000;
const STOPPED_WITHIN_MS = 30_000;
const VITALS_WITHIN_MS = 15_000;

/** A port that was free may be somebody else's by the time that it is listened on. */
const TRIES = 3;

/**
 * Starts it with its defaults but for `settings`, and waits until it is ready.
 *
 * @throws when it doesn't come up; its last lines are in the message
 */
export async function startProduct(
  settings: Readonly<Record<string, string>>,
  subscriberUrl: string,
): Promise<RunningProduct> {
  for (let left = TRIES - 1; ; left--) {
    try {
      return await tryToStart(settings, subscriberUrl);
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}

async function tryToStart(
  settings: Readonly<Record<string, string>>,
  subscriberUrl: string,
): Promise<RunningProduct> {
  const folder = mkdtempSync(join(tmpdir(), 'ideogate-fairness-'));
  // mkdtemp makes it 0700, and as root the database runs under another account.
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, 'policy.yaml'), POLICY);
  writeFileSync(join(folder, 'webhooks.json'), JSON.stringify([endpoint(subscriberUrl)]));
  const logFile = join(folder, 'log');
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, ['--import', PROBE, CLI, 'start'], {
    stdio: ['ignore', log, log, 'ipc'],
    // Nothing of the shell's: neither keys nor a database.
    env: {
      PATH: process.env['PATH'],
      IDEOGATE_DATA: join(folder, 'data'),
      IDEOGATE_PORT: String(await fiveFreePorts()),
      IDEOGATE_POLICY: join(folder, 'policy.yaml'),
      IDEOGATE_WEBHOOKS: join(folder, 'webhooks.json'),
      BENCH_WEBHOOK_SECRET: WEBHOOK_SECRET,
      // What an attack leaves open need not end before the next cell can begin.
      IDEOGATE_DRAIN_MS: '500',
      ...settings,
    },
  });
  closeSync(log);
  const stop = async () => {
    await end(child);
    await endWhatItLeft(join(folder, 'data', 'staging'));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const ready = await whenReady(child, join(folder, 'data', 'ready.json'));
    await setEmulator(ready.emulator ?? '');
    const clients = readClients(join(folder, 'data', 'staging'));
    return { ...product(child, ready, clients), stop };
  } catch (error) {
    const last = readFileSync(logFile, 'utf8').split('\n').slice(-20).join('\n');
    await stop();
    throw new Error(`the product did not start:\n${last}`, { cause: error });
  }
}

function product(
  child: ChildProcess,
  ready: RuntimeFile,
  clients: readonly Client[],
): Omit<RunningProduct, 'stop'> {
  const secretOf = (client: string) => clients.find((one) => one.client_id === client)?.client_secret ?? '';
  return {
    port: Number(new URL(ready.gateway).port),
    issuerPort: Number(new URL(ready.issuer).port),
    operationsPort: Number(new URL(ready.metrics).port),
    secretOf,
    async token(client) {
      const response = await fetch(`${ready.issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${client}:${secretOf(client)}`)}` },
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      });
      const { access_token } = (await response.json()) as { access_token?: string }; // as: RFC 6749 section 5.1
      if (access_token === undefined) throw new Error(`the issuer gave no token: ${response.status}`);
      return access_token;
    },
    async vitals() {
      if (child.exitCode !== null || child.signalCode !== null) return null;
      const late = new AbortController();
      const answer = once(child, 'message', { signal: late.signal }) as Promise<[Vitals]>; // as: the probe's answer
      const timer = setTimeout(() => late.abort(), VITALS_WITHIN_MS);
      child.send('vitals', () => undefined);
      return answer
        .then(
          ([vitals]) => vitals,
          () => null,
        )
        .finally(() => clearTimeout(timer));
    },
  };
}

function endpoint(subscriberUrl: string) {
  const secrets = ['env:BENCH_WEBHOOK_SECRET'];
  const name = WEBHOOK_PATH.slice(WEBHOOK_PATH.lastIndexOf('/') + 1);
  return { name, scheme: 'standard', secrets, subscriber: { url: subscriberUrl, secrets } };
}

async function whenReady(child: ChildProcess, file: string): Promise<RuntimeFile> {
  const until = performance.now() + READY_WITHIN_MS;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    try {
      const ready = JSON.parse(readFileSync(file, 'utf8')) as RuntimeFile; // as: what `start` writes
      if ((await fetch(`${ready.gateway}/-/ready`)).ok) return ready;
    } catch {
      // Not yet.
    }
    if (performance.now() > until) throw new Error('it was not ready in time');
    await delay(100);
  }
}

/** Its own limit of calls in flight is Ideogram's, and not what is measured here. */
async function setEmulator(url: string): Promise<void> {
  const response = await fetch(`${url}/-/settings`, {
    method: 'PUT',
    body: JSON.stringify({ inFlight: 100_000 }),
  });
  if (!response.ok) throw new Error(`the emulator did not take its settings: ${response.status}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOPPED_WITHIN_MS);
  await ended;
  clearTimeout(timer);
}

/** One that was killed, or ended by itself, leaves its database running and the processes that its `.pid` files name. */
async function endWhatItLeft(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  const postgres = join(folder, 'postgres');
  if (existsSync(postgres)) await stopLeftoverPostgres(postgres, () => undefined);
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.pid'))) {
    const [pid = 0] = readFileSync(join(folder, file), 'utf8').split(' ').map(Number);
    try {
      if (pid > 1) process.kill(pid, 'SIGTERM');
    } catch {
      // It is gone.
    }
  }
}

/** Below what systems give to outgoing connections, of which attackers make thousands. */
const PORTS = { from: 20_000, to: 32_000 };

/** The first of five ports in a row that are free right now: the product takes that many. */
async function fiveFreePorts(): Promise<number> {
  for (;;) {
    const first = randomInt(PORTS.from, PORTS.to);
    const found = await Promise.all([0, 1, 2, 3, 4].map((after) => isFree(first + after)));
    if (found.every(Boolean)) return first;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
