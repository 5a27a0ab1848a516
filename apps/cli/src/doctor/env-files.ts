import { ignoredByGit } from '@ideogate/secret-scan';
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
  // Not the index: a file that git has already is told by the scan.
  const ignored = await ignoredByGit(folder, NAMES);
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
