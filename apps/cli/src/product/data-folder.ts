import { randomBytes } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import type { Settings } from '@ideogate/config';
import type { EnvironmentName } from '@ideogate/contract';
import type { KeySlot } from '@ideogate/upstream-keys';
import { CommandError, EXIT } from '../exit-codes.ts';

/** Where the product keeps what must survive a stop: `.ideogate/`, or `IDEOGATE_DATA`. */
export function dataFolder({ values }: Settings): string {
  return resolve(values.general.data);
}

/** Where gateways of this machine take orders: `control` in the data folder, or `IDEOGATE_CONTROL_DIR`. */
export function controlFolder(settings: Settings): string {
  return resolve(settings.values.general.controlFolder ?? join(dataFolder(settings), 'control'));
}

/**
 * Makes the folder of one environment.
 *
 * @throws CommandError when the folder cannot be written.
 */
export function prepareDataFolder(data: string, environment: EnvironmentName): string {
  const folder = join(data, environment);
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(data, constants.W_OK);
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw new CommandError(
      EXIT.invalidInput,
      `The data folder ${folder} cannot be written (${codeOf(error)}): give this user the right to write there, or name another in IDEOGATE_DATA.`,
    );
  }
  return folder;
}

/** Secrets of one environment's installation, made at its first start. */
export interface InstallationSecrets {
  readonly appendPassword: string;
  readonly readPassword: string;
  /** Under this key ids are made from keys. */
  readonly fingerprint: string;
  /** The keys under which prompts are recognised in the record are wrapped with this. */
  readonly prompt: string;
  /** Keys that the emulator takes in place of real ones. */
  readonly emulatorReadKey: string;
  readonly emulatorWriteKey: string;
}

const NAMES = [
  'appendPassword',
  'readPassword',
  'fingerprint',
  'prompt',
  'emulatorReadKey',
  'emulatorWriteKey',
] as const;

export function loadOrCreateSecrets(folder: string): InstallationSecrets {
  const file = join(folder, 'secrets.json');
  if (!existsSync(file)) {
    const made = Object.fromEntries(NAMES.map((name) => [name, randomBytes(24).toString('base64url')]));
    writePrivately(file, `${JSON.stringify(made, null, 2)}\n`);
  }
  return loadSecrets(folder);
}

/** @throws CommandError when they are not there, or not whole. */
export function loadSecrets(folder: string): InstallationSecrets {
  const file = join(folder, 'secrets.json');
  let kept: unknown;
  try {
    kept = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new CommandError(
      EXIT.failed,
      `${file} cannot be read (${codeOf(error)}): restore it from a copy; without it the record's logins are lost.`,
    );
  }
  if (!isSecrets(kept))
    throw new CommandError(EXIT.failed, `${file} lacks one of ${NAMES.join(', ')}: restore it from a copy.`);
  return kept;
}

function isSecrets(value: unknown): value is InstallationSecrets {
  if (typeof value !== 'object' || value === null) return false;
  const members = new Map(Object.entries(value));
  return NAMES.every((name) => typeof members.get(name) === 'string' && members.get(name) !== '');
}

/** Writes a file that only its owner may read, whole or not at all. */
export function writePrivately(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode: 0o600, flag: 'w' });
  renameSync(temporary, file);
}

export interface GivenKeyInSight {
  readonly id: string;
  readonly slot: KeySlot;
  /** Variable that gave it. */
  readonly from: string;
  /** Since when it is known in this data folder; null for the emulator's. */
  readonly since: string | null;
}

export interface ReadyFile {
  readonly pid: number;
  readonly gateway: string;
  readonly issuer: string;
  /** Null when the upstream is not the emulator. */
  readonly emulator: string | null;
  /** Address of the metrics, on the operations port; health and readiness are beside them. */
  readonly metrics: string;
  /** Reads the record. */
  readonly databaseUrl: string;
  /** Adds to the record: commands that read it say so there first. */
  readonly appendDatabaseUrl: string;
  /** Lists and replays webhooks. */
  readonly webhookDatabaseUrl: string;
  /** Superuser of the embedded Postgres; null with `DATABASE_URL`. */
  readonly adminDatabaseUrl: string | null;
  /** Puts keys into the sealed store and moves them on; opens none. */
  readonly keysDatabaseUrl: string;
  /** Reads what is sealed in the store: for resealing. */
  readonly keysOpenDatabaseUrl: string;
  /** Who sealed keys are sealed to; null when keys do not come from the store. */
  readonly keyRecipients: readonly string[] | null;
  /** Keys that variables and files gave at the start, or the emulator's own; empty when they come from the store. */
  readonly givenKeys: readonly GivenKeyInSight[];
  readonly environment: EnvironmentName;
  readonly clients: readonly {
    readonly client_id: string;
    readonly client_secret: string;
    readonly scopes: readonly string[];
  }[];
}

const READY = 'ready.json';

export function writeReadyFile(data: string, ready: ReadyFile): void {
  writePrivately(join(data, READY), `${JSON.stringify(ready, null, 2)}\n`);
}

export function removeReadyFile(data: string): void {
  rmSync(join(data, READY), { force: true });
}

/** Whether a product says that it runs on this data folder. */
export function isProductReady(data: string): boolean {
  return existsSync(join(data, READY));
}

/**
 * How commands find the running product.
 *
 * @throws CommandError when it does not run.
 */
export function readReadyFile(data: string): ReadyFile {
  const file = join(data, READY);
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ReadyFile; // as: written by writeReadyFile, whole or not at all
  } catch (error) {
    const why = codeOf(error) === 'ENOENT' ? 'is not there' : `cannot be read (${codeOf(error)})`;
    throw new CommandError(
      EXIT.failed,
      `${file} ${why}: is Ideogate running? Start it with pnpm start, or name its data folder in IDEOGATE_DATA.`,
    );
  }
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'unreadable';
}
