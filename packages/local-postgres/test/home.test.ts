import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { chooseHome, clusterIn, prepareFolder } from '../src/home.ts';
import { LocalPostgresError } from '../src/local-postgres-error.ts';
import type { ServerAccount } from '../src/server-account.ts';

// Somebody who is neither us nor in our groups; Postgres isn't started here, so nobody needs to exist.
const account: ServerAccount = { name: 'somebody', uid: 54_321, gid: 54_321 };

let work: string;
let stateRoot: string;
beforeEach(() => {
  work = realpathSync(mkdtempSync(join(tmpdir(), 'ideogate-home-')));
  chmodSync(work, 0o755);
  stateRoot = join(work, 'state');
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

/** A data folder below a folder of that mode, whose database was made. */
function data(mode: number, name = 'clone'): { above: string; folder: string; home: string } {
  const above = join(work, name);
  const folder = prepareFolder(join(above, 'data'));
  chmodSync(above, mode);
  const home = chooseHome(folder, account, stateRoot).folder;
  mkdirSync(clusterIn(home));
  return { above, folder, home };
}

const MODES: readonly [mode: number, stays: boolean][] = [
  [0o755, true],
  [0o711, true],
  [0o751, true],
  [0o750, false],
  [0o700, false],
  [0o744, false],
  [0o770, false],
];
test.each(MODES)('below a folder of mode %o the database is in the data folder: %s', (mode, stays) => {
  const { folder, home } = data(mode);
  expect(home === folder).toBe(stays);
  expect(chooseHome(folder, account, stateRoot).folder).toBe(home);
});

test('as an ordinary user it is in the data folder whatever is above', () => {
  const folder = prepareFolder(join(work, 'closed', 'data'));
  chmodSync(join(work, 'closed'), 0o700);
  expect(chooseHome(folder, null, stateRoot)).toEqual({ folder, account: null, notice: null });
});

test('the notice names the place, the account and the folder that it cannot pass', () => {
  const { above, folder, home } = data(0o700);
  const { notice } = chooseHome(folder, account, stateRoot);
  for (const part of [home, 'somebody', above]) expect(notice).toContain(part);
});

test('a data folder that was renamed takes its database along', () => {
  const { above, home } = data(0o700);
  renameSync(above, join(work, 'renamed'));
  const moved = chooseHome(join(work, 'renamed', 'data'), account, stateRoot);
  expect(moved.folder).not.toBe(home);
  renameSync(clusterIn(moved.folder), join(work, 'it-was-there'));
});

test('a copy of a data folder never gets the database of the original', () => {
  const { above, home } = data(0o700);
  cpSync(above, join(work, 'copy'), { recursive: true });
  chmodSync(join(work, 'copy'), 0o700);
  const copy = chooseHome(join(work, 'copy', 'data'), account, stateRoot).folder;
  expect(copy).not.toBe(home);
  expect(() => renameSync(clusterIn(copy), join(work, 'it-was-there'))).toThrow('ENOENT');
});

test('a new data folder in the place of a removed one starts empty', () => {
  const { above, home } = data(0o700);
  rmSync(above, { recursive: true });
  expect(data(0o700).home).not.toBe(home);
});

test('a database that lives elsewhere is still used when the folders above were opened', () => {
  const { above, folder, home } = data(0o700);
  chmodSync(above, 0o755);
  expect(chooseHome(folder, account, stateRoot).folder).toBe(home);
});

test('an ordinary user who finds a database that root made elsewhere is told so, not given an empty one', () => {
  const { folder, home } = data(0o700);
  expect(() => chooseHome(folder, null, stateRoot)).toThrow(LocalPostgresError);
  expect(() => chooseHome(folder, null, stateRoot)).toThrow(home);
});

test('an id that somebody edited cannot lead out of the state folder', () => {
  const { folder } = data(0o700);
  writeFileSync(join(folder, 'id'), '../../../etc\n');
  expect(() => chooseHome(folder, account, stateRoot)).toThrow('16 hexadecimal digits');
});

test('where the account can reach no place at all, the line names both', () => {
  const folder = prepareFolder(join(work, 'clone', 'data'));
  chmodSync(join(work, 'clone'), 0o700);
  mkdirSync(join(work, 'locked'), { mode: 0o700 });
  expect(() => chooseHome(folder, account, join(work, 'locked', 'state'))).toThrow(
    `may pass neither ${join(work, 'clone')} nor ${join(work, 'locked')}`,
  );
});
