import type { Settings } from '@ideogate/config';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { auditAction } from '@ideogate/audit/append';
import { currentUser, writePrivateFile } from '@ideogate/data-dir';
import {
  KeyError,
  newAgeIdentity,
  readIdentityFile,
  readKeySources,
  resealStore,
} from '@ideogate/upstream-keys';
import { CommandError, EXIT } from '../exit-codes.ts';
import { actorOf, loginOf, runningProduct } from '../running-product.ts';
import { wantsJson, writeJson } from '../terminal.ts';

/** Flags of `ideogate keys reseal`. */
export interface KeysResealOptions {
  readonly to: readonly string[];
  readonly identity?: string;
  readonly json?: boolean;
}

/** Seals every key of the store to other recipients. Needs an identity that opens them now. */
export async function keysReseal(settings: Settings, options: KeysResealOptions): Promise<number> {
  const product = runningProduct(settings);
  const file =
    options.identity ?? settings.values.upstreamKeys.identityFile ?? join(product.dir, 'keys-identity');
  const recipients = options.to.flatMap((text) => text.split(',')).map((text) => text.trim());
  try {
    const identity = await readIdentityFile(file);
    await auditAction(actorOf(product), 'key-changed', 'keys reseal', {
      step: 'resealed',
      to: recipients.join(' ').slice(0, 200),
    });
    const ids = await resealStore({
      openUrl: loginOf(product, 'keys-open'),
      environment: product.environment,
      opener: identity,
      recipients,
      who: currentUser(),
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
  if (options.new === undefined) recipients = readKeySources(runningProduct(settings).dir).recipients ?? [];
  else {
    if (existsSync(options.new))
      throw new CommandError(
        EXIT.invalidInput,
        `${options.new} is there already: an identity is never overwritten.`,
      );
    writePrivateFile(options.new, await newAgeIdentity());
    ({ recipients } = await readIdentityFile(options.new));
  }
  if (options.json === true) writeJson(recipients);
  else process.stdout.write(recipients.map((recipient) => `${recipient}\n`).join(''));
  return EXIT.fine;
}
