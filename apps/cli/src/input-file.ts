import { statSync } from 'node:fs';

/**
 * What is wrong with a path that a person gave for a file to be read; null when nothing is.
 * @param kind `regular` where a pipe won't do, as it is read more than once
 */
export function faultOfInputFile(path: string, kind: 'any' | 'regular'): string | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return `${path} is not there.`;
  if (stat.isDirectory()) return `${path} is a folder: name a file in it.`;
  if (kind === 'regular' && !stat.isFile())
    return `${path} is not a regular file: write what it gives to one first.`;
  return null;
}
