import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Kill, tellGateways } from '../src/control.ts';
import { parseKill } from '../src/kill.ts';
import { ControlError, KillFileError } from '../src/index.ts';
import { serveControl } from '../src/control-socket.ts';
import { readKillFile, writeKillFile } from '../src/kill-file.ts';
import { Kills } from '../src/kills.ts';

const ID = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const kill = (n: number, what: Kill['what'], kind: Kill['kind'], target: string): Kill => ({
  id: ID(n),
  what,
  kind,
  target,
  reason: 'a test',
  who: 'tester@test',
  at: '2026-01-01T00:00:00.000Z',
});

/** A process that listens on a Unix socket, and dies without a word. */
const LEAVES_A_SOCKET = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ideogate-kill-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ['a key', kill(1, 'kill', 'key', 'key_a'), 'key'],
  ['a caller', kill(1, 'kill', 'caller', 'writer'), 'caller'],
  ['who acts for a caller', kill(1, 'kill', 'caller', 'agent'), 'caller'],
  ['an environment', kill(1, 'kill', 'environment', 'staging'), 'environment'],
  ['another key', kill(1, 'kill', 'key', 'key_b'), null],
  ['another caller', kill(1, 'kill', 'caller', 'reader'), null],
  ['a caller with the name of a key', kill(1, 'kill', 'caller', 'key_a'), null],
] as const)('an order that stops %s stops just that', (_, order, stopped) => {
  const kills = new Kills();
  expect(kills.stops('staging', 'key_a', 'writer', 'agent')).toBeNull();
  kills.add(order);
  expect(kills.stops('staging', 'key_a', 'writer', 'agent')).toBe(stopped);
});

test('a target is stopped until every order that stops it is undone, in whatever sequence they are heard of', () => {
  const given = [
    kill(1, 'kill', 'key', 'key_a'),
    kill(2, 'kill', 'key', 'key_a'),
    kill(1, 'revive', 'key', 'key_a'),
    kill(3, 'kill', 'caller', 'writer'),
    kill(3, 'revive', 'caller', 'writer'),
  ];
  fc.assert(
    fc.property(fc.shuffledSubarray(given, { minLength: 5 }), (heard) => {
      const kills = new Kills();
      for (const one of [...heard, ...heard]) kills.add(one);
      expect(kills.active().map(({ id }) => id)).toEqual([ID(2)]);
      expect(kills.stops('staging', 'key_a', 'writer', null)).toBe('key');
      kills.add(kill(2, 'revive', 'key', 'key_a'));
      expect(kills.stops('staging', 'key_a', 'writer', null)).toBeNull();
    }),
  );
});

test('as many orders as a line of the control socket holds are taken up at once: calls do not wait for it', () => {
  const kills = new Kills();
  const began = performance.now();
  for (let n = 0; n < 20_000; n += 1) kills.add(kill(n, 'kill', 'key', `key_${n}`));
  for (let n = 0; n < 19_999; n += 1) kills.add(kill(n, 'revive', 'key', `key_${n}`));
  // Each looked through all of them once: that were minutes.
  expect(performance.now() - began).toBeLessThan(5000);
  expect(kills.stops('staging', 'key_0', null, null)).toBeNull();
  expect(kills.stops('staging', 'key_19999', null, null)).toBe('key');
});

test.each(['1', 'Mon, 05 Jan 2026 00:00:00 GMT', '+010000-01-01T00:00:00.000Z', '2026-13-01T00:00:00.000Z'])(
  'a time that no table takes (%s) is no part of an order: the gateway could never hand on those behind it',
  (at) => {
    expect(parseKill(kill(1, 'kill', 'key', 'key_a'))).not.toBeNull();
    expect(parseKill({ ...kill(1, 'kill', 'key', 'key_a'), at })).toBeNull();
  },
);

test('orders are on the disk as they were given; a file that cannot be relied on is an error, never no orders', () => {
  const file = join(folder, 'kill-orders.json');
  expect(readKillFile(file)).toEqual([]);
  const given = [kill(1, 'kill', 'key', 'key_a'), kill(2, 'kill', 'environment', 'staging')];
  writeKillFile(file, given);
  expect(readKillFile(file)).toEqual(given);
  const whole = readFileSync(file, 'utf8');
  for (const text of ['', whole.slice(0, -20), '{}', whole.replace('"kill"', '"kil"')]) {
    writeFileSync(file, text);
    expect(() => readKillFile(file)).toThrow(KillFileError);
  }
});

test('where the disk has no room for all orders, writing fails and those on the disk stay: half a file is never confirmed', () => {
  const file = join(folder, 'kill-orders.json');
  const before = [kill(1, 'kill', 'key', 'key_a')];
  writeKillFile(file, before);
  const writer = fileURLToPath(new URL('./write-kills.main.ts', import.meta.url));
  // A file of at most four blocks: what goes beyond is written in part, as on a full disk.
  const { status, stdout } = spawnSync(
    'sh',
    ['-c', `trap '' XFSZ; ulimit -f 4; exec "$0" "$1" "$2"`, process.execPath, writer, file],
    { encoding: 'utf8' },
  );
  expect([status, stdout]).toEqual([1, '']);
  expect(readKillFile(file)).toEqual(before);
});

test.each(['2026-02-30T10:00:00.000Z', '0000-01-01T00:00:00.000Z', '2026-01-01T24:00:00.000Z', 'infinity'])(
  'an entry of %s is none: no table has that time, and all behind it would wait',
  (at) => {
    expect(parseKill({ ...kill(1, 'kill', 'key', 'key_a'), at })).toBeNull();
    expect(parseKill(kill(1, 'kill', 'key', 'key_a'))).not.toBeNull();
  },
);

test('a pipe in the place of the file of orders is an error: the start does not wait for who may write there', () => {
  const file = join(folder, 'kill-orders.json');
  spawnSync('mkfifo', [file]);
  expect(() => readKillFile(file)).toThrow(KillFileError);
});

describe('the control socket', () => {
  const gateway = { instance: 'a gateway', name: 'staging-1', peers: () => ['a gateway', 'another'] };

  test('gives entries to every gateway of the folder, and tells what each has then', async () => {
    const kills = new Kills();
    const take = (heard: readonly Kill[]) => {
      for (const one of heard) kills.add(one);
      return kills.all();
    };
    const control = join(folder, 'control');
    const one = await serveControl(control, gateway, take);
    const order = kill(1, 'kill', 'key', 'key_a');
    expect(await tellGateways(control, [order])).toEqual([
      expect.objectContaining({ instance: 'a gateway', kills: [order], peers: ['a gateway', 'another'] }),
    ]);
    expect(kills.stops('staging', 'key_a', null, null)).toBe('key');
    await one.close();
    expect(await tellGateways(control, [])).toEqual([]);
  });

  test('confirms nothing when it could not be written, or is not understood', async () => {
    const control = join(folder, 'control');
    const full = await serveControl(control, gateway, () => {
      throw new Error('no space left on device');
    });
    for (const given of [[kill(1, 'kill', 'key', 'key_a')], [{ ...kill(1, 'kill', 'key', ''), id: 'x' }]])
      expect(await tellGateways(control, given)).toEqual([expect.objectContaining({ fault: 'no answer' })]);
    await full.close();
  });

  test('of a gateway that was killed is taken away by one that starts, and that of one about to listen is not', async () => {
    const control = join(folder, 'control');
    mkdirSync(control, { mode: 0o700 });
    for (const name of ['killed.sock', 'young.sock'])
      spawnSync(process.execPath, ['-e', LEAVES_A_SOCKET, join(control, name)]);
    const aMinuteAgo = Date.now() / 1000 - 60;
    utimesSync(join(control, 'killed.sock'), aMinuteAgo, aMinuteAgo);
    const one = await serveControl(control, { ...gateway, name: 'one' }, () => []);
    utimesSync(join(control, 'one.sock'), aMinuteAgo, aMinuteAgo);
    const two = await serveControl(control, { ...gateway, name: 'two' }, () => []);
    expect(readdirSync(control).toSorted()).toEqual(['one.sock', 'two.sock', 'young.sock']);
    expect(await tellGateways(control, [])).toHaveLength(2);
    await one.close();
    await two.close();
  });

  test('in a folder that others may enter is asked nothing: anybody could confirm, or forge orders', async () => {
    const control = join(folder, 'control');
    const squatter = await serveControl(control, gateway, () => [kill(9, 'kill', 'caller', 'forged')]);
    chmodSync(control, 0o777);
    const told = await tellGateways(control, [kill(1, 'kill', 'key', 'key_a')]);
    expect(told).toEqual([
      { socket: control, fault: expect.stringMatching(/nobody else may enter: chmod 700/) },
    ]);
    chmodSync(control, 0o700);
    await squatter.close();
    expect(await tellGateways(join(folder, 'never'), [])).toEqual([]);
  });

  test('is opened in no folder that others may enter', async () => {
    const open = join(folder, 'open');
    mkdirSync(open);
    chmodSync(open, 0o755);
    await expect(serveControl(open, gateway, () => [])).rejects.toThrow(ControlError);
    await expect(serveControl(join(folder, 'x'.repeat(120)), gateway, () => [])).rejects.toThrow(
      /too long for a socket/,
    );
  });
});
