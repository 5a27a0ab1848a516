import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FolderInUseError, LocalPostgresError, lockFolder } from '../src/index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ideogate-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const me = { pid: process.pid, port: 8787 };

test('a second start on the same data is told in one line which process has it', () => {
  const lock = lockFolder(folder, me);
  const second = caught(() => lockFolder(folder, me));
  expect(second).toBeInstanceOf(FolderInUseError);
  expect(second.message).toContain(`process ${process.pid}, port 8787`);
  expect(second.message).not.toContain('\n');
  lock.release();
  lock.release();
  lockFolder(folder, me).release();
  expect(readdirSync(folder)).toEqual([]);
});

test('the lock of a process that was killed is taken over', async () => {
  const dead = await deadLock();
  writeFileSync(join(folder, 'lock'), dead);
  const lock = lockFolder(folder, me);
  expect(readFileSync(join(folder, 'lock'), 'utf8')).toContain(`"pid":${process.pid}`);
  lock.release();
  expect(readdirSync(folder)).toEqual([]);
});

test('so is the lock of a process that was killed while it took one over', async () => {
  const dead = await deadLock();
  for (const name of ['lock', 'lock.take-over', 'lock.take-over.take-over']) {
    writeFileSync(join(folder, name), dead);
  }
  lockFolder(folder, me).release();
  expect(readdirSync(folder)).toEqual([]);
});

test('a process that only has the pid of a dead holder keeps nobody out', () => {
  writeFileSync(
    join(folder, 'lock'),
    JSON.stringify({ pid: process.pid, port: 8787, start: 'another boot:1', token: 'another' }),
  );
  lockFolder(folder, me).release();
  expect(readdirSync(folder)).toEqual([]);
});

test.each(['', '{', 'null', '[]', '{"pid":"1"}', '{"pid":-1,"port":1,"start":"","token":""}'])(
  'a lock file that says nothing (%j) keeps nobody out',
  (text) => {
    writeFileSync(join(folder, 'lock'), text);
    lockFolder(folder, me).release();
    expect(readdirSync(folder)).toEqual([]);
  },
);

test('a lock that somebody else holds by now is not released', () => {
  const lock = lockFolder(folder, me);
  rmSync(join(folder, 'lock'));
  const other = lockFolder(folder, me);
  lock.release();
  expect(caught(() => lockFolder(folder, me))).toBeInstanceOf(FolderInUseError);
  other.release();
});

test('a folder that cannot be made is named in one line', () => {
  writeFileSync(join(folder, 'file'), '');
  const error = caught(() => lockFolder(join(folder, 'file', 'data'), me));
  expect(error).toBeInstanceOf(LocalPostgresError);
  expect(error.message).toContain(join(folder, 'file', 'data'));
});

test('of many processes that fight over a folder, dead holders included, no two are ever inside', async () => {
  const dead = await deadLock();
  const script = fileURLToPath(new URL('./contender.ts', import.meta.url));
  const contenders = Array.from({ length: 6 }, () => {
    const child = spawn(process.execPath, [script, folder, '400', dead], { stdio: 'pipe' });
    const output = { out: '', err: '' };
    child.stdout.on('data', (bytes) => (output.out += String(bytes)));
    child.stderr.on('data', (bytes) => (output.err += String(bytes)));
    return { child, output, gone: once(child, 'exit') };
  });
  await Promise.all(contenders.map(({ child }) => once(child.stdout, 'data')));
  for (const { child } of contenders) child.stdin.write('go\n');
  const codes = await Promise.all(contenders.map(({ gone }) => gone.then(([code]: unknown[]) => code)));
  expect(contenders.map(({ output }) => output.err)).toEqual(contenders.map(() => ''));
  expect(codes).toEqual(contenders.map(() => 0));
  const wins = contenders.map(({ output }) => Number(/won (\d+)/.exec(output.out)?.[1]));
  expect(wins.reduce((sum, won) => sum + won, 0)).toBeGreaterThan(20);
});

/** What a process that is dead now would have left. */
async function deadLock(): Promise<string> {
  const child: ChildProcess = spawn(process.execPath, ['--eval', ''], { stdio: 'ignore' });
  await once(child, 'exit');
  return JSON.stringify({ pid: child.pid, port: 8787, start: 'this boot:1', token: 'dead' });
}

function caught(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('it should have been refused');
}
