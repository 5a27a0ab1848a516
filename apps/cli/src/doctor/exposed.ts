import { type Finding, ok, warning } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

const MOST = 10;
const MEND = 'take it out, and replace it where it is valid; a fake can be told as one (docs/scan.md)';

/** Nothing in the working folder looks like a secret, besides what is found for certain by `keys` and `env-files`. */
export async function exposed({ scanned }: Surroundings): Promise<readonly Finding[]> {
  const { finds, files } = await scanned();
  const likely = finds.filter(({ rule, keyId }) => keyId === null && rule !== 'env-file');
  if (likely.length === 0)
    return [ok(`nothing in the working folder looks like a secret (files looked at: ${files})`)];
  const byFile = [...Map.groupBy(likely, ({ file }) => file)];
  const told = byFile.slice(0, MOST).map(([file, places]) => {
    const lines = places.map(({ line, rule }) => `${line} (${rule})`).join(', ');
    return warning(`${file} holds what looks like a secret, in line ${lines}`, MEND);
  });
  const rest = byFile.length - told.length;
  return rest > 0 ? [...told, warning(`and ${rest} more files`, 'ideogate scan')] : told;
}
