import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * Makes a repository of many commits, each of a new file and a change to an old one, by `git fast-import`; `secret` is
 * in one commit alone, and gone in the next.
 */
export async function largeHistory(folder: string, commits: number, secret: string): Promise<void> {
  execFileSync('git', ['init', '-q', '-b', 'main', folder]);
  const child = spawn('git', ['-C', folder, 'fast-import', '--quiet'], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  const done = once(child, 'close');
  const data = (text: string) => `data ${Buffer.byteLength(text)}\n${text}\n`;
  const there = Math.floor(commits / 3);
  for (let at = 1; at <= commits; at++) {
    const key = at === there ? `const client = ideogram('${secret}');\n` : '';
    const lines = [
      'commit refs/heads/main',
      `committer Nobody <nobody@example.invalid> ${1_700_000_000 + at} +0000`,
      data(`Commit ${at}`).trimEnd(),
      `M 100644 inline src/module-${at % 500}.ts`,
      data(`// version ${at}\n${key}export const value${at} = ${at};\n`).trimEnd(),
      `M 100644 inline log/${at % 97}/${at}.txt`,
      data(`entry ${at}: ${'all is well. '.repeat(20)}`),
    ];
    if (!child.stdin.write(lines.join('\n'))) await once(child.stdin, 'drain');
  }
  child.stdin.end();
  const [status] = (await done) as [number]; // as: the first argument of `close`
  if (status !== 0) throw new Error('git fast-import failed');
}
