import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { openReadPool } from '@ideogate/audit';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import {
  freePorts,
  generate,
  issuerPid,
  newFolder,
  processesOf,
  type Product,
  ran,
  run,
  runs,
  start,
  stop,
  token,
} from './running-product.ts';

async function askToken(product: Pick<Product, 'ready'>, client: string, secret: string): Promise<number> {
  const response = await fetch(`${product.ready.issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client}:${secret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  });
  await response.arrayBuffer();
  return response.status;
}

/** Waits until a series has a value: the issuer tells its numbers each second, and the page is kept for as long. */
async function expectMetric(product: Product, series: string, value: number): Promise<void> {
  let last = '';
  const look = async () => {
    const text = await (await fetch(product.ready.metrics)).text();
    last = text.split('\n').find((one) => one.startsWith(`${series} `)) ?? '';
    return last === `${series} ${value}`;
  };
  await vi.waitUntil(look, { timeout: 10_000, interval: 100 }).catch(() => undefined);
  expect(last).toBe(`${series} ${value}`);
}

interface Notice {
  readonly subject: string | null;
  readonly reason: string;
  readonly detail: Readonly<Record<string, string>>;
}

async function failuresOnRecord(url: string): Promise<readonly Notice[]> {
  const pool = openReadPool(url);
  try {
    const { rows } = await pool.query<Notice>(
      `SELECT subject, reason, detail FROM ideogate.audit_notice
       WHERE notice = 'client-authentication-failed' ORDER BY "timestamp"`,
    );
    return rows;
  } finally {
    await pool.end();
  }
}

const MARKED = 'fake-secret-MARKED-0123456789-0123456789';

/** One data folder and its ports, and whatever runs there: each start takes long. */
const data = newFolder();
let port: number;
let product: Product;

beforeAll(async () => {
  port = await freePorts();
  product = await start({ data, port, env: { IDEOGATE_SUMMARY_MS: '3000' } });
});

const sumOf = (notices: readonly Notice[]) =>
  notices.reduce((all, { detail }) => all + Number(detail['count']), 0);

test('it is a process of its own, with no secret in its environment or on its command line', () => {
  const pid = issuerPid(product);
  expect(pid).not.toBe(product.pid);
  const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  expect(command.split('\0').slice(2)).toEqual([join(data, 'staging'), '']);
  const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
  for (const { client_secret } of product.clients) expect(command + environment).not.toContain(client_secret);
  expect(environment.split('\0').filter((entry) => !/^(NODE_CHANNEL_|$)/.test(entry))).toEqual([]);
});

test('failed client authentications are on record and in the metrics, exactly, and no secret is', async () => {
  await token(product, 'writer');
  const asked: Record<string, number> = {};
  for (let i = 0; i < 30; i++)
    for (const client of ['writer', `${MARKED}-client`]) {
      const status = await askToken(product, client, MARKED);
      asked[status] = (asked[status] ?? 0) + 1;
    }
  expect(Object.keys(asked)).toEqual(['401', '429']);
  const counted = await vi.waitUntil(
    async () => {
      const found = await failuresOnRecord(product.logins.read);
      return sumOf(found) >= 60 ? found : null;
    },
    { timeout: 15_000, interval: 100 },
  );
  for (const [reason, subject] of [
    ['wrong-secret', 'writer'],
    ['unknown-client', null],
  ] as const) {
    const of = counted.filter((notice) => notice.reason === reason);
    expect(of.filter(({ detail }) => detail['address'] !== undefined)).toEqual(
      Array.from({ length: 10 }, () => ({ subject, reason, detail: { address: '127.0.0.1', count: '1' } })),
    );
    expect(sumOf(of)).toBe(30);
    const series = `ideogate_issuer_client_authentication_failures_total{reason="${reason}"}`;
    await expectMetric(product, series, 30);
  }
  expect(JSON.stringify(counted)).not.toContain('MARKED');
  await expectMetric(product, 'ideogate_issuer_tokens_total', 1);
  await expectMetric(product, 'ideogate_issuer_refusals_total{reason="back-off"}', asked['429'] ?? 0);
  await expectMetric(product, 'ideogate_issuer_up', 1);
  const said = await (await fetch(product.ready.metrics)).text();
  expect(said).not.toContain('MARKED');
});

test('one that is killed is started again, calls go on meanwhile, and what it had done stays counted', async () => {
  const bearer = await token(product, 'writer');
  for (let killed = 1; killed <= 2; killed++) {
    await expectMetric(product, 'ideogate_issuer_tokens_total', 1 + killed);
    const pid = issuerPid(product);
    process.kill(pid, 'SIGKILL');
    expect((await generate(product, bearer)).status).toBe(200);
    await vi.waitUntil(() => token(product, 'writer').catch(() => null), { timeout: 15_000, interval: 50 });
    expect(issuerPid(product)).not.toBe(pid);
    await expectMetric(product, 'ideogate_issuer_restarts', killed);
  }
  expect(product.stdout()).toContain('the issuer died; it is started again');
});

test('a Ctrl-C, which reaches all processes of a terminal, ends it in its turn, and what it counted last is on record', async () => {
  const before = sumOf(await failuresOnRecord(product.logins.read));
  const deaths = deathsIn(product);
  const pid = issuerPid(product);
  process.kill(pid, 'SIGINT');
  process.kill(pid, 'SIGHUP');
  for (let i = 0; i < 15; i++) await askToken(product, 'reader', MARKED);
  expect(await stop(product, 'SIGINT')).toBe(0);
  expect(deathsIn(product)).toBe(deaths);
  expect(runs(pid)).toBe(false);
  expect(processesOf(data)).toEqual([]);
  expect(existsSync(join(data, 'staging/issuer.pid'))).toBe(false);
  expect(readFileSync(join(data, 'staging/issuer.log'), 'utf8')).toBe('');
  expect(product.stdout() + product.stderr()).not.toContain('MARKED');
  product = await start({ data, port });
  expect(sumOf(await failuresOnRecord(product.logins.read))).toBe(before + 15);
});

const deathsIn = (of: Product) => of.stdout().split('the issuer died').length - 1;

test('a parent that is killed takes it along, and the next start needs no other ports', async () => {
  const pid = issuerPid(product);
  product.child.kill('SIGKILL');
  await vi.waitUntil(() => !runs(pid), { timeout: 10_000, interval: 10 });
  product = await start({ data, port });
  expect(issuerPid(product)).not.toBe(pid);
  expect(await token(product, 'writer')).toContain('.');
});

test('one that hears nothing when its parent is killed is ended by the next start', async () => {
  const pid = issuerPid(product);
  process.kill(pid, 'SIGSTOP');
  product.child.kill('SIGKILL');
  await product.ended;
  expect(runs(pid)).toBe(true);
  product = await start({ data, port });
  expect(runs(pid)).toBe(false);
  await token(product, 'writer');
  expect(await stop(product)).toBe(0);
  expect(processesOf(data)).toEqual([]);
}, 90_000);

describe('a start that cannot have it', () => {
  test('names the port that somebody takes in the last moment, and leaves nothing', async () => {
    const empty = newFolder();
    const at = await freePorts();
    const running = run(['start'], { env: { IDEOGATE_DATA: empty, IDEOGATE_PORT: String(at) } });
    // Between the look at the ports and the issuer's own try.
    await vi.waitUntil(() => existsSync(join(empty, 'staging/issuer.pid')), { timeout: 20_000, interval: 2 });
    const thief: Server = createServer().listen(at + 1, '127.0.0.1');
    await once(thief, 'listening');
    expect(await running.ended).toBe(1);
    thief.close();
    expect(running.stderr()).toBe(
      `Port ${at + 1} (issuer) is in use: stop what uses it, or set IDEOGATE_PORT to another.\n`,
    );
    expect(processesOf(empty)).toEqual([]);
  });

  test('says what is wrong with its keys, and leaves nothing', async () => {
    const file = join(data, 'staging/issuer-keys.json');
    writeFileSync(file, '{"keys": ["MARKED"]}');
    const { code, stderr } = await ran(['start'], {
      env: { IDEOGATE_DATA: data, IDEOGATE_PORT: String(port) },
    });
    expect(code).toBe(1);
    expect(stderr).toBe(
      `The issuer cannot start: ${file}: key 1 is no private ES256 or EdDSA key with a kid.\n`,
    );
    expect(processesOf(data)).toEqual([]);
    expect(readdirSync(join(data, 'staging'))).not.toContain('issuer.pid');
  });
});
