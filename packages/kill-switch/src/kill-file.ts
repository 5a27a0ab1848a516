import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorCode } from '@ideogate/contract';
import { readNamedText } from '@ideogate/config';
import { type Kill, parseKill } from './kill.ts';

/** The file of kills cannot be relied on: a gateway that went on without it might forward what was stopped. */
export class KillFileError extends Error {
  override readonly name = 'KillFileError';
}

/** Half a million of them. */
const MAX_BYTES = 256 * 1024 * 1024;

/** None where there is no file. @throws KillFileError */
export function readKillFile(file: string): readonly Kill[] {
  let text: string;
  try {
    text = readNamedText(file, MAX_BYTES);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw new KillFileError(
      `${file}, which holds the orders to stop calls, cannot be read (${errorCode(error)})`,
    );
  }
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch {
    values = null;
  }
  const kills = Array.isArray(values) ? values.map(parseKill) : [null];
  const good = kills.filter((kill) => kill !== null);
  if (good.length === kills.length) return good;
  throw new KillFileError(
    `${file}, which holds the orders to stop calls, is not as Ideogate wrote it: restore it from a copy, or remove it if none was in force`,
  );
}

/** Returns when the kills are on the disk, the file's name included: a cut of power does not lose them. */
export function writeKillFile(file: string, kills: readonly Kill[]): void {
  const temporary = `${file}.${process.pid}.tmp`;
  const descriptor = openSync(temporary, 'w', 0o600);
  try {
    // Not one write: on a disk that is nearly full that may write a part and say no more than how much.
    writeFileSync(descriptor, `${JSON.stringify(kills, null, 2)}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
