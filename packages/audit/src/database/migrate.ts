import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { FaultError } from '@ideogate/contract';
import { inTransaction, type Session } from '@ideogate/postgres';
import { retryOnRoleRace, withOwner, withSchemaLock } from './owner-session.ts';

/** Why a database is not migrated. */
export type MigrationFault =
  /** A migration that has landed was edited since. */
  | 'edited'
  /** The database has a migration that this version doesn't know: it belongs to a newer one. */
  | 'unknown'
  /** A migration that hasn't landed comes before one that has. */
  | 'out-of-order'
  /** Postgres older than 15. */
  | 'server-too-old'
  /** A database that can't hold every character would let a hostile one stop the record. */
  | 'not-utf8';

/** Nothing more was migrated; `fault` says why. */
export class MigrationError extends FaultError<MigrationFault> {
  override readonly name = 'MigrationError';
}

interface Migration {
  readonly name: string;
  readonly sql: string;
  readonly sha256: string;
}

/** As it is now; what it was before has a lower edition. */
interface View extends Migration {
  readonly edition: number;
}

const FOLDER = new URL('../../../../migrations/', import.meta.url);

/**
 * Brings the database's schema up to date: every file of `folder` named `NNNN_words.sql`, in the order of names,
 * each in a transaction, and then its views. Several processes may run it at once, on one database or on several of one cluster.
 * Partitions are not its business: call `topUpPartitions` after it.
 * @param ownerUrl a role that may create roles and schemas
 * @returns the names of the migrations applied now
 * @throws MigrationError, or what Postgres says
 */
export async function migrate(ownerUrl: string, folder: URL = FOLDER): Promise<readonly string[]> {
  const migrations = await readSql(folder, /^[0-9]{4}_[a-z0-9_]+\.sql$/);
  const views = (await readSql(new URL('views/', folder), /^[a-z0-9_]+\.sql$/)).map(withEdition);
  return withOwner(ownerUrl, async (session) => {
    await checkServer(session);
    return withSchemaLock(session, async () => {
      await session.query({
        text: `CREATE SCHEMA IF NOT EXISTS ideogate;
          CREATE TABLE IF NOT EXISTS ideogate.ideogate_migrations (
            name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
          CREATE TABLE IF NOT EXISTS ideogate.ideogate_views (
            name text, sha256 text, edition integer NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (name, sha256));
          REVOKE ALL ON ideogate.ideogate_migrations, ideogate.ideogate_views FROM PUBLIC;`,
      });
      const pending = pendingMigrations(migrations, await landed(session));
      for (const migration of pending) await retryOnRoleRace(() => apply(session, migration));
      await applyViews(session, views);
      return pending.map(({ name }) => name);
    });
  });
}

/** The files of a folder with such names, in the order of names; none when there is no folder. */
async function readSql(folder: URL, pattern: RegExp): Promise<readonly Migration[]> {
  const names = existsSync(folder) ? (await readdir(folder)).filter((name) => pattern.test(name)) : [];
  return Promise.all(
    names.toSorted().map(async (name) => {
      // A checkout on Windows may have changed the line ends; that is no edit.
      const sql = (await readFile(new URL(name, folder), 'utf8')).replaceAll('\r\n', '\n');
      return { name, sql, sha256: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

async function checkServer(session: Session): Promise<void> {
  const [server] = await session.rows<{ major: number; encoding: string }>(
    `SELECT current_setting('server_version_num')::int / 10000 AS major, current_setting('server_encoding') AS encoding`,
  );
  if (server === undefined) throw new Error('Postgres answered without a row');
  const { major, encoding } = server;
  if (major < 15) {
    throw new MigrationError('server-too-old', `the record needs Postgres 15 or newer, this is ${major}`);
  }
  if (encoding !== 'UTF8') {
    throw new MigrationError(
      'not-utf8',
      `the record needs a database with encoding UTF8, this has ${encoding}`,
    );
  }
}

async function landed(session: Session): Promise<ReadonlyMap<string, string>> {
  const rows = await session.rows<{ name: string; sha256: string }>(
    'SELECT name, sha256 FROM ideogate.ideogate_migrations',
  );
  return new Map(rows.map(({ name, sha256 }) => [name, sha256]));
}

function pendingMigrations(
  migrations: readonly Migration[],
  landed: ReadonlyMap<string, string>,
): readonly Migration[] {
  const known = new Set(migrations.map(({ name }) => name));
  const last = [...landed.keys()].toSorted().at(-1) ?? '';
  for (const name of landed.keys()) {
    if (!known.has(name)) {
      throw new MigrationError(
        'unknown',
        `the database has migration ${name}, which this version doesn't know`,
      );
    }
  }
  return migrations.filter(({ name, sha256 }) => {
    const before = landed.get(name);
    if (before === undefined && name < last) {
      throw new MigrationError('out-of-order', `migration ${name} comes before ${last}, which has landed`);
    }
    if (before !== undefined && before !== sha256) {
      throw new MigrationError('edited', `migration ${name} was edited after it landed; undo the edit`);
    }
    return before === undefined;
  });
}

function apply(session: Session, migration: Migration): Promise<void> {
  return inTransaction(session, async () => {
    await session.query({ text: migration.sql });
    await session.query({
      text: 'INSERT INTO ideogate.ideogate_migrations (name, sha256) VALUES ($1, $2)',
      values: [migration.name, migration.sha256],
    });
  });
}

/** The number in its first line, `-- edition: 1`. */
function withEdition(view: Migration): View {
  return { ...view, edition: Number(/^-- edition: ([0-9]{1,6})\n/.exec(view.sql)?.[1] ?? 0) };
}

/**
 * Applies the views whose text is new to the database; all of them when the tables beneath have changed since. A text
 * that another has replaced, and one of a lower edition than the database has, belongs to an older version, which leaves
 * the newer view as it is.
 */
async function applyViews(session: Session, views: readonly View[]): Promise<void> {
  const rows = await session.rows<{ name: string; sha256: string; edition: number; holds: boolean }>(
    `SELECT name, sha256, edition, applied_at >= ALL (SELECT applied_at FROM ideogate.ideogate_migrations) AS holds
     FROM ideogate.ideogate_views`,
  );
  const isThere = ({ name, sha256, edition }: View) =>
    rows.some((row) => row.name === name && (row.edition > edition || (row.sha256 === sha256 && row.holds)));
  const changed = views.filter((view) => !isThere(view));
  if (changed.length === 0) return;
  await retryOnRoleRace(() =>
    inTransaction(session, async () => {
      for (const { name, sql, sha256, edition } of changed) {
        await session.query({ text: sql });
        await session.query({
          text: `INSERT INTO ideogate.ideogate_views (name, sha256, edition) VALUES ($1, $2, $3)
            ON CONFLICT (name, sha256) DO UPDATE SET applied_at = now()`,
          values: [name, sha256, edition],
        });
      }
    }),
  );
}
