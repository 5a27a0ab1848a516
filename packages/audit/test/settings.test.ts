import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLocalPostgres } from '@ideogate/local-postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuditWriter } from '../src/append/index.ts';
import { type DatabaseFault, databaseSafety, type DatabaseUser } from '../src/index.ts';
import { connectionFaults } from '../src/database/settings.ts';
import { openWriter, type RecordDatabase, recordDatabase, until } from './record-under-test.ts';

let database: RecordDatabase;

beforeAll(async () => {
  database = await recordDatabase();
});
afterAll(async () => {
  await database.close();
});

const urlOf = (user: DatabaseUser) => database[`${user}Url`];

/** The faults that a login sees, in words. */
async function faults(user: DatabaseUser): Promise<readonly string[]> {
  const { faults } = await databaseSafety(urlOf(user), user);
  return faults.map(({ fault, detail }) => (detail === null ? fault : `${fault}: ${detail}`));
}

/** Does what a careless administrator did, looks, and undoes it. */
async function after<T>(deed: string, undo: string, look: () => Promise<T>): Promise<T> {
  const named = (statement: string) =>
    statement
      .replaceAll('APPEND', `${database.name}_append`)
      .replaceAll('READ', `${database.name}_read`)
      .replaceAll('DATABASE_NAME', database.name);
  await database.owner.query(named(deed));
  try {
    return await look();
  } finally {
    await database.owner.query(named(undo));
  }
}

test.each(['owner', 'append', 'read'] as const)(
  'a database as Ideogate makes it has no fault in the eyes of the %s',
  async (user) => {
    expect(await faults(user)).toEqual([]);
  },
);

describe('settings as the login that appends has them', () => {
  test.each([
    [
      'synchronous_commit off',
      'ALTER ROLE APPEND IN DATABASE DATABASE_NAME SET synchronous_commit = off',
      'ALTER ROLE APPEND IN DATABASE DATABASE_NAME RESET synchronous_commit',
    ],
    [
      'read-only',
      'ALTER DATABASE DATABASE_NAME SET default_transaction_read_only = on',
      'SET default_transaction_read_only = off; ALTER DATABASE DATABASE_NAME RESET default_transaction_read_only',
    ],
  ])('%s is found, though set for this login or database alone', async (fault, deed, undo) => {
    expect(await after(deed, undo, () => faults('append'))).toEqual([fault]);
  });

  test('a failover may lose rows as long as no standby must have them before they are acknowledged', async () => {
    expect(await databaseSafety(database.appendUrl, 'append')).toMatchObject({ survivesFailover: false });
  });
});

describe('settings of the whole server', () => {
  let folder: string;
  let url: string;
  /** The server as it was started, and who runs it. */
  let command: readonly string[];
  let uid: number;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ideogate-settings-'));
    // mkdtemp makes it 0700, and as root the server runs under another account.
    chmodSync(folder, 0o755);
    const postgres = await startLocalPostgres({ folder: join(folder, 'postgres'), log: () => undefined });
    url = postgres.superuserUrl('postgres');
    const [pid] = readFileSync(join(postgres.folder, 'cluster/postmaster.pid'), 'utf8').split('\n');
    command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    uid = Number(/^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    await postgres.stop();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each([
    ['fsync off', ['fsync=off'], false],
    ['full_page_writes off', ['full_page_writes=off'], false],
    ['synchronous_commit off', ['synchronous_commit=off'], false],
    ['standby', ['hot_standby=on'], true],
  ] as const)('%s is found, and nothing else', async (fault, settings, standby) => {
    const cluster = command[command.indexOf('-D') + 1] ?? '';
    const signal = join(cluster, 'standby.signal');
    if (standby) writeFileSync(signal, '');
    const [program = '', ...options] = command;
    const log = openSync(join(folder, 'server.log'), 'a');
    const server = spawn(program, [...options, ...settings.flatMap((setting) => ['-c', setting])], {
      cwd: cluster,
      stdio: ['ignore', log, log],
      ...(process.getuid?.() === 0 ? { uid, gid: uid } : {}),
    });
    closeSync(log);
    const gone = once(server, 'exit');
    try {
      const look = async () => {
        const safety = await databaseSafety(url, 'owner').catch(() => null);
        return safety?.faults.map((found) => found.fault);
      };
      await until('the server answers', async () => (await look()) !== undefined, 20_000);
      expect(await look()).toEqual([fault]);
    } finally {
      server.kill('SIGINT');
      await gone;
      rmSync(signal, { force: true });
    }
  });
});

describe('a login that may do more than it should is found, and what it may', () => {
  test.each([
    ['append', 'ALTER ROLE APPEND SUPERUSER', 'ALTER ROLE APPEND NOSUPERUSER', 'it is a superuser'],
    [
      'append',
      'ALTER ROLE APPEND CREATEROLE',
      'ALTER ROLE APPEND NOCREATEROLE',
      'it is able to create roles',
    ],
    [
      'append',
      'ALTER ROLE APPEND CREATEDB',
      'ALTER ROLE APPEND NOCREATEDB',
      'it is able to create databases',
    ],
    ['append', 'ALTER ROLE APPEND REPLICATION', 'ALTER ROLE APPEND NOREPLICATION', 'it is able to replicate'],
    ['read', 'ALTER ROLE READ BYPASSRLS', 'ALTER ROLE READ NOBYPASSRLS', 'it is exempt from row security'],
    [
      'append',
      'GRANT ideogate_read TO APPEND',
      'REVOKE ideogate_read FROM APPEND',
      'it is a member of ideogate_read',
    ],
    [
      'read',
      'GRANT pg_write_all_data TO READ',
      'REVOKE pg_write_all_data FROM READ',
      'it is a member of pg_write_all_data',
    ],
    [
      'append',
      'GRANT SELECT ON ideogate.audit_event TO APPEND',
      'REVOKE SELECT ON ideogate.audit_event FROM APPEND',
      'SELECT on audit_event',
    ],
    [
      'append',
      'GRANT UPDATE (reason) ON ideogate.audit_event TO APPEND',
      'REVOKE UPDATE (reason) ON ideogate.audit_event FROM APPEND',
      'UPDATE on audit_event.reason',
    ],
    [
      'append',
      'GRANT INSERT ON ideogate.audit_event TO APPEND WITH GRANT OPTION',
      'REVOKE INSERT ON ideogate.audit_event FROM APPEND',
      'INSERT on audit_event with grant option',
    ],
    [
      'read',
      'GRANT INSERT ON ideogate.audit_event TO PUBLIC',
      'REVOKE INSERT ON ideogate.audit_event FROM PUBLIC',
      'INSERT on audit_event',
    ],
    [
      'read',
      'GRANT DELETE ON ideogate.audit_event TO ideogate_read',
      'REVOKE DELETE ON ideogate.audit_event FROM ideogate_read',
      'DELETE on audit_event',
    ],
    [
      'read',
      'GRANT CREATE ON SCHEMA ideogate TO READ',
      'REVOKE CREATE ON SCHEMA ideogate FROM READ',
      'CREATE on schema ideogate',
    ],
    [
      'append',
      'GRANT CREATE ON DATABASE DATABASE_NAME TO APPEND',
      'REVOKE CREATE ON DATABASE DATABASE_NAME FROM APPEND',
      'CREATE on database',
    ],
    [
      'append',
      'CREATE TABLE ideogate.stray (); ALTER TABLE ideogate.stray OWNER TO APPEND',
      'DROP TABLE ideogate.stray',
      'it owns stray',
    ],
  ] as const)('%s: %s', async (user, deed, undo, power) => {
    const found = await after(deed, undo, () => faults(user));
    expect(found).toContain(`${user} login too powerful: ${power}`);
    expect(await faults(user)).toEqual([]);
  });

  test('what it may do elsewhere is no matter of the record', async () => {
    const deed = 'CREATE TABLE public.theirs (); GRANT SELECT, INSERT ON public.theirs TO PUBLIC';
    expect(await after(deed, 'DROP TABLE public.theirs', () => faults('append'))).toEqual([]);
  });
});

describe('the way to the database', () => {
  test.each([
    ['postgres://a:b@127.0.0.1/x', []],
    ['postgres://a:b@localhost/x', []],
    ['postgres://a:b@[::1]/x', []],
    ['postgres://a:b@/x?host=/var/run/postgresql', []],
    ['postgres://a:b@db.example/x', ['no tls']],
    ['postgres://a:b@127.0.0.1/x?host=db.example', ['no tls']],
    ['postgres://a:b@10.0.0.7/x?sslmode=disable', ['no tls']],
    ['postgres://a:b@db.example/x?sslmode=no-verify', ['tls unverified']],
    ['postgres://a:b@db.example/x?sslmode=require&uselibpqcompat=true', ['tls unverified']],
    ['postgres://a:b@db.example/x?sslmode=verify-full', []],
    ['postgres://a:b@db.example/x?ssl=true', []],
  ])('%s: %j', (url, expected) => {
    expect(connectionFaults(url).map(({ fault }) => fault)).toEqual(expected);
  });
});

test('the way to the database is looked at together with the rest', async () => {
  // Leads to this machine, by a spelling that isn't taken for it.
  const url = new URL(database.appendUrl);
  url.hostname = 'LOCALHOST';
  const { faults } = await databaseSafety(url.href, 'append');
  expect(faults.map(({ fault }) => fault)).toEqual(['no tls']);
});

describe('a record asked whether it is ready', () => {
  const open = (acceptedFaults: readonly DatabaseFault[] = []) => openWriter(database, { acceptedFaults });
  const readiness = async (record: AuditWriter) => {
    try {
      await until('somebody looked at the database', async () =>
        /unsafe|failover/.test((await record.ready()).detail),
      );
      return await record.ready();
    } finally {
      await record.close(1_000);
    }
  };

  test('says that a failover may lose the last rows, and is', async () => {
    expect(await readiness(open())).toEqual({
      ok: true,
      detail: expect.stringMatching(/^partitions for \d+ days; a failover may lose the last rows$/),
    });
  });

  const off = [
    'ALTER DATABASE DATABASE_NAME SET synchronous_commit = off; GRANT SELECT ON ideogate.audit_event TO APPEND',
    'ALTER DATABASE DATABASE_NAME RESET synchronous_commit; REVOKE SELECT ON ideogate.audit_event FROM APPEND',
  ] as const;

  test('is not while the database is unsafe, and names every fault in short', async () => {
    expect(await after(...off, () => readiness(open()))).toEqual({
      ok: false,
      detail: 'the database is unsafe: synchronous_commit off, append login too powerful',
    });
  });

  test('does not speak of a fault that was accepted', async () => {
    const record = () => readiness(open(['synchronous_commit off']));
    expect((await after(...off, record)).detail).toBe('the database is unsafe: append login too powerful');
  });

  test('sees within seconds that the database became unsafe, and safe again', async () => {
    const record = open();
    try {
      await until('it is ready', async () => (await record.ready()).ok);
      const seen = until('the change is seen', async () => !(await record.ready()).ok, 20_000);
      await after(...off, () => seen);
      await until('it is ready again', async () => (await record.ready()).ok, 20_000);
      expect((await record.ready()).detail).not.toContain('unsafe');
    } finally {
      await record.close(1_000);
    }
  });
});

test('a database that cannot be asked is no answer', async () => {
  await expect(databaseSafety('postgres://a:b@127.0.0.1:1/x', 'read')).rejects.toThrow(/ECONNREFUSED/);
  const nobody = new URL(database.readUrl);
  nobody.password = 'not-the-password';
  await expect(databaseSafety(nobody.href, 'read')).rejects.toThrow(/password/);
});
