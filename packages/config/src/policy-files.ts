import { isAbsolute, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorCode } from '@ideogate/contract';
import { readNamedText } from './named-file.ts';
import type { Settings } from './read-settings.ts';
import { SettingsError } from './settings-error.ts';

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));

/** Files of the policy: those named in `IDEOGATE_POLICY` (comma separated), else the one that comes with Ideogate. */
export function policyPaths({ values }: Settings): readonly string[] {
  const named = (values.general.policy ?? '')
    .split(',')
    .map((path) => path.trim())
    .filter(Boolean);
  return named.length > 0 ? named : [join(REPOSITORY, 'infra/policies/default.yaml')];
}

/**
 * The files' texts, and names by which rules name them.
 * @throws SettingsError that names every file it cannot read
 */
export function readPolicyFiles(
  paths: readonly string[],
): { readonly name: string; readonly text: string }[] {
  const files: { readonly name: string; readonly text: string }[] = [];
  const faults: string[] = [];
  for (const path of paths) {
    try {
      files.push({ name: nameOf(path), text: readNamedText(path) });
    } catch (error) {
      faults.push(
        `The policy file ${path} cannot be read (${errorCode(error)}): check the path and its rights.`,
      );
    }
  }
  if (faults.length > 0) throw new SettingsError(faults);
  return files;
}

/** Rules name their file the same way on every machine: ours from the repository's root, others as they were given. */
function nameOf(path: string): string {
  const inside = relative(REPOSITORY, path);
  return isAbsolute(path) && !inside.startsWith('..') ? inside.replaceAll('\\', '/') : path;
}
