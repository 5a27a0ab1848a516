import type { Settings } from '@ideogate/config';
import { setTimeout as delay } from 'node:timers/promises';
import { KeyFileError, openCheckpointKeys, prepareNextKey } from '@ideogate/audit/checkpoints';
import { checkpointKeyFile, currentEnvironmentDir } from '@ideogate/data-dir';
import { CommandError, EXIT } from '../exit-codes.ts';
import { runningProduct } from '../running-product.ts';
import { writeJson } from '../terminal.ts';

/** Prints the public keys, the one that signs first. Their owner need not be running. */
export function showCheckpointKey(settings: Settings, options: { json?: boolean }): number {
  const texts = openCheckpointKeys(keyFileOf(settings))
    .publicKeys()
    .map(({ text }) => text);
  if (options.json === true) writeJson(texts);
  else process.stdout.write(`${texts.join('\n')}\n`);
  return EXIT.fine;
}

const CHANGE_MS = 30_000;
const LOOK_MS = 100;

/** Has the running product change its key, and waits until it has. */
export async function rotateCheckpointKey(settings: Settings): Promise<number> {
  runningProduct(settings);
  const file = keyFileOf(settings);
  const keys = openCheckpointKeys(file);
  const next = nextKey(file);
  const until = performance.now() + CHANGE_MS;
  while (keys.current().verifier.text !== next) {
    if (performance.now() > until)
      throw new CommandError(
        EXIT.failed,
        `No checkpoint has named the new key within ${CHANGE_MS / 1000} s: is this the folder of the process that signs? The new key waits in ${file}.next and is taken as soon as one does.`,
      );
    await delay(LOOK_MS);
  }
  process.stdout.write(`${next}\n`);
  return EXIT.fine;
}

function nextKey(file: string): string {
  try {
    return prepareNextKey(file).text;
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    throw new CommandError(EXIT.failed, `The key cannot be changed: ${error.message}.`);
  }
}

function keyFileOf(settings: Settings): string {
  return checkpointKeyFile(settings, currentEnvironmentDir(settings));
}
