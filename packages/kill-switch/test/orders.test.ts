import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type KillEntry, tellGateways } from '../src/control.ts';
import { ControlError, OrderFileError } from '../src/index.ts';
import { serveControl } from '../src/control-socket.ts';
import { readOrderFile, writeOrderFile } from '../src/order-file.ts';
import { Orders } from '../src/orders.ts';

const ID = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const entry = (n: number, what: KillEntry['what'], kind: KillEntry['kind'], target: string): KillEntry => ({
  id: ID(n),
  what,
  kind,
  target,
  reason: 'a test',
  who: 'tester@test',
  at: '2026-01-01T00:00:00.000Z',
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ideogate-kill-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ['a key', entry(1, 'kill', 'key', 'key_a'), 'key'],
  ['a caller', entry(1, 'kill', 'caller', 'writer'), 'caller'],
  ['who acts for a caller', entry(1, 'kill', 'caller', 'agent'), 'caller'],
  ['an environment', entry(1, 'kill', 'environment', 'staging'), 'environment'],
  ['another key', entry(1, 'kill', 'key', 'key_b'), null],
  ['another caller', entry(1, 'kill', 'caller', 'reader'), null],
  ['a caller with the name of a key', entry(1, 'kill', 'caller', 'key_a'), null],
] as const)('an order that stops %s stops just that', (_, order, stopped) => {
  const orders = new Orders();
  expect(orders.stops('staging', 'key_a', 'writer', 'agent')).toBeNull();
  orders.add(order);
  expect(orders.stops('staging', 'key_a', 'writer', 'agent')).toBe(stopped);
});

test('a target is stopped until every order that stops it is undone, in whatever sequence they are heard of', () => {
  const entries = [
    entry(1, 'kill', 'key', 'key_a'),
    entry(2, 'kill', 'key', 'key_a'),
    entry(1, 'revive', 'key', 'key_a'),
    entry(3, 'kill', 'caller', 'writer'),
    entry(3, 'revive', 'caller', 'writer'),
  ];
  fc.assert(
    fc.property(fc.shuffledSubarray(entries, { minLength: 5 }), (heard) => {
      const orders = new Orders();
      for (const one of [...heard, ...heard]) orders.add(one);
      expect(orders.inForce().map(({ id }) => id)).toEqual([ID(2)]);
      expect(orders.stops('staging', 'key_a', 'writer', null)).toBe('key');
      orders.add(entry(2, 'revive', 'key', 'key_a'));
      expect(orders.stops('staging', 'key_a', 'writer', null)).toBeNull();
    }),
  );
});

test('orders are on the disk as they were given; a file that cannot be relied on is an error, never no orders', () => {
  const file = join(folder, 'kill-orders.json');
  expect(readOrderFile(file)).toEqual([]);
  const entries = [entry(1, 'kill', 'key', 'key_a'), entry(2, 'kill', 'environment', 'staging')];
  writeOrderFile(file, entries);
  expect(readOrderFile(file)).toEqual(entries);
  const whole = readFileSync(file, 'utf8');
  for (const text of ['', whole.slice(0, -20), '{}', whole.replace('"kill"', '"kil"')]) {
    writeFileSync(file, text);
    expect(() => readOrderFile(file)).toThrow(OrderFileError);
  }
});

describe('the control socket', () => {
  const gateway = { instance: 'a gateway', name: 'staging-1', peers: () => ['a gateway', 'another'] };

  test('gives entries to every gateway of the folder, and tells what each has then', async () => {
    const orders = new Orders();
    const take = (entries: readonly KillEntry[]) => {
      for (const one of entries) orders.add(one);
      return orders.entries();
    };
    const control = join(folder, 'control');
    const one = await serveControl(control, gateway, take);
    const order = entry(1, 'kill', 'key', 'key_a');
    expect(await tellGateways(control, [order])).toEqual([
      expect.objectContaining({ instance: 'a gateway', entries: [order], peers: ['a gateway', 'another'] }),
    ]);
    expect(orders.stops('staging', 'key_a', null, null)).toBe('key');
    await one.close();
    expect(await tellGateways(control, [])).toEqual([]);
  });

  test('confirms nothing when it could not be written, or is not understood', async () => {
    const control = join(folder, 'control');
    const full = await serveControl(control, gateway, () => {
      throw new Error('no space left on device');
    });
    for (const entries of [[entry(1, 'kill', 'key', 'key_a')], [{ ...entry(1, 'kill', 'key', ''), id: 'x' }]])
      expect(await tellGateways(control, entries)).toEqual([expect.objectContaining({ fault: 'no answer' })]);
    await full.close();
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
