import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openReadPool } from '@ideogate/audit';
import { keyIdOf } from '@ideogate/upstream-keys';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  generate,
  installationKeys,
  newFolder,
  type Product,
  ran,
  REPOSITORY,
  start,
  token,
} from './running-product.ts';

const KEY = 'fake-ideogram-key-MARKED-0123456789-abcdef';
const ID = keyIdOf(Buffer.from(KEY), 'fake-fingerprint-secret');
const MAIN = join(REPOSITORY, 'apps/cli/src/main.ts');

let env: Record<string, string>;
beforeAll(() => {
  const folder = newFolder();
  writeFileSync(join(folder, 'fingerprint'), 'fake-fingerprint-secret\n');
  writeFileSync(join(folder, 'known.json'), JSON.stringify([{ id: ID, slot: 'write' }]));
  env = {
    IDEOGATE_DATA: join(folder, 'none'),
    IDEOGATE_FINGERPRINT_SECRET_FILE: join(folder, 'fingerprint'),
    KNOWN: join(folder, 'known.json'),
  };
});
function newRepository() {
  const folder = newFolder();
  const git = (...words: string[]) =>
    spawnSync('git', ['-C', folder, '-c', 'user.name=x', '-c', 'user.email=x@example.invalid', ...words], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: folder, ...env },
    });
  git('init', '-q', '-b', 'main');
  return { folder, git, write: (file: string, text: string) => writeFileSync(join(folder, file), text) };
}

test('a known key in a log on standard input is told by its place and its id, and never shown', async () => {
  const child = spawn(process.execPath, [MAIN, 'scan', '--stdin', '--known', env['KNOWN'] ?? ''], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const lines = Array.from({ length: 20_000 }, (_, at) => `line ${at}: all is well`);
  lines[12_345] = `2026-01-01 POST /x api-key=${KEY} 200`;
  child.stdin.end(lines.join('\n'));
  const [out, said] = await Promise.all([child.stdout.toArray(), child.stderr.toArray()]);
  expect(JSON.parse(Buffer.concat(out).toString())).toEqual({
    findings: [
      {
        rule: 'known-key',
        keyId: ID,
        file: 'standard input',
        object: null,
        line: 12_346,
        column: 28,
        commit: null,
      },
    ],
    sources: 1,
    more: false,
  });
  expect(Buffer.concat([...out, ...said]).toString()).not.toContain('MARKED');
});

describe('the hook', () => {
  test('refuses a commit of a .env that holds a key, tells why, and lets through what is mended', async () => {
    const { folder, git, write } = newRepository();
    const installed = await ran(['scan', '--install-hook', folder], { env });
    expect([installed.code, installed.stdout]).toEqual([0, expect.stringContaining('pre-commit')]);
    write('.env', `IDEOGRAM_API_KEY=${KEY}\n`);
    write('a.ts', 'export {};\n');
    git('add', '.');
    const refused = git('commit', '-m', 'one');
    expect(refused.status).toBe(1);
    expect(refused.stdout + refused.stderr).toMatch(/^\.env:1:1 {2}env-file$/m);
    expect(refused.stdout + refused.stderr).toMatch(/Nothing was committed.*git restore --staged/);
    expect(refused.stdout + refused.stderr).not.toContain('MARKED');
    expect(git('rev-parse', '--verify', '-q', 'HEAD').status).toBe(1);

    write('.gitignore', '.env\n');
    git('rm', '-q', '--cached', '.env');
    git('add', '.');
    expect(git('commit', '-m', 'one').status).toBe(0);
    expect(git('show', '--name-only', '--format=', 'HEAD').stdout).toBe('.gitignore\na.ts\n');
    // Made anew, it is still the same hook.
    expect((await ran(['scan', '--install-hook', folder], { env })).code).toBe(0);
  });
  test('of somebody else is left as it is, and the line to add is told', async () => {
    const { folder } = newRepository();
    const hook = join(folder, '.git/hooks/pre-commit');
    writeFileSync(hook, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    const { code, stderr } = await ran(['scan', '--install-hook', folder], { env });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/is there already[^]*scan --staged/)]);
    expect(readFileSync(hook, 'utf8')).toBe('#!/bin/sh\nexit 0\n');
  });
});

test('the history gives the commit that brought a key, in JSON and in SARIF', async () => {
  const { folder, git, write } = newRepository();
  write('a.ts', `const key = '${KEY}';\n`);
  git('add', '.');
  git('commit', '-qm', 'one');
  const commit = git('rev-parse', 'HEAD').stdout.trim();
  git('rm', '-q', 'a.ts');
  git('commit', '-qm', 'two');
  const scan = (...words: string[]) =>
    ran(['scan', folder, '--known', env['KNOWN'] ?? '', ...words], { env });
  const [json, sarif, now] = await Promise.all([scan('--history'), scan('--history', '--sarif'), scan()]);
  expect([json.code, JSON.parse(json.stdout)]).toMatchObject([
    1,
    { findings: [{ file: 'a.ts', keyId: ID, commit }] },
  ]);
  expect([sarif.code, JSON.parse(sarif.stdout)]).toMatchObject([
    1,
    { version: '2.1.0', runs: [{ results: [{ level: 'error' }] }] },
  ]);
  expect([now.code, JSON.parse(now.stdout)]).toMatchObject([0, { findings: [] }]);
});

test('what git names and this clone lacks is said not to be looked at: no hook and no pipeline passes on it', async () => {
  const folder = newFolder();
  const git = (...words: string[]) => execFileSync('git', ['-C', folder, ...words], { encoding: 'utf8' });
  git('init', '-q');
  writeFileSync(join(folder, 'a.ts'), 'nothing\n');
  git('add', 'a.ts');
  const object = git('rev-parse', ':a.ts').trim();
  rmSync(join(folder, '.git/objects', object.slice(0, 2), object.slice(2)));
  const { code, stderr } = await ran(['scan', folder, '--staged'], { env });
  expect([code, stderr]).toEqual([1, expect.stringMatching(/NOT LOOKED AT: 1 objects/)]);
});

test('what is asked for wrongly is told in one line', async () => {
  const cases: readonly (readonly [words: string[], code: number, line: RegExp])[] = [
    [['--history', '--staged'], 3, /at a time/],
    [['x', '--stdin'], 3, /does not go with/],
    [['--sarif', '--json'], 3, /Either/],
    [['/nowhere/at/all'], 3, /is not there/],
    [['/dev/null'], 3, /neither a file nor a folder/],
    [['--known', '/nowhere'], 3, /--known: .*cannot be read/],
    [[newFolder(), '--history'], 1, /not a git repository/],
  ];
  const ended = await Promise.all(cases.map(([words]) => ran(['scan', ...words], { env })));
  expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(
    cases.map(([, code, line]) => [code, expect.stringMatching(line)]),
  );
});

describe('beside a running product', () => {
  let product: Product;
  let folder: string;
  beforeAll(async () => {
    product = await start();
    folder = newFolder();
    const kept = installationKeys(join(product.data, 'staging'));
    writeFileSync(join(folder, 'leak.log'), `POST key ${kept['emulator-write']} 200\n`);
    // What a caller sends in a path is on record as it is: nobody can tell that it is a secret.
    writeFileSync(join(folder, 'known'), keyIdOf(Buffer.from(KEY), kept['fingerprint'] ?? ''));
    await fetch(`${product.ready.gateway}/v1/${KEY}`);
  });
  const scan = (...words: string[]) => ran(['scan', ...words], { env: { IDEOGATE_DATA: product.data } });

  test('its keys are known without a word, and never have to be given', async () => {
    const { code, stdout } = await scan(folder);
    const write = product.keys.find(({ slot }) => slot === 'write')?.id;
    expect([code, JSON.parse(stdout)]).toMatchObject([
      1,
      { findings: [{ file: 'leak.log', keyId: write, column: 10 }] },
    ]);
  });
  test('with --enforce all calls with a key that is found are stopped', async () => {
    const write = product.keys.find(({ slot }) => slot === 'write')?.id ?? '';
    const bearer = await token(product, 'writer');
    expect((await generate(product, bearer)).status).toBe(200);
    const { code, stdout } = await scan(folder, '--enforce');
    expect([code, JSON.parse(stdout)]).toMatchObject([
      1,
      { stopped: { [write]: { confirmed: [expect.any(String)], silent: [], database: null } } },
    ]);
    expect((await generate(product, bearer)).status).toBe(403);
    const { stdout: orders } = await ran(['kills'], { env: { IDEOGATE_DATA: product.data } });
    expect(JSON.parse(orders)).toMatchObject([
      { kind: 'key', target: write, reason: expect.stringMatching(/^scan found it in leak.log:1$/) },
    ]);
  });
  test('the words of its record are looked through, and that is on record', async () => {
    const { code, stdout } = await scan('--record', '--known', join(folder, 'known'));
    const known = readFileSync(join(folder, 'known'), 'utf8');
    const { findings } = JSON.parse(stdout) as { findings: { keyId: string; file: string }[] }; // as: what the command prints
    expect([code, findings]).toMatchObject([
      1,
      [{ keyId: known, file: expect.stringMatching(/^record, writer .*, event \d+$/) }],
    ]);
    const pool = openReadPool(product.logins.read);
    const { rows } = await pool.query(
      "SELECT operation, detail FROM ideogate.audit_notice WHERE notice = 'record-read'",
    );
    await pool.end();
    expect(rows).toEqual([{ operation: 'scan', detail: { of: 'record' } }]);
  });
});
