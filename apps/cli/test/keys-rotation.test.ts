import { huntFor, tableOfPlaces } from '@ideogate/testkit';
import { keyIdOf } from '@ideogate/upstream-keys';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { cleanUp, type Product, REPOSITORY, type Running, stop } from './running-product.ts';
import {
  figures,
  load,
  LONG,
  NEW,
  OLD,
  PER_SECOND,
  startTwoGateways,
  tally,
  type TwoGateways,
} from './two-gateways.ts';

let it: TwoGateways;
let idOf: (key: string) => string;
beforeAll(async () => {
  it = await startTwoGateways();
  const fingerprint = readFileSync(join(it.one.data, 'staging/keys/fingerprint'), 'utf8').trim();
  idOf = (key) => keyIdOf(Buffer.from(key), fingerprint);
}, 120_000);
afterAll(async () => {
  await cleanUp();
  await it?.close();
});

const says = (running: Running, words: RegExp) =>
  vi.waitUntil(() => words.test(running.stderr()), { timeout: 30_000, interval: 10 });

const states = async () =>
  new Map((await it.list()).filter(({ slot }) => slot === 'write').map(({ id, state }) => [id, state]));

/** Gateways that were killed, whose output counts as well. */
const gone: Product[] = [];
const gatewaysSaid = () =>
  [...gone, it.one, it.two].map((one) => `${one.stdout()}\n${one.stderr()}`).join('\n');
async function again(): Promise<void> {
  it.two.child.kill('SIGKILL');
  await it.two.ended;
  gone.push(it.two);
  await it.again('two');
}

/** Keys that were given beside the first two. */
const given: string[] = [];

/** Keys that served, by id. */
const served = new Map<string, string>();

async function activeId(): Promise<string> {
  return [...(await states())].find(([, state]) => state === 'active')?.[0] ?? '';
}

/** Newest first: what the emulator was sent, as ids. */
async function received(): Promise<readonly { id: string; status: number | null }[]> {
  const list = (await (await fetch(`${it.emulator.url}/-/received`)).json()) as {
    headers: [string, string][];
    status: number | null;
    method: string;
  }[]; // as: the emulator's own list
  return list
    .filter(({ method }) => method === 'POST')
    .map(({ headers, status }) => ({
      id: idOf(headers.find(([name]) => name.toLowerCase() === 'api-key')?.[1] ?? ''),
      status,
    }));
}

test('a key is rotated under load on two gateways without one failed call, and the old one is proved idle (F.59)', async () => {
  await it.accept(OLD, NEW);
  const calls = await load([() => it.one, () => it.two], PER_SECOND);
  const rotation = it.begin(
    'rotate',
    '--for',
    'write',
    '--from',
    it.file(NEW),
    '--canary',
    '20',
    '--canary-time',
    '2s',
  );
  await says(rotation, /revoke key_\w+ in Ideogram's dashboard now/);
  await it.accept(NEW);
  expect([await rotation.ended, rotation.stderr()]).toMatchObject([0, expect.stringMatching(/is dead/)]);
  const made = await calls.stop();
  expect(tally(made)).toEqual({ 200: made.length });
  expect(made.length).toBeGreaterThan(200);
  expect(await states()).toEqual(
    new Map([
      [idOf(NEW), 'active'],
      [idOf(OLD), 'revoked'],
    ]),
  );
  const rotated = JSON.parse(rotation.stdout()) as {
    idle: { gateways: string[]; lastUses: { at: string }[] };
  }; // as: what it prints
  expect(rotated.idle.gateways).toHaveLength(2);
  expect(rotated.idle.lastUses).toHaveLength(2);
  figures(`rotation: ${JSON.stringify(tally(made))}, ${rotation.stderr()}`);
  const sent = (await received()).map(({ id }) => id);
  // The switch is one moment for each gateway: after the last call with the old key only the new one follows.
  expect(sent.length - sent.lastIndexOf(idOf(OLD))).toBeGreaterThan(100);
  expect(new Set(sent)).toEqual(new Set([idOf(OLD), idOf(NEW)]));
}, 120_000);

test('a new key that Ideogram refuses after it was activated gives way to the old one within two seconds, and says so (F.59)', async () => {
  await it.accept(NEW, OLD);
  const third = 'fake-third-write-key-MARKED-3';
  given.push(third);
  await it.accept(NEW, third);
  expect(await it.keys('add', '--for', 'write', '--from', it.file(third))).toMatchObject({ code: 0 });
  expect(await it.keys('verify', idOf(third))).toMatchObject({ code: 0 });
  const calls = await load([() => it.one, () => it.two], PER_SECOND);
  expect(await it.keys('activate', idOf(third))).toMatchObject({ code: 0 });
  await it.accept(NEW);
  const began = Date.now();
  await vi.waitUntil(async () => (await states()).get(idOf(NEW)) === 'active', { timeout: 10_000 });
  await vi.waitUntil(() =>
    [it.one, it.two].every((product) => /ALARM|"write":\["key_/.test(product.stdout())),
  );
  const made = await calls.stop();
  const failed = made.filter(({ status }) => status !== 200);
  expect(made.filter(({ status }) => status === 401)).toEqual([]);
  expect(new Set(failed.map(({ problem }) => problem))).toEqual(new Set(['upstream-key-refused']));
  const back = Math.max(...failed.map(({ at }) => at)) - began;
  figures(
    `refused after activation: ${JSON.stringify(tally(made))}, the last failed call began ${back} ms after`,
  );
  expect(back).toBeLessThan(2000);
  expect(await states()).toEqual(
    new Map([
      [idOf(third), 'pending'],
      [idOf(NEW), 'active'],
      [idOf(OLD), 'revoked'],
    ]),
  );
  expect([it.one, it.two].map((product) => product.stdout())).toContainEqual(
    expect.stringContaining('ALARM: Ideogram refuses the new key'),
  );
  expect(await it.keys('revoke', idOf(third), '--yes')).toMatchObject({ code: 0 });
}, 120_000);

/** What goes down at each step in turn. The long form takes it all; the suite the command alone. */
const DOWN = LONG ? (['the command', 'a gateway', 'Postgres'] as const) : (['the command'] as const);

test.each(DOWN)(
  'a rotation in which %s is killed at each step goes on there: never two truths, never a lost key (F.59)',
  async (what) => {
    const next = `fake-next-write-key-MARKED-${what.replaceAll(' ', '-')}`;
    given.push(next);
    const before = await activeId();
    const old = served.get(before) ?? NEW;
    await it.accept(old, next);
    const words = [
      'rotate',
      '--for',
      'write',
      '--from',
      it.file(next),
      '--canary',
      '20',
      '--canary-time',
      '1s',
    ];
    const calls = await load([() => it.one, () => it.two], 30);
    const seen: string[] = [];
    for (const step of [/Ideogram takes it/, /go out with/, /serves all calls/, /is idle/, /revoke key_/]) {
      const rotation = it.begin(...words);
      await vi.waitUntil(() => step.test(rotation.stderr()) || rotation.child.exitCode !== null, {
        timeout: 60_000,
        interval: 10,
      });
      if (what === 'Postgres') {
        it.relay.cut();
        await rotation.ended;
        it.relay.restore();
        await vi.waitUntil(async () => (await it.keys('list', '--json')).code === 0, { timeout: 20_000 });
      } else if (what === 'a gateway') {
        rotation.child.kill('SIGKILL');
        await again();
      } else rotation.child.kill('SIGKILL');
      await rotation.ended;
      const now = [...(await states()).values()].filter((state) => state !== 'revoked').toSorted();
      expect(now.filter((state) => state === 'active')).toHaveLength(1);
      expect(now).toHaveLength(2);
      seen.push(now.join(' '));
    }
    await it.accept(next);
    await vi.waitUntil(async () => (await it.begin(...words).ended) === 0, { timeout: 90_000 });
    if (what === 'the command')
      expect(seen).toEqual([
        'active verified',
        'active verified',
        'active draining',
        'active draining',
        'active draining',
      ]);
    served.set(idOf(next), next);
    expect(await activeId()).toBe(idOf(next));
    const made = tally(await calls.stop());
    // What has no database or no gateway fails for that, and never for its key.
    expect(Object.keys(made).filter((end) => /no-key|key-refused/.test(end))).toEqual([]);
    if (what === 'the command') expect(Object.keys(made)).toEqual(['200']);
    figures(`killed at each step, ${what}: ${JSON.stringify(made)}`);
  },
  300_000,
);

test('each step is on record with who took it, before it is done', async () => {
  const { Client } = await import('pg');
  const client = new Client({ connectionString: it.one.logins.read });
  await client.connect();
  const { rows } = await client.query(
    `SELECT notice, operation, subject, key_id, detail->>'step' AS step FROM ideogate.audit_notice
     WHERE notice LIKE 'key-%' AND key_id = $1 ORDER BY "timestamp"`,
    [idOf(NEW)],
  );
  await client.end();
  const steps = rows.map(({ notice, step }) => step ?? notice);
  expect(steps.slice(0, 4)).toEqual(['pending', 'checked', 'verified, 20 % of the calls', 'active']);
  expect(steps.slice(-3)).toEqual(expect.arrayContaining(['idle', 'revoked']));
  for (const row of rows) expect(row.subject).toMatch(/@/);
});

test('a gateway that was killed comes back with the keys of the store', async () => {
  const active = await activeId();
  await again();
  expect(it.two.stdout()).toContain(`"write":["${active}"]`);
}, 60_000);

/** Every row of every table, as text. */
async function rowsOfAll(): Promise<string> {
  const { Client } = await import('pg');
  const client = new Client({ connectionString: it.database.url });
  await client.connect();
  const { rows: tables } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname LIKE 'ideogate%'`,
  );
  const texts: string[] = [];
  for (const { name } of tables) {
    const { rows } = await client.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t`);
    texts.push(`${name}\n${rows.map(({ text }) => text).join('\n')}`);
  }
  await client.end();
  return texts.join('\n');
}

/** What a gateway's control socket answers to a line. */
async function answered(line: string): Promise<string> {
  const folder = join(it.tools, 'control');
  const texts: string[] = [];
  for (const name of readdirSync(folder).filter((entry) => entry.endsWith('.sock'))) {
    const socket = createConnection(join(folder, name)).setEncoding('utf8');
    socket.on('data', (text: string) => texts.push(text));
    // The socket of one that was killed is still there, and nobody listens on it.
    socket.on('error', () => undefined);
    socket.end(`${line}\n`);
    await new Promise((resolve) => socket.once('close', resolve));
  }
  return texts.join('\n');
}

function filesIn(...folders: readonly string[]): string {
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  return files.map((file) => `${file}\n${readFileSync(file, 'latin1')}`).join('\n');
}

test('no key is anywhere but in the file it was given in, sealed in the store, and in what Ideogram was sent (F.58)', async () => {
  const all = [...given, OLD, NEW];
  const log = join(it.tools, 'an-application.log');
  writeFileSync(log, `it sent ${NEW} by mistake\n`);
  await it.ideogate('scan', log);
  // A gateway that another test killed is known for ten seconds more, and does not confirm.
  for (const words of [
    ['kill', '--key', await activeId()],
    ['revive', '--key', await activeId()],
  ])
    await vi.waitUntil(async () => (await it.ideogate(...words, '--reason', 'the hunt')).code === 0, {
      timeout: 30_000,
      interval: 500,
    });
  for (const words of [
    ['kills'],
    ['keys', 'list', '--all'],
    ['doctor'],
    ['keys', 'add', '--for', 'write', '--from', log],
  ])
    await it.ideogate(...words);
  const identity = readFileSync(join(it.one.data, 'staging/keys-identity'), 'utf8').trim();
  const secret = identity.slice(identity.indexOf('AGE-SECRET-KEY'));
  const hunt = huntFor({ 'Ideogram key': all, 'identity of the store': [secret] });
  const pages = ['/-/ready', '/-/health', '/.well-known/oauth-protected-resource'];
  const read = async (url: string) => (await fetch(url)).text();
  const places: readonly (readonly [string, string, string])[] = [
    ['what `keys`, `kill`, `revive`, `kills`, `scan` and `doctor` said', it.heard.output, 'serves all calls'],
    ['command lines of all these, as `/proc` shows them', it.heard.commandLines, '--canary'],
    ['stdout and stderr of two gateways', gatewaysSaid(), '"write":["key_'],
    [
      'answers of the control sockets',
      (await answered('{"entries":[]}')) + (await answered(`{"entries":["${NEW}`)),
      '"instance"',
    ],
    [
      'files in the data folders, but the identity itself',
      filesIn(it.one.data, it.two.data).replaceAll(secret, ''),
      'fingerprint',
    ],
    ['files in the control folder', filesIn(join(it.tools, 'control')), ''],
    ['every row of every table', await rowsOfAll(), 'key-'],
    [
      'metrics and pages of the gateways',
      (
        await Promise.all(
          [it.one, it.two].flatMap(({ ready }) =>
            [ready.metrics, ...pages.map((page) => ready.gateway + page)].map(read),
          ),
        )
      ).join('\n'),
      'ideogate_',
    ],
  ];
  const found: [string, readonly string[]][] = [];
  for (const [place, text, expected] of places) {
    expect(text, `in ${place}`).toContain(expected);
    expect(
      text.split('\n').filter((line) => line.includes('MARKED')),
      `in ${place}`,
    ).toEqual([]);
    found.push([place, hunt.in(text)]);
  }
  const page = readFileSync(join(REPOSITORY, 'docs/security.md'), 'utf8');
  const [, told = ''] = /<!-- secrets of keys and orders -->\n([^]*?)\n<!-- \/secrets/.exec(page) ?? [];
  expect(tableOfPlaces(hunt.kinds, found)).toBe(told.trim());
  await stop(it.two);
}, 120_000);
