import { constants } from 'node:fs';
import { lstat, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { gitFiles } from './git.ts';
import type { Source } from './source.ts';

/** Where nobody looks for a secret of theirs, in a folder that git knows nothing of. */
const SKIPPED: ReadonlySet<string> = new Set(['.git', 'node_modules']);

/** What is to be scanned is neither a file nor a folder. */
export class NoFileError extends Error {
  override readonly name = 'NoFileError';
  constructor(file: string) {
    super(`${file} is neither a file nor a folder: what comes out of a pipe is scanned with --stdin`);
  }
}

/**
 * The file that a path names, or all below it: where git knows the folder, what it has and what it would take; links
 * are not followed. Reading throws NoFileError where a pipe or a device is in a file's place.
 */
export async function* filesBelow(path: string): AsyncGenerator<Source> {
  const named = await stat(path);
  if (!named.isDirectory()) {
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
  return { file, object: null, inGit, chunks: chunksOf(path, file) };
}

/** A pipe is opened without waiting for who writes into it, and then is no file: it could keep a scan waiting for ever. */
async function* chunksOf(path: string | Buffer, file: string): AsyncGenerator<Buffer> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!(await handle.stat()).isFile()) throw new NoFileError(file);
    yield* handle.createReadStream({ highWaterMark: 262_144, autoClose: false });
  } finally {
    await handle.close();
  }
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
