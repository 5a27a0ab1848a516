import { createReadStream } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { gitFiles } from './git.ts';
import type { Source } from './source.ts';

/** Where nobody looks for a secret of theirs, in a folder that git knows nothing of. */
const SKIPPED: ReadonlySet<string> = new Set(['.git', 'node_modules']);

/**
 * The file that a path names, or all below it: where git knows the folder, what it has and what it would take; links
 * are not followed.
 */
export async function* filesBelow(path: string): AsyncGenerator<Source> {
  const stat = await lstat(path);
  if (!stat.isDirectory()) {
    yield sourceOf(path, path, false);
    return;
  }
  const known = await gitFiles(path);
  const files = known ?? walk(path);
  for await (const file of files) {
    const at = join(path, file);
    // Gone since it was listed, a link, a submodule.
    const found = await lstat(at).catch(() => null);
    if (found?.isFile()) yield sourceOf(at, file, known !== null);
  }
}

function sourceOf(path: string, file: string, inGit: boolean): Source {
  return { file, object: null, inGit, chunks: createReadStream(path, { highWaterMark: 262_144 }) };
}

async function* walk(root: string, folder = root): AsyncGenerator<string> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!SKIPPED.has(entry.name)) yield* walk(root, path);
    } else if (entry.isFile()) yield relative(root, path);
  }
}
