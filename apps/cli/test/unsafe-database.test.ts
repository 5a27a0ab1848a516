import { readSettings } from '@ideogate/config';
import { createDatabase, type TestDatabase } from '@ideogate/testkit';
import { Client } from 'pg';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { SettingsError } from '@ideogate/config';
import { readProductConfig } from '@ideogate/standalone';
import { cleanUp, freePorts, newFolder, ran, readyIn, start, stop } from './running-product.ts';

const databases: TestDatabase[] = [];
let database: TestDatabase;
let data: string;

beforeEach(async () => {
  database = await createDatabase();
  databases.push(database);
  data = newFolder();
});
afterAll(async () => {
  await cleanUp();
  for (const one of databases) await one.drop();
});

async function asOwner(statement: string): Promise<readonly unknown[]> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

const setting = async (env: Record<string, string>) => ({
  DATABASE_URL: database.url,
  IDEOGATE_DATA: data,
  IDEOGATE_PORT: String(await freePorts()),
  ...env,
});

describe('a database that may lose rows', () => {
  const off = () => asOwner(`ALTER DATABASE ${database.name} SET synchronous_commit = off`);

  test('stops the start, which names the fault and what to do, and changes nothing in it', async () => {
    await off();
    const { code, stdout, stderr } = await ran(['start'], { env: await setting({}) });
    expect(code).toBe(1);
    expect(stderr.trimEnd().split('\n')).toEqual([
      'The database is not safe for the record, so nothing is started:',
      expect.stringMatching(/^ {2}synchronous_commit off: .*set `synchronous_commit = on`/),
    ]);
    expect(stderr).not.toContain(new URL(database.url).password);
    expect(stdout).not.toContain('is ready');
    expect(readyIn(data)).toBeNull();
    expect(await asOwner(`SELECT FROM pg_namespace WHERE nspname = 'ideogate'`)).toEqual([]);
  });

  test('is put up with in development once the fault is named, and the banner repeats it', async () => {
    await off();
    const env = await setting({
      IDEOGATE_ENVIRONMENT: 'development',
      IDEOGATE_ACCEPT_UNSAFE_DATABASE: 'synchronous_commit off, no tls',
    });
    const product = await start({ data, port: Number(env.IDEOGATE_PORT), env });
    expect(product.stdout()).toContain('UNSAFE DATABASE, accepted for development: synchronous_commit off');
    expect(product.stdout()).not.toContain('no tls');
    await stop(product);
  });

  test('is accepted by the names of faults alone, and in development alone', () => {
    const lines = (env: Record<string, string>) => {
      try {
        readProductConfig(readSettings(env));
      } catch (error) {
        return error instanceof SettingsError ? error.message.split('\n') : error;
      }
      return [];
    };
    const accept = (text: string, environment: string) =>
      lines({ IDEOGATE_ACCEPT_UNSAFE_DATABASE: text, IDEOGATE_ENVIRONMENT: environment });
    expect(accept('fsync off', 'development')).toEqual([]);
    expect(accept('fsync', 'development')).toEqual([
      expect.stringMatching(/^IDEOGATE_ACCEPT_UNSAFE_DATABASE must name faults.*: fsync off, /),
    ]);
    for (const environment of ['staging', 'production'])
      expect(accept('fsync off', environment)).toContainEqual(
        expect.stringContaining(`is for development alone, and this is ${environment}`),
      );
  });
});

test('a login that was given more than it should have stops the next start; that a failover may lose rows is said', async () => {
  const env = await setting({});
  const product = await start({ data, port: Number(env.IDEOGATE_PORT), env });
  expect(product.stdout()).toMatch(
    /note +a failover of this database may lose the last acknowledged rows: synchronous_standby_names/,
  );
  await stop(product);
  await asOwner(`GRANT ideogate_read TO ${database.name}_append`);
  const { code, stderr } = await ran(['start'], { env });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^ {2}append login too powerful \(it is a member of ideogate_read\): .*revoke/m);
});
