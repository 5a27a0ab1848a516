import type { Settings } from '@ideogate/config';
import { OPERATIONS } from '@ideogate/ideogram';
import { formatFault, parsePolicy } from '@ideogate/policy';
import { policyPaths, readPolicyFiles } from '@ideogate/config';
import { EXIT } from '../exit-codes.ts';
import { wantsJson, writeJson } from '../terminal.ts';

/** Checks policy files, all faults at once; without files, those that `start` would use. */
export function policyCheck(
  settings: Settings,
  files: readonly string[],
  options: { json?: boolean },
): number {
  const paths = files.length > 0 ? files : policyPaths(settings);
  const parsed = parsePolicy(readPolicyFiles(paths), OPERATIONS);
  if (!parsed.ok) process.stderr.write(`${parsed.faults.map(formatFault).join('\n')}\n`);
  if (wantsJson(options)) {
    writeJson(parsed.ok ? { ok: true, release: parsed.release.id } : { ok: false, faults: parsed.faults });
  } else if (parsed.ok) {
    process.stdout.write(`The policy is valid: ${parsed.release.id}\n`);
  }
  return parsed.ok ? EXIT.fine : EXIT.invalidInput;
}
