import { isAbsolute, join, resolve } from 'node:path';
import {
  type CheckpointDestination,
  type CheckpointKeys,
  type CheckpointWatch,
  fileDestination,
  httpDestination,
  KeyFileError,
  openCheckpointKeys,
  signCheckpoints,
  streamDestination,
  watchCheckpoints,
} from '@ideogate/audit/checkpoints';
import { requireFaultless, type Settings } from '@ideogate/config';
import { isLoopback } from '@ideogate/contract';
import type { Log } from '@ideogate/gateway';
import { CommandError, EXIT } from '../exit-codes.ts';
import { codeOf, dataFolder, isProductReady, readReadyFile } from './data-folder.ts';
import type { ProductConfig } from './product-config.ts';
import type { RecordDatabase } from './record-database.ts';

/** Where checkpoints go beside the database and the data folder. */
export type CheckpointTarget =
  | { readonly kind: 'stdout' }
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'http'; readonly url: string };

/** @param text what is set, e.g. `stdout,https://evidence.example/checkpoints` */
export function readCheckpointTargets(text: string | null, faults: string[]): readonly CheckpointTarget[] {
  const places = (text ?? '').split(',').map((place) => place.trim());
  return places.filter(Boolean).flatMap((place): readonly CheckpointTarget[] => {
    if (place === 'stdout') return [{ kind: 'stdout' }];
    if (isAbsolute(place)) return [{ kind: 'file', file: place }];
    if (isSafeUrl(place)) return [{ kind: 'http', url: place }];
    faults.push(
      'IDEOGATE_CHECKPOINTS_TO is a list of stdout, absolute file paths and https URLs, joined by commas; plain http only on loopback.',
    );
    return [];
  });
}

function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}

/** The file of the key that signs checkpoints: `IDEOGATE_CHECKPOINT_KEY_FILE`, else in the environment's folder. */
export function checkpointKeyFile({ values }: Settings, folder: string): string {
  const named = values.record.checkpointKeyFile;
  return named === null ? join(folder, 'checkpoint-key') : resolve(named);
}

/**
 * The folder of the environment that commands are about: the running product's, else `IDEOGATE_ENVIRONMENT`.
 *
 * @throws SettingsError when that is none.
 */
export function environmentFolder(settings: Settings): string {
  const data = dataFolder(settings);
  if (isProductReady(data)) return join(data, readReadyFile(data).environment);
  requireFaultless(settings, 'IDEOGATE_ENVIRONMENT');
  return join(data, settings.values.general.environment);
}

/** The file in which `start` keeps the checkpoints it made, apart from the database. */
export function keptCheckpoints(folder: string): string {
  return join(folder, 'checkpoints.ndjson');
}

/**
 * Opens the signing key.
 * @param name of the key that is made when there is none; without it, none is made
 * @throws CommandError
 */
export function checkpointKeys(file: string, name?: string): CheckpointKeys {
  try {
    return openCheckpointKeys(file, name);
  } catch (error) {
    const why = error instanceof KeyFileError ? error.message : `${file}: ${codeOf(error)}`;
    throw new CommandError(
      EXIT.failed,
      `The key for checkpoints cannot be used (${why}): restore it from a copy, or, if it is lost, remove the file and keep the public key of the one before for audit verify.`,
    );
  }
}

/**
 * Signs checkpoints for as long as the product runs, or sees another process sign them. To be stopped after the record
 * is closed, so that the last one fixes its end.
 */
export function signRecord(
  config: ProductConfig,
  folder: string,
  database: Pick<RecordDatabase, 'appendUrl' | 'readUrl'>,
  log: Log,
  now: () => bigint,
): CheckpointWatch {
  const { environment, checkpointKey, checkpointTargets } = config;
  const keys = checkpointKeys(checkpointKey, `ideogate/${environment}`);
  const onFault = (what: string) => (error: unknown) => log.error({ error: codeOf(error) }, what);
  const kept: CheckpointTarget = { kind: 'file', file: keptCheckpoints(folder) };
  const signing = signCheckpoints({
    appendUrl: database.appendUrl,
    readUrl: database.readUrl,
    environment,
    keys,
    destinations: [kept, ...checkpointTargets].map((target) =>
      destination(target, onFault('a checkpoint could not be sent')),
    ),
    now,
    onFault: onFault('no checkpoint could be signed; trying again'),
  });
  const watch = watchCheckpoints({
    readUrl: database.readUrl,
    keys: () => keys.inForce(),
    now,
    onFault: onFault('the last checkpoint could not be looked at; trying again'),
  });
  return {
    ...watch,
    async stop() {
      await watch.stop();
      await signing.stop();
    },
  };
}

function destination(target: CheckpointTarget, onFault: (error: unknown) => void): CheckpointDestination {
  switch (target.kind) {
    case 'stdout':
      return streamDestination(process.stdout);
    case 'file':
      return fileDestination(target.file, onFault);
    case 'http':
      return httpDestination({ url: target.url, onFault });
  }
}
