import { type FSWatcher, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { HeldKey } from './held-key.ts';
import { KeyError } from './key-fault.ts';
import { readNamedFile } from '@ideogate/config';
import { errorCode } from '@ideogate/contract';

/** More than any key; a larger file is not one. */
const MAX_BYTES = 4096;
const LOOK_MS = 500;
/** Whoever writes a file in pieces must be done for so long before it is believed. */
const SETTLED_MS = 50;

/**
 * Reads a key from a file: a Docker or Kubernetes secret. One line end at its end is not part of it.
 * @param name the variable that names the file, for errors
 * @throws KeyError that names variable and file, and never shows the content
 */
export function readKeyFile(file: string, name: string, fingerprintSecret: string): HeldKey {
  let bytes: Buffer;
  try {
    bytes = readNamedFile(file, MAX_BYTES);
  } catch (error) {
    throw new KeyError(`${name}: ${file} cannot be read (${errorCode(error)})`);
  }
  const ending = bytes.at(-1) === 0x0a ? (bytes.at(-2) === 0x0d ? 2 : 1) : 0;
  const key = Buffer.from(bytes.subarray(0, bytes.length - ending));
  bytes.fill(0);
  return new HeldKey(key, fingerprintSecret, `${name}: the content of ${file}`);
}

/** Which file is followed, and who is told what becomes of it. */
export interface KeyFileWatch {
  readonly file: string;
  readonly name: string;
  readonly fingerprintSecret: string;
  /** Id of the key that was read from it last. */
  readonly id: string;
  /** The file holds another key now. */
  readonly onKey: (key: HeldKey) => void;
  /** The file changed, and what it holds now is no key. Told once for each change. */
  readonly onFault: (fault: KeyError) => void;
}

/**
 * Follows a key's file: what replaces it (a new file, a symlink that Kubernetes swaps, new content in place) is taken
 * once it has settled. Content that is no key changes nothing.
 */
export function watchKeyFile(watched: KeyFileWatch): { stop(): void } {
  const { file, name, fingerprintSecret, onKey, onFault } = watched;
  let id = watched.id;
  let seen = signOf(file);
  let settling: NodeJS.Timeout | null = null;

  const look = () => {
    const now = signOf(file);
    if (now === seen || settling !== null) return;
    settling = setTimeout(() => {
      settling = null;
      if (signOf(file) !== now) return look();
      seen = now;
      return take();
    }, SETTLED_MS);
    settling.unref();
  };
  const take = () => {
    try {
      const key = readKeyFile(file, name, fingerprintSecret);
      if (key.id === id) return key.destroy();
      id = key.id;
      onKey(key);
    } catch (error) {
      if (!(error instanceof KeyError)) throw error;
      onFault(error);
    }
  };

  // Quick where the system tells of changes; right everywhere by looking.
  let watcher: FSWatcher | null = null;
  try {
    watcher = watch(dirname(file), { persistent: false }, look);
    watcher.on('error', () => watcher?.close());
  } catch {
    // Looking is enough.
  }
  const timer = setInterval(look, LOOK_MS);
  timer.unref();
  return {
    stop() {
      clearInterval(timer);
      if (settling !== null) clearTimeout(settling);
      watcher?.close();
    },
  };
}

/** Changes whenever the file does; through symlinks. */
function signOf(file: string): string {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    return errorCode(error);
  }
}
