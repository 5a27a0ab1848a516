import { join } from 'node:path';
import {
  claimDatabase,
  createLogins,
  DatabaseClaimError,
  ensureDatabase,
  MigrationError,
  migrate,
  topUpPartitions,
} from '@ideogate/audit';
import { type LocalPostgres, startLocalPostgres } from '@ideogate/local-postgres';
import { CommandError, EXIT } from '../exit-codes.ts';
import { codeOf, type InstallationSecrets } from './data-folder.ts';
import type { ProductConfig } from './product-config.ts';

/** The database of the record, migrated, with its two logins. */
export interface RecordDatabase {
  /** Makes partitions, migrates and archives; the gateway never gets it. */
  readonly ownerUrl: string;
  readonly appendUrl: string;
  readonly readUrl: string;
  /** Superuser of the embedded Postgres; null with `DATABASE_URL`. */
  readonly adminUrl: string | null;
  /** For the banner. */
  readonly notice: string | null;
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
    if (local === null && error instanceof Error) {
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
  await migrate(ownerUrl);
  await claimDatabase(ownerUrl, config.environment);
  await topUpPartitions(ownerUrl, BigInt(Date.now()) * 1000n);
  const append = { user: `${database}_append`, password: secrets.appendPassword };
  const read = { user: `${database}_read`, password: secrets.readPassword };
  await createLogins(ownerUrl, { database, append, read });
  return {
    ownerUrl,
    appendUrl: loginUrl(ownerUrl, append),
    readUrl: loginUrl(ownerUrl, read),
    adminUrl: local === null ? null : ownerUrl,
    notice: local?.notice ?? null,
    async stop() {
      await local?.stop();
    },
  };
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
