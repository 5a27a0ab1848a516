import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { createInterface } from 'node:readline';
import { ObjectReader } from './object-reader.ts';
import type { Source } from './source.ts';

/** git isn't there, or says no. */
export class GitError extends Error {
  override readonly name = 'GitError';
}

/** Of a clone without all objects, some that should have been looked at are not there. */
export class MissingObjectsError extends GitError {
  readonly count: number;
  constructor(count: number) {
    super(`${count} objects are not in this clone`);
    this.count = count;
  }
}

/** What git has and what it would take below a folder, relative to it; null where git knows nothing of the folder. */
export async function gitFiles(folder: string): Promise<readonly Buffer[] | null> {
  try {
    const list = await output(folder, ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
    // One character a byte, there and back: a name need not be UTF-8.
    return list
      .toString('latin1')
      .split('\0')
      .slice(0, -1)
      .map((name) => Buffer.from(name, 'latin1'));
  } catch {
    return null;
  }
}

/** The contents of the index that differ from the last commit: what the next one would bring. */
export async function* gitIndex(folder: string): AsyncGenerator<Source> {
  const raw = splitNul(
    await output(folder, [
      'diff',
      '--cached',
      '--raw',
      '-z',
      '--no-renames',
      '--no-abbrev',
      '--diff-filter=ACMT',
    ]),
  );
  const objects: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [, mode, , object] = raw[at]?.slice(1).split(' ') ?? [];
    // A submodule's commit is an object of another repository.
    if (mode !== '160000') objects.push(`${object} ${raw[at + 1]?.replaceAll('\n', ' ')}`);
  }
  yield* objectsOf(folder, async (stdin) => {
    for (const line of objects) await write(stdin, `${line}\n`);
  });
}

/**
 * Every object that any commit of any branch or tag holds, once each: files, and the words of commits and tags. Three
 * processes of git's hand each other the list, so that memory is flat however long the history is.
 */
export async function* gitHistory(folder: string): AsyncGenerator<Source> {
  const list = git(folder, ['rev-list', '--objects', '--all']);
  const kinds = git(folder, ['cat-file', '--batch-check=%(objectname) %(objecttype) %(rest)', '--buffer']);
  list.stdin.end();
  list.stdout.pipe(kinds.stdin);
  const done = Promise.all([ended(list), ended(kinds)]);
  // Whoever reads the objects is told of a failure below; until then it must not end the process.
  done.catch(() => {});
  yield* objectsOf(folder, async (stdin) => {
    for await (const line of createInterface({ input: kinds.stdout })) {
      const [object = '', kind = '', ...path] = line.split(' ');
      if (kind !== 'tree') await write(stdin, `${object} ${kind === 'blob' ? path.join(' ') : kind}\n`);
    }
    await done;
  });
}

/** The first commit that brought an object; null when no commit says. */
export async function introducedBy(folder: string, object: string): Promise<string | null> {
  const log = ['log', '--all', '--reverse', '--format=%H', `--find-object=${object}`];
  const [first = ''] = (await output(folder, log)).toString().split('\n', 1);
  return first === '' ? null : first;
}

/** Which of these names git ignores in a folder, whether or not it has them; null where it knows nothing of the folder. */
export async function ignoredByGit(
  folder: string,
  names: readonly string[],
): Promise<readonly string[] | null> {
  try {
    // It ends with 1 when none is ignored.
    const list = await output(folder, ['check-ignore', '--no-index', ...names], [0, 1]);
    return list.toString().split('\n').filter(Boolean);
  } catch {
    return null;
  }
}

/** Where git looks for hooks. */
export async function hookFolder(folder: string): Promise<string> {
  const path = (await output(folder, ['rev-parse', '--git-path', 'hooks'])).toString().trimEnd();
  return resolve(folder, path);
}

/**
 * @param feed writes lines of an object's name and its path
 * @throws MissingObjectsError at the end, after all that are there
 */
async function* objectsOf(folder: string, feed: (stdin: Writable) => Promise<void>): AsyncGenerator<Source> {
  const format = '--batch=%(objectname) %(objecttype) %(objectsize) %(rest)';
  const objects = git(folder, ['cat-file', format, '--buffer']);
  const done = ended(objects);
  const fed = feed(objects.stdin).finally(() => objects.stdin.end());
  fed.catch(() => objects.kill());
  done.catch(() => {});
  const reader = new ObjectReader(objects.stdout);
  try {
    for (;;) {
      const head = await reader.head();
      if (head === null) break;
      const chunks = reader.body();
      const file = head.type === 'blob' ? head.path : `${head.type} ${head.object}`;
      yield { file, object: head.object, inGit: true, chunks };
      await reader.skipRest();
    }
    await fed;
    await done;
    if (reader.missing > 0) throw new MissingObjectsError(reader.missing);
  } finally {
    objects.kill();
  }
}

type Git = ChildProcessByStdio<Writable, Readable, Readable>;

/**
 * A repository's own settings name programs that git starts while it only reads: one that watches files, one that checks
 * signatures, one that fetches what is missing, one that knows a password. Who looks through a stranger's repository must
 * start none of them.
 */
const STARTS_NOTHING = [
  'core.fsmonitor=false',
  'log.showSignature=false',
  'credential.helper=',
  'core.askPass=',
].flatMap((setting) => ['-c', setting]);

/** What is missing is fetched by no protocol, whatever a repository's settings allow: these count for more. */
const FETCHES_NOTHING = {
  GIT_ALLOW_PROTOCOL: 'none',
  GIT_NO_LAZY_FETCH: '1',
  GIT_TERMINAL_PROMPT: '0',
} as const;

function git(folder: string, words: readonly string[]): Git {
  return spawn('git', ['-C', folder, ...STARTS_NOTHING, ...words], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...FETCHES_NOTHING },
  });
}

async function output(folder: string, words: readonly string[], fine?: readonly number[]): Promise<Buffer> {
  const child = git(folder, words);
  child.stdin.end();
  const done = ended(child, fine);
  done.catch(() => {});
  const chunks: Buffer[] = await child.stdout.toArray();
  await done;
  return Buffer.concat(chunks);
}

/**
 * @param fine the statuses that are no failure
 * @throws GitError with the first line of what git says
 */
async function ended(child: ChildProcess, fine: readonly number[] = [0]): Promise<void> {
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (words += words.length < 4096 ? text : ''));
  // A reader that goes first is told by the exit status; without a listener the pipe would end the process.
  child.stdin?.on('error', () => {});
  const [status] = (await once(child, 'close').catch((error: unknown) => {
    throw new GitError(
      error instanceof Error && 'code' in error && error.code === 'ENOENT'
        ? 'git is not there'
        : 'git failed',
    );
  })) as [number | null]; // as: the first argument of `close`
  if (status === null || !fine.includes(status))
    throw new GitError(words.split('\n', 1)[0] || `git ended with ${status}`);
}

async function write(stdin: Writable, text: string): Promise<void> {
  if (stdin.destroyed || stdin.write(text)) return;
  await new Promise<void>((resolve) => {
    const goOn = () => {
      stdin.off('drain', goOn).off('close', goOn);
      resolve();
    };
    stdin.on('drain', goOn).on('close', goOn);
  });
}

function splitNul(bytes: Buffer): readonly string[] {
  return bytes.toString().split('\0').slice(0, -1);
}
