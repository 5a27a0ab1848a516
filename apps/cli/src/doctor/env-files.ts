import { execFile } from 'node:child_process';
import { fault, type Finding, ok, unknown, warning } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

/** The names under which people keep settings with secrets. */
const NAMES = ['.env', '.env.local', '.env.production', '.env.production.local'] as const;
const MEND =
  "printf '.env*\\n!.env.example\\n' >> .gitignore; if git has it: git rm --cached FILE, and rotate what it holds";

/** git has no environment file with a secret, and would take none. */
export async function envFiles({ folder, scanned }: Surroundings): Promise<readonly Finding[]> {
  const { finds } = await scanned();
  const held = [...new Set(finds.filter(({ rule }) => rule === 'env-file').map(({ file }) => file))];
  const faults = held.map((file) => fault(`${file} holds a secret, and git has it or would take it`, MEND));
  const ignored = await ignoredByGit(folder);
  if (ignored === null)
    return [...faults, unknown('git knows nothing of the working folder', 'run it where the repository is')];
  const taken = NAMES.filter((name) => !ignored.includes(name) && !held.includes(name));
  if (taken.length > 0)
    return [
      ...faults,
      warning(`git would take ${taken.join(', ')} if ${taken.length === 1 ? 'it' : 'they'} were there`, MEND),
    ];
  return faults.length > 0 ? faults : [ok(`git ignores ${NAMES.join(', ')}`)];
}

/** Which of the names git ignores here; null where it knows nothing of the folder. */
function ignoredByGit(folder: string): Promise<readonly string[] | null> {
  const { promise, resolve } = Promise.withResolvers<readonly string[] | null>();
  // Not the index: a file that git has already is told by the scan.
  execFile('git', ['-C', folder, 'check-ignore', '--no-index', ...NAMES], (error, stdout) => {
    // It ends with 1 when none is ignored.
    if (error !== null && error.code !== 1) resolve(null);
    else resolve(stdout.split('\n').filter(Boolean));
  });
  return promise;
}
