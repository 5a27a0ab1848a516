import type { EnvironmentName } from '@ideogate/contract';
import { escapeIdentifier } from '@ideogate/postgres';
import { withOwner, withSchemaLock } from './owner-session.ts';

/** The database already holds the record of another environment. */
export class DatabaseClaimError extends Error {
  override readonly name = 'DatabaseClaimError';
}

/**
 * Makes a database if it is not there.
 * @param serverUrl a role that may create databases, connected to any database of the server
 */
export function ensureDatabase(serverUrl: string, name: string): Promise<void> {
  return withOwner(serverUrl, async (session) => {
    const there = await session.rows('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (there.length > 0) return;
    await session.query({
      text: `CREATE DATABASE ${escapeIdentifier(name)} TEMPLATE template0 ENCODING 'UTF8'`,
    });
  });
}

/**
 * Ties a migrated database to one environment for good, so that no two environments share a record.
 * @throws DatabaseClaimError when it belongs to another
 */
export function claimDatabase(ownerUrl: string, environment: EnvironmentName): Promise<void> {
  return withOwner(ownerUrl, (session) =>
    withSchemaLock(session, async () => {
      await session.query({
        text: 'INSERT INTO ideogate.deployment (environment) VALUES ($1) ON CONFLICT DO NOTHING',
        values: [environment],
      });
      const [claim] = await session.rows<{ environment: string }>(
        'SELECT environment FROM ideogate.deployment',
      );
      if (claim?.environment === environment) return;
      throw new DatabaseClaimError(
        `the database holds the record of ${claim?.environment}, and ${environment} needs one of its own`,
      );
    }),
  );
}
