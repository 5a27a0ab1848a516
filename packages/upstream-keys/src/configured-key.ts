import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '@ideogate/contract';
import { DataDirError, writePrivateFile } from '@ideogate/data-dir';
import type { HeldKey } from './held-key.ts';
import type { KeySlot } from './key-ring.ts';

/** A key that a variable holds, or a file that a variable names. Printed, it shows neither key nor content. */
export interface ConfiguredKey {
  readonly variable: string;
  readonly file: string | null;
  /** @throws KeyError */
  readonly open: (fingerprintSecret: string) => HeldKey;
}

/**
 * The id of a configured key under a fingerprint secret; its plain text is let go of at once.
 * @throws KeyError
 */
export function configuredKeyId({ open }: ConfiguredKey, fingerprintSecret: string): string {
  const key = open(fingerprintSecret);
  key.destroy();
  return key.id;
}

/** A configured key as others may know it. */
export interface KnownConfiguredKey {
  readonly id: string;
  readonly slot: KeySlot;
  /** Variable that names it, or `emulator`. */
  readonly from: string;
  /** Since when it is known in this data folder (RFC 3339); null for the emulator's. */
  readonly since: string | null;
}

/** What a running gateway says of where its keys come from: ids and recipients, no key. */
export interface KeySources {
  /** Who sealed keys are sealed to; null when keys do not come from the store. */
  readonly recipients: readonly string[] | null;
  /** Keys of variables and files at the start, or the emulator's own; empty when they come from the store. */
  readonly configured: readonly KnownConfiguredKey[];
}

/** @param dir the environment's part of the data folder */
export function writeKeySources(dir: string, sources: KeySources): void {
  writePrivateFile(fileIn(dir), `${JSON.stringify(sources, null, 2)}\n`);
}

/**
 * What the running gateway said, or the one that ran last.
 * @throws DataDirError when it can't be read
 */
export function readKeySources(dir: string): KeySources {
  const file = fileIn(dir);
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as KeySources; // as: written by writeKeySources, whole or not at all
  } catch (error) {
    throw new DataDirError(
      'unreadable',
      `${file} cannot be read (${errorCode(error)}): it says where the keys in use come from, and the start of Ideogate writes it.`,
    );
  }
}

function fileIn(dir: string): string {
  return join(dir, 'key-sources.json');
}
