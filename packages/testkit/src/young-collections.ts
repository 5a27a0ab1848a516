import { getHeapSpaceStatistics } from 'node:v8';
import { collectGarbage } from './collect-garbage.ts';

/**
 * Bytes that young collections keep of what `work` makes and lets go of: they are dead, and stay until a full
 * collection, which costs what they were to save.
 */
export function bytesGrownOld(work: () => void): number {
  collectGarbage();
  const before = oldBytes();
  work();
  collectGarbage('minor');
  return oldBytes() - before;
}

function oldBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')?.space_used_size ?? 0;
}
