import { formatFault, parsePolicy, type Release } from '../src/index.ts';
import { SAMPLE } from '@ideogate/testkit/sample-operations';

/** What is wrong with files of these texts, called a.yaml and b.yaml. */
export function faultsOf(...texts: readonly string[]): readonly string[] {
  const files = texts.map((text, index) => ({ name: `${'ab'[index] ?? 'z'}.yaml`, text }));
  const parsed = parsePolicy(files, SAMPLE);
  return parsed.ok ? [] : parsed.faults.map(formatFault);
}

/** The release of the same. @throws when there is a fault */
export function releaseOf(...texts: readonly string[]): Release {
  const files = texts.map((text, index) => ({ name: `${'ab'[index] ?? 'z'}.yaml`, text }));
  const parsed = parsePolicy(files, SAMPLE);
  if (!parsed.ok) throw new Error(parsed.faults.map(formatFault).join('\n'));
  return parsed.release;
}

/** The smallest policy. */
export const STAGING = 'environments: {staging: }\n';
