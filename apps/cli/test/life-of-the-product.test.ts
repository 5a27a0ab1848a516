import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { openReadPool } from '@ideogate/audit';
import { listCalls } from '@ideogate/audit/query';
import { Client } from 'pg';
import { beforeAll, expect, test, vi } from 'vitest';
import {
  emulatorPid,
  fault,
  freePorts,
  generate,
  newFolder,
  postgresPid,
  processesOf,
  type Product,
  ran,
  readyIn,
  runs,
  start,
  stop,
  token,
} from './running-product.ts';

let data: string;
let port: number;
let staging: Product;

beforeAll(async () => {
  data = newFolder();
  port = await freePorts();
  writeFileSync(join(data, 'ready.json'), '{"pid":1,"stale":true}');
  // What an earlier run left is gone long before the new one is ready.
  const gone = vi.waitUntil(() => !existsSync(join(data, 'ready.json')), { timeout: 40_000, interval: 10 });
  staging = await start({ data, port });
  await gone;
});
async function query(url: string, statement: string): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000, query_timeout: 10_000 });
  await client.connect();
  try {
    return (await client.query(statement)).rows as Record<string, unknown>[]; // as: what pg gives
  } finally {
    await client.end();
  }
}

async function callsOf(product: Product) {
  const pool = openReadPool(product.logins.read);
  try {
    return await listCalls(pool, { limit: 1000 });
  } finally {
    await pool.end();
  }
}

const SOMAXCONN = '/proc/sys/net/core/somaxconn';
const longestLine = existsSync(SOMAXCONN) ? Number(readFileSync(SOMAXCONN, 'utf8')) : 0;

test.skipIf(longestLine < 1024)(
  'while the gateway is busy many connections wait in line for it',
  async () => {
    const sockets: Socket[] = [];
    let connected = 0;
    staging.child.kill('SIGSTOP');
    try {
      for (let count = 0; count < 700; count++) {
        const socket = connect({ host: '127.0.0.1', port }, () => connected++);
        sockets.push(socket.on('error', () => undefined));
      }
      await vi.waitFor(() => expect(connected).toBe(700), { timeout: 5000 });
    } finally {
      staging.child.kill('SIGCONT');
      for (const socket of sockets) socket.destroy();
    }
  },
);

test('ready.json says where everything is, to its owner alone', async () => {
  const { ready, clients } = staging;
  expect(Object.keys(ready)).toEqual(['pid', 'environment', 'gateway', 'issuer', 'emulator', 'metrics']);
  expect(ready).toMatchObject({
    pid: staging.pid,
    gateway: `http://127.0.0.1:${port}`,
    issuer: `http://127.0.0.1:${port + 1}`,
    emulator: `http://127.0.0.1:${port + 3}`,
    metrics: `http://127.0.0.1:${port + 4}/metrics`,
    environment: 'staging',
  });
  expect(clients.map((client) => ({ ...client, client_secret: client.client_secret.length > 20 }))).toEqual([
    { client_id: 'reader', client_secret: true, scopes: ['read:*'] },
    { client_id: 'writer', client_secret: true, scopes: ['read:*', 'write:limited'] },
  ]);
  for (const url of [
    `${ready.gateway}/-/ready`,
    ready.metrics,
    `${ready.issuer}/jwks`,
    `${ready.emulator}/-/health`,
  ])
    expect([url, (await fetch(url)).status]).toEqual([url, 200]);
});

test('the last checkpoint stands in the metrics, and its age among what must be ready', async () => {
  const metric = async (name: string) => {
    const text = await (await fetch(staging.ready.metrics)).text();
    return new RegExp(`^ideogate_checkpoint_${name} (\\S+)$`, 'm').exec(text)?.[1];
  };
  await vi.waitUntil(async () => (await metric('number')) !== undefined, { timeout: 10_000 });
  expect(Number(await metric('age_seconds'))).toBeLessThan(60);
  const ready = await (await fetch(`${staging.ready.gateway}/-/ready`)).json();
  expect(ready).toMatchObject({
    checks: { checkpoints: { ok: true, detail: expect.stringMatching(/s old$/) } },
  });
});

test.each([
  'ready.json',
  'staging/keys/fingerprint',
  'staging/keys/prompt',
  'staging/keys/emulator-read',
  'staging/keys/emulator-write',
  'staging/logins/owner',
  'staging/logins/append',
  'staging/logins/read',
  'staging/logins/keys-put',
  'staging/logins/keys-open',
  'staging/logins/webhook',
  'staging/clients.json',
  'staging/issuer-keys.json',
  'staging/postgres/superuser-password',
])('%s is for its owner alone', (file) => {
  expect((statSync(join(data, file)).mode & 0o777).toString(8)).toBe('600');
});

test('the login `read` reads the record and cannot write it; `owner` is the superuser', async () => {
  const { read, owner } = staging.logins;
  await expect(query(read, 'SELECT count(*) FROM ideogate.audit_entry')).resolves.toHaveLength(1);
  for (const statement of [
    'DELETE FROM ideogate.audit_event',
    "UPDATE ideogate.audit_event SET subject = 'nobody'",
    'TRUNCATE ideogate.audit_event',
    'DROP VIEW ideogate.audit_entry',
    'CREATE TABLE ideogate.mine (a int)',
  ])
    await expect(query(read, statement)).rejects.toThrow(/permission denied|must be owner/);
  expect(await query(owner, "SELECT current_setting('is_superuser') AS it")).toEqual([{ it: 'on' }]);
});

test('trap 31: SIGTERM to the pid of ready.json: not ready at once, calls in flight end with their outcome, and nothing is left running', async () => {
  const writer = await token(staging, 'writer');
  const parts = [postgresPid(staging), emulatorPid(staging)];
  const before = (await callsOf(staging)).length;
  await fault(staging, { latencyMs: 1200 });
  const calls = [1, 2, 3].map((n) => generate(staging, writer, `a slow lighthouse ${n}`));
  await vi.waitUntil(async () => (await callsOf(staging)).length === before + 3, {
    timeout: 5000,
    interval: 25,
  });
  const over = stop(staging);
  await vi.waitUntil(() => readyIn(data) === null, { timeout: 500, interval: 5 });
  // More signals while it stops change nothing.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGTERM'] as const) staging.child.kill(signal);
  const late = await generate(staging, writer).catch(() => null);
  expect([undefined, 503]).toContain(late?.status);
  for (const response of await Promise.all(calls)) {
    expect(response.status).toBe(200);
    await response.arrayBuffer();
  }
  expect(await over).toBe(0);
  expect(staging.stderr()).toBe('');
  expect(readyIn(data)).toBeNull();
  expect(processesOf(data)).toEqual([]);
  expect(parts.filter(runs)).toEqual([]);
});

test('a second start keeps record, clients and keys; SIGINT ends it as well, and a closed pipe is no reason to fall', async () => {
  const keys = readFileSync(join(data, 'staging/issuer-keys.json'), 'utf8');
  const again = await start({ data, port });
  expect(again.clients).toEqual(staging.clients);
  expect(again.logins.read).toBe(staging.logins.read);
  expect(readFileSync(join(data, 'staging/issuer-keys.json'), 'utf8')).toBe(keys);
  const calls = await callsOf(again);
  expect(calls.filter((call) => call.result === 'success')).toHaveLength(3);
  expect(calls.filter((call) => call.state === 'open')).toEqual([]);
  again.child.stdout?.destroy();
  again.child.stderr?.destroy();
  const response = await generate(again, await token(again, 'writer'));
  expect(response.status).toBe(200);
  expect(await stop(again, 'SIGINT')).toBe(0);
  expect(processesOf(data)).toEqual([]);
});

test('each environment has its own database, keys and clients, and a token of one is refused in every other (A.9, F.57)', async () => {
  // In one data folder one after the other, as a person would; the tokens of the earlier ones are tried in the later.
  const taken: { environment: string; bearer: string; secret: string; database: unknown }[] = [];
  for (const environment of ['development', 'production', 'staging'] as const) {
    const product = await start({ data, port, env: { IDEOGATE_ENVIRONMENT: environment } });
    const { clients } = product;
    expect(product.ready.environment).toBe(environment);
    expect(clients.map(({ client_id }) => client_id)).toEqual(
      environment === 'development' ? ['reader'] : ['reader', 'writer'],
    );
    if (environment === 'production') {
      expect(clients.flatMap(({ scopes }) => scopes).filter((scope) => scope.includes('*'))).toEqual([]);
      expect(clients[1]?.scopes).toContain('write:generate');
    }
    const bearer = await token(product, 'reader');
    const whoami = async (credential: string) =>
      (
        await fetch(`${product.ready.gateway}/-/whoami`, {
          headers: { authorization: `Bearer ${credential}` },
        })
      ).status;
    expect(await whoami(bearer)).toBe(200);
    for (const earlier of taken) {
      // 503 while the key set was asked for a moment ago: then nobody knows whether the key is a new one.
      expect([401, 503]).toContain((await generate(product, earlier.bearer)).status);
      await vi.waitUntil(async () => (await whoami(earlier.bearer)) === 401, {
        timeout: 4000,
        interval: 100,
      });
      expect((await generate(product, earlier.bearer)).status).not.toBe(200);
    }
    const [database] = await query(product.logins.read, 'SELECT current_database() AS name');
    taken.push({
      environment,
      bearer,
      secret: clients[0]?.client_secret ?? '',
      database: database?.['name'],
    });
    expect(await stop(product)).toBe(0);
  }
  expect(new Set(taken.map(({ secret }) => secret)).size).toBe(3);
  expect(new Set(taken.map(({ database }) => database)).size).toBe(3);
}, 180_000);

test('a change of the policy between two starts is in force', async () => {
  const policy = join(data, 'policy.yaml');
  const write = (grant: string) =>
    writeFileSync(
      policy,
      `environments:\n  staging: { ceiling: ["read:*", "write:limited"] }\ncallers:\n  - subject: shop\n    grants: { staging: ${grant} }\n`,
    );
  write('["read:*"]');
  const env = { IDEOGATE_POLICY: policy };
  const first = await start({ data, port, env });
  expect((await generate(first, await token(first, 'shop'))).status).toBe(403);
  await stop(first);
  write('["read:*", "write:limited"]');
  const second = await start({ data, port, env });
  expect(second.clients.map(({ client_id, scopes }) => [client_id, scopes])).toEqual([
    ['shop', ['read:*', 'write:limited']],
  ]);
  expect((await generate(second, await token(second, 'shop'))).status).toBe(200);
  const { code } = await ran(['policy', 'check', policy]);
  expect(code).toBe(0);
  await stop(second);
});
