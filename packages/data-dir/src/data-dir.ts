import { accessSync, constants, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { requireFaultless, type Settings } from '@ideogate/config';
import { type EnvironmentName, errorCode } from '@ideogate/contract';
import { DataDirError } from './data-dir-error.ts';
import { isRunning, readRuntimeFile } from './runtime-file.ts';

/** Where the product keeps what must survive a stop: `.ideogate/`, or `IDEOGATE_DATA`. */
export function dataDir({ values }: Settings): string {
  return resolve(values.general.data);
}

/** Where gateways of this machine take orders: `control` in the data folder, or `IDEOGATE_CONTROL_DIR`. */
export function controlDir(settings: Settings): string {
  return resolve(settings.values.general.controlFolder ?? join(dataDir(settings), 'control'));
}

/** The part of the data folder that belongs to one environment: secrets, record and logs of no other are in it. */
export function environmentDir(data: string, environment: EnvironmentName): string {
  return join(data, environment);
}

/**
 * The folder of the environment that commands are about: the running product's, else `IDEOGATE_ENVIRONMENT`.
 * @throws SettingsError when that is none
 */
export function currentEnvironmentDir(settings: Settings): string {
  const data = dataDir(settings);
  if (isRunning(data)) return environmentDir(data, readRuntimeFile(data).environment);
  requireFaultless(settings, 'IDEOGATE_ENVIRONMENT');
  return environmentDir(data, settings.values.general.environment);
}

/**
 * Makes the folder of one environment.
 * @throws DataDirError when it cannot be written
 */
export function prepareEnvironmentDir(data: string, environment: EnvironmentName): string {
  const folder = environmentDir(data, environment);
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(data, constants.W_OK);
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw new DataDirError(
      'not-writable',
      `The data folder ${folder} cannot be written (${errorCode(error)}): give this user the right to write there, or name another in IDEOGATE_DATA.`,
    );
  }
  return folder;
}
