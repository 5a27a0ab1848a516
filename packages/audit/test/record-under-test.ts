import { setTimeout as delay } from 'node:timers/promises';
import { createDatabase, type Relay, relayTo } from '@ideogate/testkit';
import { Client } from 'pg';
import {
  type AuditWriter,
  type AuditWriterOptions,
  openAuditWriter,
  type WriterOpening,
} from '../src/append/index.ts';
import { createLogins, migrate, topUpPartitions } from '../src/index.ts';
import { nowMicros } from './events-under-test.ts';

/** A migrated database of its own, its two logins, and a relay before it. */
export interface RecordDatabase {
  readonly name: string;
  readonly ownerUrl: string;
  readonly appendUrl: string;
  readonly readUrl: string;
  /** The append login's way through the relay. */
  readonly relayedAppendUrl: string;
  readonly relay: Relay;
  /** As the superuser. */
  readonly owner: Client;
  /** As the superuser: all rows of the record, in the order of the chain. */
  rows(): Promise<readonly Record<string, unknown>[]>;
  close(): Promise<void>;
}

/** What a writer of these tests says of itself. */
export const OPENING: WriterOpening = {
  environment: 'staging',
  instance: 'test',
  release: null,
  version: '0',
};

export async function recordDatabase(): Promise<RecordDatabase> {
  const database = await createDatabase();
  await migrate(database.url);
  await topUpPartitions(database.url, nowMicros());
  const logins = {
    append: { user: `${database.name}_append`, password: 'not-a-real-password-a' },
    read: { user: `${database.name}_read`, password: 'not-a-real-password-r' },
  };
  await createLogins(database.url, { database: database.name, ...logins });
  const owner = new Client({ connectionString: database.url, query_timeout: 10_000 });
  owner.on('error', () => {});
  await owner.connect();
  const appendUrl = as(database.url, logins.append);
  const { relay, url: relayedAppendUrl } = await relayTo(appendUrl);
  return {
    name: database.name,
    ownerUrl: database.url,
    appendUrl,
    readUrl: as(database.url, logins.read),
    relayedAppendUrl,
    relay,
    owner,
    rows: async () => {
      const { rows } = await owner.query<Record<string, unknown>>(
        `SELECT *, (extract(epoch FROM at) * 1000000)::bigint::text AS at_micros
         FROM ideogate.audit_event ORDER BY writer, seq, at`,
      );
      return rows;
    },
    close: async () => {
      await owner.end();
      await relay.close();
      await database.drop();
      const admin = new Client({ connectionString: new URL('/postgres', database.url).href });
      await admin.connect();
      await admin.query(`DROP ROLE ${logins.append.user}; DROP ROLE ${logins.read.user}`);
      await admin.end();
    },
  };
}

function as(url: string, login: { user: string; password: string }): string {
  const result = new URL(url);
  result.username = login.user;
  result.password = login.password;
  return result.href;
}

/** A writer by these two logins, with the opening and the clock of these tests, but for what `changes` says. */
export function openWriter(
  { appendUrl, readUrl }: Pick<AuditWriterOptions, 'appendUrl' | 'readUrl'>,
  changes: Partial<AuditWriterOptions> = {},
): AuditWriter {
  return openAuditWriter({ appendUrl, readUrl, opening: OPENING, now: nowMicros, ...changes });
}

/** Waits, without sleeping blindly, until `check` holds; fails with `what` after `timeoutMs`. */
export async function until(
  what: string,
  check: () => boolean | Promise<boolean>,
  timeoutMs = 8_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`never came true: ${what}`);
    await delay(5);
  }
}
