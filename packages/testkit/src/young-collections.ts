import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Bytes that young collections keep of what `work` makes and lets go of: they are dead, and stay until a full
 * collection, which costs what they were to save.
 */
export function bytesGrownOld(work: () => void): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void; // as: what the flag puts there
  collect();
  const before = oldBytes();
  work();
  collect({ type: 'minor' });
  return oldBytes() - before;
}

function oldBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')?.space_used_size ?? 0;
}
