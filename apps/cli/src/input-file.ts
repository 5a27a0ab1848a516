import { statSync } from 'node:fs';

/**
 * What is wrong with a path that a person gave for a file to be read; null when nothing is.
 * @param how `more than once`: a pipe won't do
 */
export function faultOfInputFile(path: string, how: 'once' | 'more than once'): string | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return `${path} is not there.`;
  if (stat.isDirectory()) return `${path} is a folder: name a file in it.`;
  if (how === 'more than once' && !stat.isFile())
    return `${path} is not a regular file, and it is read more than once: write it to one first.`;
  return null;
}
