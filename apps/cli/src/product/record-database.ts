import { createHmac } from 'node:crypto';
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
import { type LocalPostgres, startLocalPostgres } from '@ideogate/local-postgres';
import { CommandError, EXIT } from '../exit-codes.ts';
import { codeOf, type InstallationSecrets } from './data-folder.ts';
import type { ProductConfig } from './product-config.ts';

/** The database of the record, migrated, with its logins. */
export interface RecordDatabase {
  /** Makes partitions, migrates and archives; the gateway never gets it. */
  readonly ownerUrl: string;
  readonly appendUrl: string;
  readonly readUrl: string;
  /** Puts keys into the sealed store, and sees none. */
  readonly keysPutUrl: string;
  /** Reads what is sealed; no right on the record. */
  readonly keysOpenUrl: string;
  /** Keeps webhooks, and has no right on the record. */
  readonly webhookUrl: string;
  /** Superuser of the embedded Postgres; null with `DATABASE_URL`. */
  readonly adminUrl: string | null;
  /** For the banner: where it is, and what it does not promise. */
  readonly notices: readonly string[];
  stop(): Promise<void>;
}

/** @throws CommandError, LocalPostgresError, FolderInUseError */
export async function openRecordDatabase(
  config: ProductConfig,
  folder: string,
  secrets: InstallationSecrets,
  log: (line: string) => void,
): Promise<RecordDatabase> {
  const local =
    config.databaseUrl === null ? await startLocalPostgres({ folder: join(folder, 'postgres'), log }) : null;
  try {
    return await prepare(config, local, secrets);
  } catch (error) {
    await local?.stop();
    if (error instanceof MigrationError)
      throw new CommandError(EXIT.failed, `The database cannot hold the record: ${error.message}.`);
    if (error instanceof DatabaseClaimError)
      throw new CommandError(EXIT.invalidInput, `DATABASE_URL: ${error.message}.`);
    if (local === null && error instanceof Error && !(error instanceof CommandError)) {
      throw new CommandError(
        EXIT.failed,
        `The Postgres of DATABASE_URL cannot be used (${codeOf(error)})${withoutSecrets(error.message)}.`,
      );
    }
    throw error;
  }
}

async function prepare(
  config: ProductConfig,
  local: LocalPostgres | null,
  secrets: InstallationSecrets,
): Promise<RecordDatabase> {
  const embedded = `ideogate_${config.environment}`;
  if (local !== null) await ensureDatabase(local.superuserUrl('postgres'), embedded);
  const ownerUrl = local?.superuserUrl(embedded) ?? config.databaseUrl ?? '';
  const database = decodeURIComponent(new URL(ownerUrl).pathname.slice(1)) || new URL(ownerUrl).username;
  // Before anything is changed in it: a standby would refuse in words of its own.
  const owners = await requireSafe(ownerUrl, 'owner', config.acceptedFaults);
  await migrate(ownerUrl);
  await claimDatabase(ownerUrl, config.environment);
  await topUpPartitions(ownerUrl, BigInt(Date.now()) * 1000n);
  const append = { user: `${database}_append`, password: secrets.appendPassword };
  const read = { user: `${database}_read`, password: secrets.readPassword };
  const keys = (['put', 'open'] as const).map((may) => ({
    group: `ideogate_keys_${may}` as const,
    user: `${database}_keys_${may}`,
    password: passwordOf(`keys ${may}`, secrets),
  }));
  const webhook = {
    group: 'ideogate_webhook' as const,
    user: `${database}_webhook`,
    password: passwordOf('webhook', secrets),
  };
  await createLogins(ownerUrl, { database, append, read, others: [...keys, webhook] });
  const [keysPutUrl = '', keysOpenUrl = ''] = keys.map((login) => loginUrl(ownerUrl, login));
  const appendUrl = loginUrl(ownerUrl, append);
  const readUrl = loginUrl(ownerUrl, read);
  const appends = await requireSafe(appendUrl, 'append', config.acceptedFaults);
  const reads = await requireSafe(readUrl, 'read', config.acceptedFaults);
  const accepted = new Set(
    [owners, appends, reads].flatMap(({ faults }) => faults.map(({ fault }) => fault)),
  );
  return {
    ownerUrl,
    appendUrl,
    readUrl,
    keysPutUrl,
    keysOpenUrl,
    webhookUrl: loginUrl(ownerUrl, webhook),
    adminUrl: local === null ? null : ownerUrl,
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

/** @throws CommandError that names every fault that was not accepted, and what to do about it */
async function requireSafe(
  url: string,
  user: DatabaseUser,
  accepted: readonly DatabaseFault[],
): Promise<DatabaseSafety> {
  const safety = await databaseSafety(url, user);
  const unsafe = safety.faults.filter(({ fault }) => !accepted.includes(fault));
  if (unsafe.length === 0) return safety;
  throw new CommandError(EXIT.failed, [
    'The database is not safe for the record, so nothing is started:',
    ...unsafe.map(
      ({ fault, detail }) => `  ${fault}${detail === null ? '' : ` (${detail})`}: ${DATABASE_FAULTS[fault]}`,
    ),
  ]);
}

/** Logins that came later than `secrets.json` have passwords made from it: every replica has the same. */
function passwordOf(login: string, secrets: InstallationSecrets): string {
  return createHmac('sha256', secrets.prompt).update(`ideogate login ${login}`).digest('base64url');
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
