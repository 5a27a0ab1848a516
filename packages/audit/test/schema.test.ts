import { randomUUID } from 'node:crypto';
import { copyFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createDatabase } from '@ideogate/testkit';
import { getTableColumns } from 'drizzle-orm';
import { Client, DatabaseError } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLogins, migrate, openReadPool, partitionsAheadDays, topUpPartitions } from '../src/index.ts';
import { auditEvent } from '../src/database/schema.ts';
import { nowMicros } from './events-under-test.ts';
import { type RecordDatabase, recordDatabase } from './record-under-test.ts';

const DAY_MICROS = 86_400_000_000n;
let database: RecordDatabase;

beforeAll(async () => {
  database = await recordDatabase();
});
afterAll(async () => {
  await database.close();
});

async function asLogin(url: string, statement: string): Promise<string> {
  const client = new Client({
    connectionString: url,
    query_timeout: 5_000,
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query(statement);
    return 'ok';
  } catch (error) {
    return error instanceof DatabaseError ? (error.code ?? '') : String(error);
  } finally {
    await client.end();
  }
}

const DENIED = '42501';
const insert = () =>
  `INSERT INTO ideogate.audit_event (writer, seq, at, kind, call_id, environment, result, prev_hash, hash)
   VALUES ('${randomUUID()}', 1, now(), 'decision', '${randomUUID()}', 'staging', 'refused', decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex'))`;

describe('what the logins may do', () => {
  test.each([
    ['append', 'ok', insert()],
    ['append', DENIED, 'SELECT * FROM ideogate.audit_event'],
    ['append', DENIED, `UPDATE ideogate.audit_event SET reason = 'x'`],
    ['append', DENIED, 'DELETE FROM ideogate.audit_event'],
    ['append', DENIED, 'TRUNCATE ideogate.audit_event'],
    ['append', DENIED, 'ALTER TABLE ideogate.audit_event ADD COLUMN x int'],
    ['append', DENIED, 'ALTER TABLE ideogate.audit_event DISABLE TRIGGER ALL'],
    ['append', DENIED, 'DROP TABLE ideogate.audit_event'],
    ['append', DENIED, 'CREATE INDEX ON ideogate.audit_event (reason)'],
    ['append', DENIED, `${insert()} RETURNING seq`],
    ['append', DENIED, `${insert()} ON CONFLICT (writer, seq, at) DO NOTHING`],
    ['append', DENIED, 'SELECT * FROM ideogate.audit_call'],
    ['append', DENIED, 'SELECT * FROM ideogate.audit_entry'],
    ['append', DENIED, 'SELECT * FROM ideogate.ideogate_migrations'],
    ['append', DENIED, 'BEGIN; LOCK TABLE ideogate.audit_event IN ACCESS EXCLUSIVE MODE'],
    ['append', DENIED, 'CREATE TABLE ideogate.mine (a int)'],
    ['append', DENIED, 'CREATE TABLE public.mine (a int)'],
    ['append', DENIED, 'CREATE TEMP TABLE mine (a int)'],
    ['append', DENIED, 'CREATE ROLE mine'],
    ['append', DENIED, 'SET ROLE ideogate_read'],
    ['append', DENIED, 'PARTITION'],
    ['read', 'ok', 'SELECT * FROM audit_event'],
    ['read', 'ok', 'SELECT * FROM audit_call'],
    ['read', 'ok', 'SELECT * FROM audit_entry'],
    ['read', DENIED, insert()],
    ['read', DENIED, `UPDATE audit_event SET reason = 'x'`],
    ['read', DENIED, 'DELETE FROM audit_event'],
    ['read', DENIED, 'TRUNCATE audit_event'],
    ['read', DENIED, 'ALTER VIEW audit_entry RENAME TO mine'],
    ['read', DENIED, 'SELECT * FROM ideogate_migrations'],
    ['read', DENIED, 'CREATE TEMP TABLE mine (a int)'],
  ] as const)('the %s login gets %s for %.60s (E.52)', async (login, expected, statement) => {
    const url = login === 'append' ? database.appendUrl : database.readUrl;
    const { rows } = await database.owner.query<{ name: string }>(
      `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'ideogate.audit_event'::regclass LIMIT 1`,
    );
    const sql = statement === 'PARTITION' ? `DELETE FROM ${rows[0]?.name ?? ''}` : statement;
    expect(await asLogin(url, sql)).toBe(expected);
  });

  test('trap 33: a login that only inserts can send the same row again and be told that it is there', async () => {
    const fixed = insert().replace('now()', `date_trunc('month', now())`);
    expect(await asLogin(database.appendUrl, fixed)).toBe('ok');
    // Unique by writer, seq and at, for the table is partitioned by `at`.
    expect(await asLogin(database.appendUrl, fixed)).toBe('23505');
    expect(await asLogin(database.appendUrl, `${fixed} ON CONFLICT DO NOTHING`)).toBe('ok');
    expect(await asLogin(database.appendUrl, `${fixed} ON CONFLICT (writer, seq, at) DO NOTHING`)).toBe(
      DENIED,
    );
    expect(await asLogin(database.appendUrl, `${fixed} RETURNING seq`)).toBe(DENIED);
  });

  test('a login of one database can not connect to another, and a wrong password not at all', async () => {
    const other = await recordDatabase();
    try {
      for (const url of [database.appendUrl, database.readUrl]) {
        const elsewhere = new URL(url);
        elsewhere.pathname = `/${other.name}`;
        expect(await asLogin(elsewhere.href, 'SELECT 1')).toBe(DENIED);
      }
    } finally {
      await other.close();
    }
  });

  test('making the logins again gives them their new passwords', async () => {
    const login = (kind: string) => ({
      user: `${database.name}_${kind}`,
      password: `not-a-real-password-${kind[0]}`,
    });
    const logins = { append: login('append'), read: login('read') };
    await Promise.all(
      Array.from({ length: 3 }, () =>
        createLogins(database.ownerUrl, { database: database.name, ...logins }),
      ),
    );
    expect(await asLogin(database.readUrl, 'SELECT 1')).toBe('ok');
  });

  test.each([
    ['name-without-database', 'someone', 'x'],
    ['name-too-long', 'NAME'.padEnd(64, 'x'), 'x'],
    ['password', 'NAME_y', 'with space'],
    ['powerful-role', 'NAME_super', 'x'],
  ])('%s is an error', async (fault, user, password) => {
    const name = database.name;
    await database.owner.query(`CREATE ROLE ${name}_super SUPERUSER`);
    try {
      const append = { user: user.replace('NAME', name), password };
      const read = { user: `${name}_read`, password: 'not-a-real-password-r' };
      await expect(createLogins(database.ownerUrl, { database: name, append, read })).rejects.toMatchObject({
        fault,
      });
    } finally {
      await database.owner.query(`DROP ROLE ${name}_super`);
    }
  });
});

describe('migrations', () => {
  test('trap 36: two processes at once on each of four databases of one cluster all succeed, and apply each once', async () => {
    const present = (await readdir(new URL('../../../migrations', import.meta.url)))
      .filter((name) => name.endsWith('.sql'))
      .toSorted();
    const databases = await Promise.all(Array.from({ length: 4 }, () => createDatabase()));
    try {
      const applied = await Promise.all(
        databases.flatMap(({ url }) =>
          [migrate(url), migrate(url)].map((work) => work.then((names) => ({ url, names }))),
        ),
      );
      const all = await migrate(databases[0]?.url ?? '');
      expect(all).toEqual([]);
      for (const { url } of databases) {
        const names = applied.filter((run) => run.url === url).flatMap((run) => run.names);
        expect(names.toSorted()).toEqual(present);
      }
      await Promise.all(
        databases.flatMap(({ url }) => [
          topUpPartitions(url, nowMicros()),
          topUpPartitions(url, nowMicros()),
        ]),
      );
    } finally {
      await Promise.all(databases.map((each) => each.drop()));
    }
  });

  test('a column that comes later comes to a month on its way out and to months read back, too', async () => {
    const early = await createDatabase();
    const client = new Client({ connectionString: early.url });
    try {
      const folder = new URL('../../../migrations/', import.meta.url);
      const before = await mkdtemp(join(tmpdir(), 'migrations-'));
      for (const name of await readdir(folder))
        if (name < '0012') await copyFile(new URL(name, folder), join(before, name));
      await migrate(early.url, pathToFileURL(`${before}/`));
      const [month] = await topUpPartitions(early.url, nowMicros());
      await client.connect();
      await client.query(`ALTER TABLE ideogate.audit_event DETACH PARTITION ideogate.${month};
        CREATE SCHEMA ideogate_imported;
        CREATE TABLE ideogate_imported.audit_event (LIKE ideogate.audit_event);`);
      await migrate(early.url);
      for (const table of [`ideogate.${month}`, 'ideogate_imported.audit_event', 'ideogate.audit_event'])
        expect((await client.query(`SELECT prompt_sealed, proxy FROM ${table}`)).rows).toEqual([]);
    } finally {
      await client.end();
      await early.drop();
    }
  });

  test('the recipe of migrations/README.md brings a column to every month, and to the view', async () => {
    const early = await createDatabase();
    const client = new Client({ connectionString: early.url });
    try {
      const folder = new URL('../../../migrations/', import.meta.url);
      const recipe = /```sql\s+(SELECT ideogate\.add_record_column\('tenant', .*?;)/.exec(
        await readFile(new URL('README.md', folder), 'utf8'),
      )?.[1];
      const later = await mkdtemp(join(tmpdir(), 'migrations-'));
      await cp(folder, later, { recursive: true });
      await writeFile(join(later, '9999_tenant.sql'), recipe ?? 'no recipe');
      const view = join(later, 'views/audit_call.sql');
      await writeFile(
        view,
        (await readFile(view, 'utf8')).replace('  d.proxy\n', '  d.proxy,\n  d.tenant\n'),
      );

      await migrate(early.url);
      const [month] = await topUpPartitions(early.url, nowMicros());
      await client.connect();
      await client.query(`ALTER TABLE ideogate.audit_event DETACH PARTITION ideogate.${month};
        CREATE SCHEMA ideogate_imported;
        CREATE TABLE ideogate_imported.audit_event (LIKE ideogate.audit_event);`);
      expect(await migrate(early.url, pathToFileURL(`${later}/`))).toEqual(['9999_tenant.sql']);
      for (const table of [`ideogate.${month}`, 'ideogate_imported.audit_event', 'ideogate.audit_call'])
        expect((await client.query(`SELECT tenant FROM ${table}`)).rows).toEqual([]);
      expect(await asLogin(early.url, 'SET ROLE ideogate_read; SELECT tenant FROM ideogate.audit_call')).toBe(
        'ok',
      );
    } finally {
      await client.end();
      await early.drop();
    }
  });

  test('a database of the numbered files alone gets the views, as they were, and an older version leaves newer ones', async () => {
    const early = await createDatabase();
    const client = new Client({ connectionString: early.url });
    const definitions = async () => {
      const { rows } = await client.query<Record<string, string>>(
        `SELECT relname, pg_get_viewdef(oid) AS text, relacl::text, reloptions::text FROM pg_class
         WHERE relnamespace = 'ideogate'::regnamespace AND relkind = 'v' ORDER BY relname`,
      );
      return rows;
    };
    try {
      const folder = new URL('../../../migrations/', import.meta.url);
      const before = await mkdtemp(join(tmpdir(), 'migrations-'));
      await cp(folder, before, { recursive: true });
      await rm(join(before, 'views'), { recursive: true });
      await migrate(early.url, pathToFileURL(`${before}/`));
      await client.connect();
      const numbered = await definitions();
      expect(numbered.map(({ relname }) => relname)).toEqual(['audit_call', 'audit_entry', 'audit_notice']);
      await migrate(early.url);
      expect(await definitions()).toEqual(numbered);

      const newer = await mkdtemp(join(tmpdir(), 'migrations-'));
      await cp(folder, newer, { recursive: true });
      const view = join(newer, 'views/audit_notice.sql');
      await writeFile(
        view,
        (await readFile(view, 'utf8')).replace('  seq\n', '  seq,\n  hash AS seen_by_newer\n'),
      );
      await migrate(early.url, pathToFileURL(`${newer}/`));
      const seen = { relname: 'audit_notice', text: expect.stringContaining('seen_by_newer') as unknown };
      expect(await definitions()).toContainEqual(expect.objectContaining(seen));
      await migrate(early.url);
      expect(await definitions()).toContainEqual(expect.objectContaining(seen));
    } finally {
      await client.end();
      await early.drop();
    }
  });

  test('an older version leaves the views of a database that a newer one made, and so does the newer one', async () => {
    const early = await createDatabase();
    const client = new Client({ connectionString: early.url });
    try {
      const folder = new URL('../../../migrations/', import.meta.url);
      const newer = await mkdtemp(join(tmpdir(), 'migrations-'));
      await cp(folder, newer, { recursive: true });
      const edit = async (name: string, from: string, to: string) => {
        const view = join(newer, 'views', name);
        const edited = (await readFile(view, 'utf8')).replace(from, to).replace('edition: 1', 'edition: 2');
        await writeFile(view, edited);
      };
      // One that could not be replaced by what it was, and one that could.
      await edit('audit_notice.sql', '  seq\n', '  seq,\n  hash AS seen_by_newer\n');
      await edit('audit_call.sql', 'BETWEEN 200 AND 299', 'BETWEEN 200 AND 298');
      await client.connect();
      for (const version of [pathToFileURL(`${newer}/`), folder, pathToFileURL(`${newer}/`)]) {
        await migrate(early.url, version);
        const { rows } = await client.query<{ notice: string; call: string }>(
          `SELECT pg_get_viewdef('ideogate.audit_notice'::regclass) AS notice,
                  pg_get_viewdef('ideogate.audit_call'::regclass) AS call`,
        );
        expect(rows).toEqual([
          { notice: expect.stringContaining('seen_by_newer'), call: expect.stringContaining('298') },
        ]);
      }
    } finally {
      await client.end();
      await early.drop();
    }
  });

  test('a start with nothing to migrate waits for nobody who reads, as a dump does for hours', async () => {
    const client = new Client({ connectionString: database.ownerUrl });
    await client.connect();
    try {
      const tables = ['ideogate_migrations', 'ideogate_views', 'audit_event', 'audit_call', 'audit_notice'];
      const locked = tables.map((name) => `ideogate.${name}`).join(', ');
      await client.query(`BEGIN; LOCK TABLE ${locked} IN ACCESS SHARE MODE`);
      expect(await migrate(database.ownerUrl)).toEqual([]);
    } finally {
      await client.end();
    }
  }, 20_000);

  test('an edited, unknown or misplaced migration is an error that names it, and changes nothing', async () => {
    const empty = await createDatabase();
    try {
      const folder = async (files: Record<string, string>) => {
        const path = await mkdtemp(join(tmpdir(), 'migrations-'));
        for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
        return pathToFileURL(`${path}/`);
      };
      const two = { '0002_a.sql': 'CREATE TABLE a ();\n' };
      expect(await migrate(empty.url, await folder(two))).toEqual(['0002_a.sql']);
      expect(await migrate(empty.url, await folder({ '0002_a.sql': 'CREATE TABLE a ();\r\n' }))).toEqual([]);
      for (const [fault, files, named] of [
        ['edited', { '0002_a.sql': 'CREATE TABLE b ();' }, '0002_a.sql'],
        ['unknown', { '0003_b.sql': '' }, '0002_a.sql'],
        ['out-of-order', { ...two, '0001_b.sql': '' }, '0001_b.sql'],
      ] as const) {
        await expect(migrate(empty.url, await folder(files))).rejects.toMatchObject({
          fault,
          message: expect.stringContaining(named),
        });
      }
      // One that fails leaves nothing behind.
      const failing = { ...two, '0003_c.sql': 'CREATE TABLE c (); SELECT 1/0;' };
      await expect(migrate(empty.url, await folder(failing))).rejects.toMatchObject({ code: '22012' });
      expect(await migrate(empty.url, await folder({ ...two, '0003_c.sql': 'CREATE TABLE c ();' }))).toEqual([
        '0003_c.sql',
      ]);
    } finally {
      await empty.drop();
    }
  });

  test('the drizzle schema says what the table is', async () => {
    const { rows } = await database.owner.query(
      `SELECT attname AS name, format_type(atttypid, atttypmod) AS type, attnotnull AS not_null
       FROM pg_attribute WHERE attrelid = 'ideogate.audit_event'::regclass AND attnum > 0 ORDER BY attnum`,
    );
    const described = Object.values(getTableColumns(auditEvent)).map((column) => ({
      name: column.name,
      type: column.getSQLType().replace('timestamp (6)', 'timestamp(6)'),
      not_null: column.notNull,
    }));
    expect(described).toEqual(rows);
  });
});

describe('partitions', () => {
  test('trap 35: reach from one month behind to twelve ahead, are topped up as time goes on, and none is the default', async () => {
    const empty = await createDatabase();
    const pool = openReadPool(empty.url);
    try {
      await migrate(empty.url);
      const start = BigInt(Date.UTC(2026, 0, 31, 23, 59, 59)) * 1_000n;
      expect(await partitionsAheadDays(pool, start)).toBe(0);
      const made = await topUpPartitions(empty.url, start);
      expect([made[0], made.at(-1), made.length]).toEqual(['audit_event_2025_12', 'audit_event_2027_01', 14]);
      expect(await partitionsAheadDays(pool, start)).toBe(365);
      expect(await topUpPartitions(empty.url, start)).toEqual([]);
      expect(await topUpPartitions(empty.url, start + DAY_MICROS)).toEqual(['audit_event_2027_02']);
      expect(await partitionsAheadDays(pool, start + 400n * DAY_MICROS)).toBe(0);
      // A hole counts as the end.
      await pool.query('ALTER TABLE ideogate.audit_event DETACH PARTITION ideogate.audit_event_2026_03');
      expect(await partitionsAheadDays(pool, start)).toBe(28);
      const { rows } = await pool.query(
        `SELECT FROM pg_class WHERE pg_get_expr(relpartbound, oid) = 'DEFAULT'`,
      );
      expect(rows.length).toBe(0);
    } finally {
      await pool.end();
      await empty.drop();
    }
  });

  test('trap 35: are made while the record is read and written', async () => {
    const reader = new Client({ connectionString: database.readUrl });
    await reader.connect();
    try {
      await reader.query('BEGIN; SELECT count(*) FROM audit_event');
      const made = await topUpPartitions(database.ownerUrl, nowMicros() + 62n * DAY_MICROS);
      expect(made.length).toBeGreaterThan(0);
      expect(await asLogin(database.appendUrl, insert())).toBe('ok');
    } finally {
      await reader.end();
    }
  });
});
