import { keyIdOf } from '@ideogate/upstream-keys';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { cleanUp, type Running, stop } from './running-product.ts';
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
  const kept = JSON.parse(readFileSync(join(it.one.data, 'staging/secrets.json'), 'utf8')) as {
    fingerprint: string;
  }; // as: as start wrote it
  idOf = (key) => keyIdOf(Buffer.from(key), kept.fingerprint);
}, 120_000);
afterAll(async () => {
  await cleanUp();
  await it?.close();
});

const says = (running: Running, words: RegExp) =>
  vi.waitUntil(() => words.test(running.stderr()), { timeout: 30_000, interval: 10 });

const states = async () =>
  new Map((await it.list()).filter(({ slot }) => slot === 'write').map(({ id, state }) => [id, state]));

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
  expect(
    [it.one, it.two].some((product) => /ALARM: Ideogram refuses the new key/.test(product.stdout())),
  ).toBe(true);
  expect(await it.keys('revoke', idOf(third), '--yes')).toMatchObject({ code: 0 });
}, 120_000);

/** What goes down at each step in turn. The long form takes it all; the suite the command alone. */
const DOWN = LONG ? (['the command', 'a gateway', 'Postgres'] as const) : (['the command'] as const);

test.each(DOWN)(
  'a rotation in which %s is killed at each step goes on there: never two truths, never a lost key (F.59)',
  async (what) => {
    const next = `fake-next-write-key-MARKED-${what.replaceAll(' ', '-')}`;
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
        it.two.child.kill('SIGKILL');
        await it.two.ended;
        rotation.child.kill('SIGKILL');
        await it.again('two');
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
  const client = new Client({ connectionString: it.one.ready.databaseUrl });
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
  it.two.child.kill('SIGKILL');
  await it.two.ended;
  await it.again('two');
  expect(it.two.stdout()).toContain(`"write":["${active}"]`);
  await stop(it.two);
}, 60_000);
