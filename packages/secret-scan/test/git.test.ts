import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { largeHistory } from '@ideogate/testkit/large-history';
import { afterAll, describe, expect, test } from 'vitest';
import {
  filesBelow,
  GitError,
  gitHistory,
  gitIndex,
  ignoredByGit,
  introducedBy,
  MissingObjectsError,
  NoFileError,
  type Source,
} from '../src/index.ts';
import { all, finder, inOne, KEY, source } from './known.ts';

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ideogate-scan-'));
  folders.push(folder);
  return folder;
}

function newRepository(): {
  folder: string;
  git: (...words: string[]) => string;
  write: (file: string, text: string) => void;
} {
  const folder = newFolder();
  const git = (...words: string[]) =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=x', '-c', 'user.email=x@example.invalid', ...words], {
      encoding: 'utf8',
    });
  git('init', '-q', '-b', 'main');
  return {
    folder,
    git,
    write: (file, text) => {
      mkdirSync(join(folder, file, '..'), { recursive: true });
      writeFileSync(join(folder, file), text);
    },
  };
}

const HOLDS = `const key = '${KEY}';\n`;
const where = (found: Awaited<ReturnType<typeof all>>) =>
  found.map(({ file, rule }) => `${file} ${rule}`).sort();

describe('a folder', () => {
  test('is looked through as git sees it: what it has and would take, not what it ignores', async () => {
    const { folder, git, write } = newRepository();
    write('.gitignore', 'dist/\n.env\n');
    for (const file of ['tracked.ts', 'new.ts', 'deep/er/a b.ts', 'dist/built.js', '.env', 'removed.ts'])
      write(file, HOLDS);
    git('add', 'tracked.ts', 'removed.ts');
    rmSync(join(folder, 'removed.ts'));
    symlinkSync(join(folder, 'tracked.ts'), join(folder, 'link.ts'));
    expect(where(await all(filesBelow(folder), finder(KEY)))).toEqual([
      'deep/er/a b.ts known-key',
      'new.ts known-key',
      'tracked.ts known-key',
    ]);
  });
  test('that git knows nothing of is walked, and a single file is looked at whatever it is', async () => {
    const folder = newFolder();
    mkdirSync(join(folder, 'node_modules'));
    for (const file of ['a.ts', '.env', 'node_modules/b.ts']) writeFileSync(join(folder, file), HOLDS);
    expect(where(await all(filesBelow(folder), finder(KEY)))).toEqual(['.env known-key', 'a.ts known-key']);
    expect(await all(filesBelow(join(folder, 'node_modules/b.ts')), finder(KEY))).toHaveLength(1);
  });
  test('with a pipe in it does not wait for who may write there, nor does the pipe itself, nor one in a file’s place', async () => {
    const folder = newFolder();
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(await all(filesBelow(folder), finder(KEY))).toEqual([]);
    await expect(all(filesBelow(pipe), finder(KEY))).rejects.toThrow(/scanned with --stdin/);
    writeFileSync(join(folder, 'a.ts'), HOLDS);
    const listed: Source[] = [];
    for await (const one of filesBelow(folder)) listed.push(one);
    rmSync(join(folder, 'a.ts'));
    execFileSync('mkfifo', [join(folder, 'a.ts')]);
    await expect(inOne(listed[0] ?? source(''), finder(KEY))).rejects.toThrow(NoFileError);
  });
});

describe('the index', () => {
  test('is looked at as it is staged, not as the file stands now', async () => {
    const { folder, git, write } = newRepository();
    write('staged.ts', HOLDS);
    write('clean.ts', 'nothing\n');
    git('add', '.');
    write('staged.ts', 'taken out of the file, and not of the index\n');
    write('clean.ts', HOLDS);
    expect(where(await all(gitIndex(folder), finder(KEY)))).toEqual(['staged.ts known-key']);
    git('commit', '-qm', 'one');
    expect(await all(gitIndex(folder), finder(KEY))).toEqual([]);
    write('-odd name\twith everything.ts', HOLDS);
    git('add', '.');
    git('mv', 'staged.ts', 'moved.ts');
    expect(where(await all(gitIndex(folder), finder(KEY)))).toEqual([
      '-odd name\twith everything.ts known-key',
      'clean.ts known-key',
    ]);
  });
});

describe('the history', () => {
  test('holds what was taken out again, on every branch, in words and in stashes, once each', async () => {
    const { folder, git, write } = newRepository();
    write('a.ts', 'nothing\n');
    git('add', '.');
    git('commit', '-qm', 'first');
    git('checkout', '-qb', 'side');
    write('b.ts', HOLDS);
    write('same.ts', HOLDS);
    git('add', '.');
    git('commit', '-qm', 'by mistake');
    const commit = git('rev-parse', 'HEAD').trim();
    git('rm', '-q', 'b.ts', 'same.ts');
    git('commit', '-qm', `it was ${KEY}`);
    git('checkout', '-q', 'main');
    write('a.ts', `stashed ${KEY}\n`);
    git('stash', '-q');
    git('tag', '-a', '-m', `tagged ${KEY}`, 'v1');
    const found = await all(gitHistory(folder), finder(KEY));
    const files = found.map(({ file }) => file.replace(/ [0-9a-f]{40}$/, '')).sort();
    expect(files).toEqual(['a.ts', 'b.ts', 'commit', 'tag']);
    const blob = found.find(({ file }) => file === 'b.ts')?.object ?? '';
    expect(await introducedBy(folder, blob)).toBe(commit);
    expect(where(await all(filesBelow(folder), finder(KEY)))).toEqual([]);
  });

  test('of five thousand commits, one of which holds a known key, gives that one', async () => {
    const folder = newFolder();
    await largeHistory(folder, 5000, KEY);
    const found = await all(gitHistory(folder), finder(KEY));
    expect(found).toMatchObject([{ rule: 'known-key', file: 'src/module-166.ts', line: 2, column: 26 }]);
  });

  test('of what is no repository is an error in git’s words', async () => {
    await expect(all(gitHistory(newFolder()), finder(KEY))).rejects.toThrow(/not a git repository/);
  });
});

test('of a repository whose settings name programs, none is started', async () => {
  const { folder, git, write } = newRepository();
  const planted = join(newFolder(), 'planted');
  const ran = `${planted}.ran`;
  writeFileSync(planted, `#!/bin/sh\necho "$0" >> '${ran}'\nexit 1\n`);
  chmodSync(planted, 0o755);
  write('a.ts', HOLDS);
  git('add', 'a.ts');
  git('commit', '-q', '-m', 'one');
  const object = git('rev-parse', 'HEAD:a.ts').trim();
  const signed = join(newFolder(), 'signed');
  writeFileSync(
    signed,
    `tree ${git('rev-parse', 'HEAD^{tree}').trim()}\nauthor x <x> 1 +0000\ncommitter x <x> 1 +0000\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\nm\n`,
  );
  git('update-ref', 'refs/heads/signed', git('hash-object', '-t', 'commit', '-w', signed).trim());
  // In the index, and not there: with a remote that promises it, git asks that remote.
  git('update-index', '--add', '--cacheinfo', `100644,${'12'.repeat(20)},missing.ts`);
  for (const [name, value] of [
    ['core.repositoryFormatVersion', '1'],
    ['extensions.partialClone', 'origin'],
    ['remote.origin.promisor', 'true'],
    ['remote.origin.url', newFolder()],
    ['remote.origin.uploadpack', planted],
    ['protocol.file.allow', 'always'],
    ['log.showSignature', 'true'],
    ['gpg.program', planted],
    ['core.fsmonitor', planted],
  ] as const)
    git('config', name, value);
  await all(filesBelow(folder), finder(KEY));
  await expect(all(gitIndex(folder), finder(KEY))).rejects.toThrow(MissingObjectsError);
  await all(gitHistory(folder), finder(KEY));
  await introducedBy(folder, object);
  await ignoredByGit(folder, ['.env']);
  expect(existsSync(ran)).toBe(false);
});

test('of a clone that lacks an object nothing is fetched, by whatever protocol it allows itself, and what lacks is told', async () => {
  const { folder, git, write } = newRepository();
  const planted = join(newFolder(), 'planted');
  const ran = `${planted}.ran`;
  writeFileSync(planted, `#!/bin/sh\necho "$0 $*" >> '${ran}'\nexit 1\n`);
  chmodSync(planted, 0o755);
  let reached = 0;
  const proxy = createServer((socket) => {
    reached += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as AddressInfo; // as: it listens on TCP
  write('old.ts', 'nothing\n');
  git('add', '.');
  git('commit', '-q', '-m', 'one');
  write('a.ts', HOLDS);
  write('b.ts', `${HOLDS}// and more\n`);
  git('add', '.');
  for (const name of [':a.ts', 'HEAD:old.ts']) {
    const object = git('rev-parse', name).trim();
    rmSync(join(folder, '.git/objects', object.slice(0, 2), object.slice(2)));
  }
  for (const [name, value] of [
    ['core.repositoryFormatVersion', '1'],
    ['extensions.partialClone', 'origin'],
    ['remote.origin.promisor', 'true'],
    ['remote.origin.partialCloneFilter', 'blob:none'],
    ['remote.origin.url', `ftp://user@127.0.0.1:${port}/x`],
    ['protocol.ftp.allow', 'always'],
    ['http.emptyAuth', 'true'],
    ['http.proxy', `http://user@127.0.0.1:${port}`],
    ['credential.helper', `!${planted} helper`],
    ['core.askPass', planted],
  ] as const)
    git('config', name, value);
  const found: string[] = [];
  const index = async () => {
    for await (const one of gitIndex(folder)) found.push(...where(await inOne(one, finder(KEY))));
  };
  await expect(index()).rejects.toThrow('1 objects are not in this clone');
  expect(found).toEqual(['b.ts known-key']);
  await expect(all(gitHistory(folder), finder(KEY))).rejects.toThrow(GitError);
  // Without a name and a proxy no password is asked for before somebody is reached.
  git('config', 'remote.origin.url', `ftp://127.0.0.1:${port}/x`);
  git('config', '--unset', 'http.proxy');
  await expect(all(gitIndex(folder), finder(KEY))).rejects.toThrow(MissingObjectsError);
  await expect(all(gitHistory(folder), finder(KEY))).rejects.toThrow(GitError);
  expect([existsSync(ran), reached]).toEqual([false, 0]);
  proxy.close();
});

test.each(['a repository', 'a folder that git knows nothing of'])(
  'in %s a file is looked at whose name is no UTF-8',
  async (kind) => {
    const folder = kind === 'a repository' ? newRepository().folder : newFolder();
    mkdirSync(join(folder, 'deep'));
    writeFileSync(Buffer.concat([Buffer.from(join(folder, 'deep/caf')), Buffer.from([0xe9])]), HOLDS);
    expect(where(await all(filesBelow(folder), finder(KEY)))).toEqual(['deep/caf\ufffd known-key']);
  },
);
