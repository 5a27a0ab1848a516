import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collects all garbage, or only the young. */
export function collectGarbage(type?: 'minor'): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void; // as: what the flag puts there
  if (type === undefined) collect();
  else collect({ type });
}
