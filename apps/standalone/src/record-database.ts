import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import {
  claimDatabase,
  createLogins,
  DATABASE_FAULTS,
  DatabaseClaimError,
  type DatabaseFault,
  databaseSafety,
  type DatabaseSafety,
  type DatabaseUser,
  ensureDatabase,
  MigrationError,
  migrate,
  topUpPartitions,
} from '@ideogate/audit';
import { type EnvironmentName, errorCode } from '@ideogate/contract';
import { DataDirError, findLogin, type LoginName, removeLogin, writeLogin } from '@ideogate/data-dir';
import { type LocalPostgres, startLocalPostgres } from '@ideogate/local-postgres';
import { StartError } from './start-error.ts';

/** The database of the record, migrated, with its logins, which are in the data folder too. */
export interface RecordDatabase {
  /** Makes partitions, migrates and archives; the gateway never gets it. */
  readonly ownerUrl: string;
  readonly appendUrl: string;
  readonly readUrl: string;
  /** Reads what is sealed; no right on the record. */
  readonly keysOpenUrl: string;
  /** Keeps webhooks, and has no right on the record. */
  readonly webhookUrl: string;
  /** For the banner: where it is, and what it does not promise. */
  readonly notices: readonly string[];
  stop(): Promise<void>;
}

export interface RecordDatabaseOptions {
  readonly environment: EnvironmentName;
  /** The environment's part of the data folder. */
  readonly dir: string;
  /** Owner's URL of a database; null: the embedded Postgres in the folder. */
  readonly databaseUrl: string | null;
  /** Faults of the database that development puts up with. */
  readonly acceptedFaults: readonly DatabaseFault[];
  /** Passwords of logins that have no file yet; those that are in neither are made. */
  readonly oldPasswords: Partial<Readonly<Record<LoginName, string>>>;
  readonly log: (line: string) => void;
}

/** @throws StartError, LocalPostgresError, FolderInUseError, DataDirError */
export async function openRecordDatabase(options: RecordDatabaseOptions): Promise<RecordDatabase> {
  const { dir, databaseUrl, log } = options;
  const local =
    databaseUrl === null ? await startLocalPostgres({ folder: join(dir, 'postgres'), log }) : null;
  try {
    return await prepare(options, local);
  } catch (error) {
    await local?.stop();
    if (error instanceof MigrationError)
      throw new StartError('database', `The database cannot hold the record: ${error.message}.`);
    if (error instanceof DatabaseClaimError)
      throw new StartError('other-database', `DATABASE_URL: ${error.message}.`);
    const isOurs = error instanceof StartError || error instanceof DataDirError;
    if (local === null && error instanceof Error && !isOurs) {
      throw new StartError(
        'database',
        `The Postgres of DATABASE_URL cannot be used (${errorCode(error)})${withoutSecrets(error.message)}.`,
      );
    }
    throw error;
  }
}

async function prepare(
  { environment, dir, databaseUrl, acceptedFaults, oldPasswords }: RecordDatabaseOptions,
  local: LocalPostgres | null,
): Promise<RecordDatabase> {
  const embedded = `ideogate_${environment}`;
  if (local !== null) await ensureDatabase(local.superuserUrl('postgres'), embedded);
  const ownerUrl = local?.superuserUrl(embedded) ?? databaseUrl ?? '';
  const database = decodeURIComponent(new URL(ownerUrl).pathname.slice(1)) || new URL(ownerUrl).username;
  // Before anything is changed in it: a standby would refuse in words of its own.
  const owners = await requireSafe(ownerUrl, 'owner', acceptedFaults);
  await migrate(ownerUrl);
  await claimDatabase(ownerUrl, environment);
  await topUpPartitions(ownerUrl, BigInt(Date.now()) * 1000n);
  const login = (name: Exclude<LoginName, 'owner'>) => ({
    user: `${database}_${name.replace('-', '_')}`,
    password: passwordIn(dir, name) ?? oldPasswords[name] ?? randomBytes(24).toString('base64url'),
  });
  const append = login('append');
  const read = login('read');
  const keysPut = { group: 'ideogate_keys_put' as const, ...login('keys-put') };
  const keysOpen = { group: 'ideogate_keys_open' as const, ...login('keys-open') };
  const webhook = { group: 'ideogate_webhook' as const, ...login('webhook') };
  await createLogins(ownerUrl, { database, append, read, others: [keysPut, keysOpen, webhook] });
  const urls = {
    append: loginUrl(ownerUrl, append),
    read: loginUrl(ownerUrl, read),
    'keys-put': loginUrl(ownerUrl, keysPut),
    'keys-open': loginUrl(ownerUrl, keysOpen),
    webhook: loginUrl(ownerUrl, webhook),
  };
  const appends = await requireSafe(urls.append, 'append', acceptedFaults);
  const reads = await requireSafe(urls.read, 'read', acceptedFaults);
  for (const [name, url] of Object.entries(urls)) writeLogin(dir, name as keyof typeof urls, url); // as: its own names
  // The owner of another Postgres is its operator's to keep.
  if (local === null) removeLogin(dir, 'owner');
  else writeLogin(dir, 'owner', ownerUrl);
  const accepted = new Set(
    [owners, appends, reads].flatMap(({ faults }) => faults.map(({ fault }) => fault)),
  );
  return {
    ownerUrl,
    appendUrl: urls.append,
    readUrl: urls.read,
    keysOpenUrl: urls['keys-open'],
    webhookUrl: urls.webhook,
    notices: [
      ...(local?.notice == null ? [] : [local.notice]),
      ...[...accepted].map((fault) => `UNSAFE DATABASE, accepted for development: ${fault}`),
      // The embedded one is alone, and nobody expects it to fail over.
      ...(local !== null || appends.survivesFailover ? [] : [MAY_LOSE_ON_FAILOVER]),
    ],
    async stop() {
      await local?.stop();
    },
  };
}

const MAY_LOSE_ON_FAILOVER =
  'a failover of this database may lose the last acknowledged rows: synchronous_standby_names names no standby that must have them';

/** @throws StartError that names every fault that was not accepted, and what to do about it */
async function requireSafe(
  url: string,
  user: DatabaseUser,
  accepted: readonly DatabaseFault[],
): Promise<DatabaseSafety> {
  const safety = await databaseSafety(url, user);
  const unsafe = safety.faults.filter(({ fault }) => !accepted.includes(fault));
  if (unsafe.length === 0) return safety;
  throw new StartError('database', [
    'The database is not safe for the record, so nothing is started:',
    ...unsafe.map(
      ({ fault, detail }) => `  ${fault}${detail === null ? '' : ` (${detail})`}: ${DATABASE_FAULTS[fault]}`,
    ),
  ]);
}

/** The password of a login that an earlier start made; null when none did. */
function passwordIn(dir: string, name: LoginName): string | null {
  const url = findLogin(dir, name);
  return url !== null && URL.canParse(url) ? decodeURIComponent(new URL(url).password) || null : null;
}

function loginUrl(ownerUrl: string, login: { user: string; password: string }): string {
  const url = new URL(ownerUrl);
  url.username = encodeURIComponent(login.user);
  url.password = encodeURIComponent(login.password);
  return url.href;
}

/** The reason in Postgres' or the network's words; a name with several addresses has none for the whole. */
function withoutSecrets(message: string): string {
  const words = message.replaceAll(/postgres(?:ql)?:\/\/\S+/g, 'the URL given').replace(/\.$/, '');
  return words === '' ? '' : `: ${words}`;
}
