import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { cleanUp, generate, token } from './running-product.ts';
import { figures, LONG, load, PER_SECOND, startTwoGateways, type TwoGateways } from './two-gateways.ts';

let it: TwoGateways;
let key: string;
beforeAll(async () => {
  it = await startTwoGateways({ own: true });
  key = (await it.list()).find(({ slot }) => slot === 'write')?.id ?? '';
}, 120_000);
afterAll(async () => {
  await cleanUp();
  await it?.close();
});

/** When Ideogram was last sent a call, milliseconds since the epoch. */
async function lastForwarded(): Promise<number> {
  const list = (await (await fetch(`${it.emulator.url}/-/received`)).json()) as {
    method: string;
    time: string;
  }[]; // as: the emulator's own list
  return Date.parse(list.findLast(({ method }) => method === 'POST')?.time ?? '');
}

/** Long enough for a call to show that one is still forwarded. */
const AFTERWARDS_MS = 1_500;

/** A second is the promise; beside other tests the command alone may take as long to begin. */
const BOUND_MS = LONG ? 1000 : 5000;

const status = async (which: 'one' | 'two'): Promise<number> => {
  const product = it[which];
  return (await generate(product, await token(product, 'writer'))).status;
};

test.each([
  ['key', () => key],
  ['caller', () => 'writer'],
  ['environment', () => 'staging'],
] satisfies [string, () => string][])(
  'kill --%s: under load on two gateways no call is forwarded a second after the command began, until it is revived',
  async (kind, target) => {
    const calls = await load([() => it.one, () => it.two], PER_SECOND);
    await delay(500);
    const began = Date.now();
    const killed = await it.ideogate(
      'kill',
      `--${kind}`,
      target(),
      '--reason',
      'found in a public repository',
    );
    await delay(AFTERWARDS_MS);
    const made = await calls.stop();
    const last = await lastForwarded();
    expect([killed.code, killed.stderr]).toEqual([0, '']);
    expect(JSON.parse(killed.stdout)).toMatchObject({
      confirmed: [expect.any(String), expect.any(String)],
      silent: [],
    });
    figures(
      `kill --${kind}: of ${made.length} calls the last was forwarded ${last - began} ms after the command began`,
    );
    expect(last - began).toBeLessThan(BOUND_MS);
    const late = made.filter(({ at }) => at > Math.max(began + 1000, last));
    expect(new Set(late.map(({ problem }) => problem))).toEqual(new Set(['stopped-by-order']));
    expect(await it.ideogate('revive', `--${kind}`, target(), '--reason', 'it was a drill')).toMatchObject({
      code: 0,
    });
    expect([await status('one'), await status('two')]).toEqual([200, 200]);
  },
  60_000,
);

test('an entry of the database that nobody can read does not hold up those behind it', async () => {
  const { Client } = await import('pg');
  const client = new Client({ connectionString: it.database.url });
  await client.connect();
  const put = (what: string, id: string, target: string, at: string) =>
    client.query(
      `SELECT ideogate_keys.put_kill_entry($1, $2, 'caller', $3, 'by the database alone', 'a test', $4)`,
      [id, what, target, at],
    );
  await put('kill', crypto.randomUUID(), 'reader', 'infinity');
  const id = crypto.randomUUID();
  await put('kill', id, 'writer', new Date().toISOString());
  await vi.waitUntil(async () => (await status('one')) === 403 && (await status('two')) === 403, {
    timeout: 5000,
  });
  await put('revive', id, 'writer', new Date().toISOString());
  await vi.waitUntil(async () => (await status('one')) === 200 && (await status('two')) === 200, {
    timeout: 5000,
  });
  await client.end();
  const { stdout } = await it.ideogate('kills', '--json');
  expect(JSON.parse(stdout)).toEqual([]);
}, 60_000);

test('an order that the database does not take keeps no gateway from hearing of others', async () => {
  const { Client } = await import('pg');
  const client = new Client({ connectionString: it.database.url });
  await client.connect();
  await client.query(`
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON ideogate_keys.kill_entry FOR EACH ROW
      WHEN (NEW.target = 'reader') EXECUTE FUNCTION public.refuse()`);
  const killed = await it.ideogate('kill', '--caller', 'reader', '--reason', 'a test');
  expect([killed.code, killed.stderr]).toEqual([0, expect.stringMatching(/The database did not take it/)]);
  const put = (what: string, id: string) =>
    client.query(
      `SELECT ideogate_keys.put_kill_entry($1, $2, 'caller', 'writer', 'by the database alone', 'a test', now())`,
      [id, what],
    );
  const id = crypto.randomUUID();
  await put('kill', id);
  await vi.waitUntil(async () => (await status('one')) === 403 && (await status('two')) === 403, {
    timeout: 5000,
  });
  const ready = await fetch(`${it.one.ready.gateway}/-/ready`);
  expect([ready.status, await ready.json()]).toMatchObject([200, { checks: { orders: { ok: true } } }]);
  await put('revive', id);
  await client.query('DROP FUNCTION public.refuse() CASCADE');
  await client.end();
  expect(await it.ideogate('revive', '--caller', 'reader', '--reason', 'a test')).toMatchObject({ code: 0 });
  expect([await status('one'), await status('two')]).toEqual([200, 200]);
}, 60_000);

test('a gateway that the database does not tell of orders says so in /-/ready, and that it does again', async () => {
  const { Client } = await import('pg');
  const client = new Client({ connectionString: it.database.url });
  await client.connect();
  const obey = 'EXECUTE ON FUNCTION ideogate_keys.obey(uuid, text, bigint)';
  const ready = async () => {
    const response = await fetch(`${it.one.ready.gateway}/-/ready`);
    const { checks } = (await response.json()) as { checks: object }; // as: our own page
    return { status: response.status, checks };
  };
  await client.query(`REVOKE ${obey} FROM ideogate_keys_open`);
  const deaf = await vi.waitUntil(
    async () => {
      const now = await ready();
      return now.status === 503 ? now : null;
    },
    { timeout: 20_000, interval: 200 },
  );
  expect(deaf.checks).toMatchObject({
    record: { ok: true },
    orders: { ok: false, detail: expect.stringMatching(/^not heard of from the database for 1\d s/) },
  });
  await client.query(`GRANT ${obey} TO ideogate_keys_open`);
  await client.end();
  await vi.waitUntil(async () => (await ready()).status === 200, { timeout: 5000 });
}, 60_000);

test('with Postgres stopped under load the order is obeyed and confirmed all the same, and is dead after a restart; the database hears of it later', async () => {
  const calls = await load([() => it.two], PER_SECOND);
  await delay(500);
  await it.postgres.stop();
  const began = Date.now();
  const killed = await it.ideogate('kill', '--caller', 'writer', '--reason', 'the database is down');
  expect(killed.code).toBe(0);
  expect(JSON.parse(killed.stdout)).toMatchObject({
    confirmed: [expect.any(String), expect.any(String)],
    silent: [],
  });
  expect(killed.stderr).toMatch(/The database did not take it/);
  it.one.child.kill('SIGKILL');
  await it.one.ended;
  await it.postgres.start();
  await it.again('one');
  expect([await status('one'), await status('two')]).toEqual([403, 403]);
  await delay(AFTERWARDS_MS);
  const made = await calls.stop();
  const last = await lastForwarded();
  figures(
    `kill with Postgres stopped: of ${made.length} calls the last was forwarded ${last - began} ms after the command began`,
  );
  expect(last - began).toBeLessThan(BOUND_MS);
  expect(made.at(-1)).toMatchObject({ status: 403, problem: 'stopped-by-order' });
  const { stdout } = await it.ideogate('kills', '--json');
  expect(JSON.parse(stdout)).toMatchObject([
    { kind: 'caller', target: 'writer', reason: 'the database is down' },
  ]);
  const { Client } = await import('pg');
  const client = new Client({ connectionString: it.database.url });
  await client.connect();
  await vi.waitUntil(
    async () =>
      (await client.query(`SELECT FROM ideogate_keys.kill_entry WHERE reason = 'the database is down'`)).rows
        .length === 1,
    { timeout: 5000 },
  );
  const notices = () =>
    client.query(
      `SELECT subject, detail->>'reason' AS reason FROM ideogate.audit_notice WHERE notice = 'calls-killed' AND detail->>'reason' = 'the database is down'`,
    );
  await vi.waitUntil(async () => (await notices()).rows.length > 0, { timeout: 5000 });
  expect((await notices()).rows[0].subject).toMatch(/@/);
  await client.end();
  // The gateway that was killed is still known for ten seconds, and does not confirm; on a busy machine they are over.
  const { code, stderr } = await it.ideogate('revive', '--caller', 'writer', '--reason', 'it is over');
  expect(stderr).toMatch(code === 0 ? /^$/ : /^NOT CONFIRMED by \S+ \d+: /);
  expect([0, 1]).toContain(code);
  expect([await status('one'), await status('two')]).toEqual([200, 200]);
}, 90_000);

test('a gateway that does not answer is named, and the command ends with 1', async () => {
  it.two.child.kill('SIGSTOP');
  try {
    const killed = await it.ideogate('kill', '--key', key, '--reason', 'a gateway stands still');
    expect(killed.code).toBe(1);
    expect(killed.stderr).toMatch(new RegExp(`NOT CONFIRMED by .*${it.two.pid}`));
  } finally {
    it.two.child.kill('SIGCONT');
  }
  await vi.waitUntil(async () => (await status('two')) === 403, { timeout: 5000 });
}, 60_000);

test.each([
  ['--key', 'fake-ideogram-key-MARKED-0123456789', /NOTHING WAS STOPPED/],
  ['--key', 'KEY_0123456789ABCDEF', /key_ and 16 hexadecimal digits/],
  ['--environment', 'stagging', /one of development, staging, production/],
  ['--caller', ' writer', /without spaces/],
])(
  'kill %s %j is for nothing that can be: it is refused, not confirmed, and not shown',
  async (kind, target, message) => {
    const { code, stdout, stderr } = await it.ideogate('kill', kind, target, '--reason', 'a test');
    expect([code, stdout, stderr]).toEqual([3, '', expect.stringMatching(message)]);
    expect(stderr).not.toContain('MARKED');
    expect((await it.ideogate('kills', '--json')).stdout).not.toContain(target);
  },
);

test.each([
  [[], /Name one of --key, --caller and --environment/],
  [['--key', 'a', '--caller', 'b'], /Name one of/],
  [['--key', 'key_0000000000000000'], /No order stops/],
] as const)('revive %j is told what is missing', async (words, message) => {
  const { code, stderr } = await it.ideogate('revive', ...words, '--reason', 'a test');
  expect([code, stderr]).toEqual([3, expect.stringMatching(message)]);
});
