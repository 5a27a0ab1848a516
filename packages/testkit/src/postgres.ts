import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { inject } from 'vitest';

/** URL by which the superuser of the run's Postgres reaches a database of it. */
export function superuserUrl(database = 'postgres'): string {
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}

export interface TestDatabase {
  readonly name: string;
  /** As the superuser. */
  readonly url: string;
  /** Ends whatever is still connected to it, and removes it. */
  drop(): Promise<void>;
}

/** A new, empty database in the run's Postgres. Roles are the whole cluster's: give yours a name of their own. */
export async function createDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await asSuperuser(`CREATE DATABASE ${name}`);
  return {
    name,
    url: superuserUrl(name),
    drop: () => asSuperuser(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

async function asSuperuser(statement: string): Promise<void> {
  const client = new Client({
    connectionString: superuserUrl(),
    connectionTimeoutMillis: 10_000,
    query_timeout: 30_000,
  });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
