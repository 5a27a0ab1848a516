import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hookFolder } from '@ideogate/secret-scan';
import { CommandError, EXIT } from './exit-codes.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const MARK = '# ideogate scan: refuses a commit that holds a secret';

/**
 * Makes the pre-commit hook of the repository that a folder is in; one of ours is made anew.
 *
 * @returns its path
 * @throws CommandError when another hook is there: the line to add to it is told.
 */
export async function installHook(folder: string): Promise<string> {
  const hooks = await hookFolder(folder);
  const path = join(hooks, 'pre-commit');
  const line = `${quoted(process.execPath)} ${quoted(MAIN)} scan --staged || exit 1`;
  if (existsSync(path) && !readFileSync(path, 'utf8').includes(MARK))
    throw new CommandError(EXIT.failed, `${path} is there already. Add this line to it:\n${line}`);
  mkdirSync(hooks, { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${MARK}\n${line}\n`);
  chmodSync(path, 0o755);
  return path;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
