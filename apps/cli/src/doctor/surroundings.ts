import type { Settings } from '@ideogate/config';
import { randomUUID } from 'node:crypto';
import { openReadPool } from '@ideogate/audit';
import { findNotice } from '@ideogate/audit/query';
import { auditRead } from '@ideogate/audit/append';
import { errorCode } from '@ideogate/contract';
import {
  currentUser,
  dataDir,
  environmentDir,
  hasInstallationKeys,
  isRunning,
  readInstallationKey,
} from '@ideogate/data-dir';
import { ExactFinder, filesBelow, type Finding as Find, scan } from '@ideogate/secret-scan';
import {
  configuredKeyId,
  type KnownConfiguredKey,
  type KnownKeys,
  openKeyStore,
  readKeySources,
  type StoredKey,
} from '@ideogate/upstream-keys';
import { describeError } from '../describe-error.ts';
import { knownToScan } from '../known-keys.ts';
import { actorOf, loginOf, type RunningProduct, runningProduct } from '../running-product.ts';
import { type ProductConfig, readProductConfig } from '../standalone.ts';
import { type KnownElsewhere, readKnownElsewhere } from './known-elsewhere.ts';

/** What the checks look at. What takes long is done once, when the first of them asks. */
export interface Surroundings {
  readonly settings: Settings;
  readonly data: string;
  /** The working folder: where keys must not lie. */
  readonly folder: string;
  /** The running product; null when none answers on this data folder. */
  readonly ready: RunningProduct | null;
  /** Whether `ready.json` is there though no gateway answers. */
  readonly gone: boolean;
  /** The settings as this command sees them; null when they have faults. */
  readonly config: ProductConfig | null;
  readonly settingFaults: readonly string[];
  readonly knownElsewhere: readonly KnownElsewhere[];
  /** What a scan of the working folder finds, by the ids of all known keys. */
  readonly scanned: () => Promise<Scanned>;
  /** Keys that variables and files gave to the running product, or the emulator's; none when nothing runs. */
  readonly configuredKeys: () => readonly KnownConfiguredKey[];
  /** Keys of the sealed store; none when nothing runs. */
  readonly storedKeys: () => Promise<readonly StoredKey[]>;
  /** Writes who looks into the record, and reads it back; rejects when the record does not take it. */
  readonly noted: () => Promise<Noted | null>;
}

interface Scanned {
  readonly finds: readonly Find[];
  readonly files: number;
  /** Keys that it could recognise for certain. */
  readonly keys: number;
  /** What it could not find out. */
  readonly notes: readonly string[];
}

interface Noted {
  readonly who: string;
  /** Writer and number of the row that was read back; null when the read login does not see it. */
  readonly row: string | null;
}

const ANSWER_MS = 2_000;

export async function lookAround(
  settings: Settings,
  folder: string,
  options: { readonly known?: string },
): Promise<Surroundings> {
  const knownElsewhere = readKnownElsewhere(options.known);
  const data = dataDir(settings);
  const said = isRunning(data) ? runningProduct(settings) : null;
  const ready = said !== null && (await answers(said.gateway)) ? said : null;
  const { config, settingFaults } = readConfig(settings, said);
  return {
    settings,
    data,
    folder,
    ready,
    gone: said !== null && ready === null,
    config,
    settingFaults,
    knownElsewhere,
    scanned: once(() => scanFolder(settings, folder, options.known, config)),
    configuredKeys: () => (ready === null ? [] : readKeySources(ready.dir).configured),
    storedKeys: once(() => (ready === null ? Promise.resolve([]) : storedKeys(ready))),
    noted: once(() => (ready === null ? Promise.resolve(null) : note(ready))),
  };
}

/** Whether something speaks there: what it says of itself is for the checks. */
async function answers(gateway: string): Promise<boolean> {
  try {
    const response = await fetch(`${gateway}/-/health`, { signal: AbortSignal.timeout(ANSWER_MS) });
    await response.body?.cancel();
    return true;
  } catch (error) {
    // A certificate that names another host than this loopback address is an answer.
    return error instanceof Error && /CERT|TLS|SIGNATURE/.test(String(codeIn(error.cause)));
  }
}

function codeIn(cause: unknown): unknown {
  return typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : '';
}

/** The environment and the port that the product runs with stand in for those that are not set. */
function readConfig(
  settings: Settings,
  said: RunningProduct | null,
): Pick<Surroundings, 'config' | 'settingFaults'> {
  const isSet = (variable: string) => settings.originOf(variable).kind !== 'default';
  const { general } = settings.values;
  const standIns = said && {
    environment: isSet('IDEOGATE_ENVIRONMENT') ? general.environment : said.environment,
    port: isSet('IDEOGATE_PORT') ? general.port : Number(new URL(said.gateway).port) || general.port,
  };
  try {
    const values = { ...settings.values, general: { ...general, ...standIns } };
    const config = readProductConfig({ ...settings, values });
    return { config, settingFaults: [] };
  } catch (error) {
    const words = describeError(error)?.message ?? `they cannot be read (${errorCode(error)})`;
    return { config: null, settingFaults: words.split('\n') };
  }
}

async function scanFolder(
  settings: Settings,
  folder: string,
  known: string | undefined,
  config: ProductConfig | null,
): Promise<Scanned> {
  const { keys, notes } = await knownToScan(settings, known);
  const all = [...keys, ...configuredHere(config)];
  const exact = new ExactFinder(all);
  const finds: Find[] = [];
  let files = 0;
  for await (const source of filesBelow(folder)) {
    files += 1;
    for await (const find of scan(source, exact)) finds.push(find);
  }
  return { finds, files, keys: new Set(all.flatMap(({ ids }) => [...ids])).size, notes };
}

/** Keys that variables and files hold are known without a running product too, by their ids under its secret. */
function configuredHere(config: ProductConfig | null): readonly KnownKeys[] {
  if (config === null || config.upstream.kind !== 'configured') return [];
  const dir = environmentDir(config.data, config.environment);
  if (!hasInstallationKeys(dir)) return [];
  const fingerprintSecret = readInstallationKey(dir, 'fingerprint');
  return [
    {
      fingerprintSecret,
      ids: new Set(config.upstream.all.map((key) => configuredKeyId(key, fingerprintSecret))),
    },
  ];
}

async function storedKeys(ready: RunningProduct): Promise<readonly StoredKey[]> {
  const store = await openKeyStore(loginOf(ready, 'keys-put'));
  try {
    return await store.list();
  } finally {
    await store.end();
  }
}

const CLOCKS_APART_MS = 3_600_000;

async function note(ready: RunningProduct): Promise<Noted> {
  const run = randomUUID();
  const since = new Date(Date.now() - CLOCKS_APART_MS);
  await auditRead(actorOf(ready), 'doctor', { run });
  const pool = openReadPool(loginOf(ready, 'read'));
  try {
    const found = await findNotice(pool, { operation: 'doctor', member: 'run', value: run, since });
    return { who: currentUser(), row: found && `${found.writer}, event ${found.seq}` };
  } finally {
    await pool.end();
  }
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined;
  return () => (done ??= work());
}
