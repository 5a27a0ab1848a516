import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { readNamedText } from '@ideogate/upstream-keys';
import { type KillEntry, parseKillEntry } from './kill-entry.ts';

/** The file of orders cannot be relied on: a gateway that went on without it might forward what was stopped. */
export class OrderFileError extends Error {
  override readonly name = 'OrderFileError';
}

/** Half a million orders. */
const MAX_BYTES = 256 * 1024 * 1024;

/** @throws OrderFileError */
export function readOrderFile(file: string): readonly KillEntry[] {
  let text: string;
  try {
    text = readNamedText(file, MAX_BYTES);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw new OrderFileError(
      `${file}, which holds the orders to stop calls, cannot be read (${codeOf(error)})`,
    );
  }
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch {
    values = null;
  }
  const entries = Array.isArray(values) ? values.map(parseKillEntry) : [null];
  const good = entries.filter((entry) => entry !== null);
  if (good.length === entries.length) return good;
  throw new OrderFileError(
    `${file}, which holds the orders to stop calls, is not as Ideogate wrote it: restore it from a copy, or remove it if none was in force`,
  );
}

/** Returns when the entries are on the disk, the file's name included: a cut of power does not lose them. */
export function writeOrderFile(file: string, entries: readonly KillEntry[]): void {
  const temporary = `${file}.${process.pid}.tmp`;
  const descriptor = openSync(temporary, 'w', 0o600);
  try {
    // Not one write: on a disk that is nearly full that may write a part and say no more than how much.
    writeFileSync(descriptor, `${JSON.stringify(entries, null, 2)}\n`);
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

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'unreadable';
}
