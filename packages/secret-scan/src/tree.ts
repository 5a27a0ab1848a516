import { createReadStream } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
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
    const at = pathOf(path, file);
    // Gone since it was listed, a link, a submodule.
    const found = await lstat(at).catch(() => null);
    if (found?.isFile()) yield sourceOf(at, file.toString(), known !== null);
  }
}

/** As bytes: a name need not be UTF-8, and one that was read as such would name no file, and be passed over. */
function pathOf(folder: string, file: Buffer): Buffer {
  return Buffer.concat([Buffer.from(join(folder, '/')), file]);
}

function sourceOf(path: string | Buffer, file: string, inGit: boolean): Source {
  return { file, object: null, inGit, chunks: createReadStream(path, { highWaterMark: 262_144 }) };
}

/** Paths below a folder, as bytes. */
async function* walk(root: string, folder = Buffer.alloc(0)): AsyncGenerator<Buffer> {
  const entries = await readdir(pathOf(root, folder), { withFileTypes: true, encoding: 'buffer' });
  for (const entry of entries) {
    const path = Buffer.concat([folder, entry.name]);
    if (entry.isDirectory()) {
      if (!SKIPPED.has(entry.name.toString())) yield* walk(root, Buffer.concat([path, Buffer.from('/')]));
    } else if (entry.isFile()) yield path;
  }
}
