import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '@ideogate/config';
import { KeyError, newAgeIdentity, resealStore } from '@ideogate/upstream-keys';
import { CommandError, EXIT } from '../exit-codes.ts';
import { dataFolder, readReadyFile, writePrivately } from '../product/data-folder.ts';
import { readKeysIdentity } from '../product/keys-identity.ts';
import { noteDoing } from '../product/record-read.ts';
import { whoever } from '../product/whoever.ts';
import { wantsJson, writeJson } from '../terminal.ts';

export interface KeysResealOptions {
  readonly to: readonly string[];
  readonly identity?: string;
  readonly json?: boolean;
}

/** Seals every key of the store to other recipients. Needs an identity that opens them now. */
export async function keysReseal(settings: Settings, options: KeysResealOptions): Promise<number> {
  const data = dataFolder(settings);
  const ready = readReadyFile(data);
  const file =
    options.identity ??
    settings.values.upstreamKeys.identityFile ??
    join(data, ready.environment, 'keys-identity');
  const recipients = options.to.flatMap((text) => text.split(',')).map((text) => text.trim());
  try {
    const identity = await readKeysIdentity(file);
    await noteDoing(ready, 'key-changed', 'keys reseal', {
      step: 'resealed',
      to: recipients.join(' ').slice(0, 200),
    });
    const ids = await resealStore({
      openUrl: ready.keysOpenDatabaseUrl,
      environment: ready.environment,
      opener: identity,
      recipients,
      who: whoever(),
    });
    if (wantsJson(options)) writeJson({ resealed: ids, to: recipients });
    else process.stdout.write(`${ids.length} keys are sealed to ${recipients.join(' and ')} now.\n`);
    return EXIT.fine;
  } catch (error) {
    if (!(error instanceof KeyError)) throw error;
    throw new CommandError(EXIT.invalidInput, `Nothing was resealed: ${error.message}.`);
  }
}

/** The recipients that keys are sealed to; or makes a new identity file, and says its recipient. */
export async function keysIdentity(
  settings: Settings,
  options: { new?: string; json?: boolean },
): Promise<number> {
  let recipients: readonly string[];
  if (options.new === undefined) recipients = readReadyFile(dataFolder(settings)).keyRecipients ?? [];
  else {
    if (existsSync(options.new))
      throw new CommandError(
        EXIT.invalidInput,
        `${options.new} is there already: an identity is never overwritten.`,
      );
    writePrivately(options.new, await newAgeIdentity());
    ({ recipients } = await readKeysIdentity(options.new));
  }
  if (options.json === true) writeJson(recipients);
  else process.stdout.write(recipients.map((recipient) => `${recipient}\n`).join(''));
  return EXIT.fine;
}
