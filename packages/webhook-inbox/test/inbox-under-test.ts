import { createHash } from 'node:crypto';
import { createLogins, migrate } from '@ideogate/audit';
import { createDatabase } from '@ideogate/testkit';
import { Client } from 'pg';
import type { ReceivedWebhook } from '../src/index.ts';

/** A migrated database of its own, with the logins of record and webhooks. */
export interface WebhookDatabase {
  readonly url: string;
  readonly appendUrl: string;
  readonly readUrl: string;
  /** As the superuser. */
  readonly owner: Client;
  close(): Promise<void>;
}

export async function webhookDatabase(): Promise<WebhookDatabase> {
  const database = await createDatabase();
  await migrate(database.url);
  const { name } = database;
  const login = (which: string) => ({ user: `${name}_${which}`, password: `not-a-real-password-${which}` });
  const [append, read, webhook] = [login('append'), login('read'), login('webhook')];
  const others = [{ ...webhook, group: 'ideogate_webhook' as const }];
  await createLogins(database.url, { database: name, append, read, others });
  const as = ({ user, password }: typeof append) => {
    const url = new URL(database.url);
    url.username = user;
    url.password = password;
    return url.href;
  };
  const owner = new Client({ connectionString: database.url, query_timeout: 10_000 });
  owner.on('error', () => {});
  await owner.connect();
  return {
    url: as(webhook),
    appendUrl: as(append),
    readUrl: as(read),
    owner,
    async close() {
      await owner.end();
      await database.drop();
      const admin = new Client({ connectionString: new URL('/postgres', database.url).href });
      await admin.connect();
      await admin.query([append, read, webhook].map(({ user }) => `DROP ROLE ${user}`).join('; '));
      await admin.end();
    },
  };
}

export function received(eventId: string, more: Partial<ReceivedWebhook> = {}): ReceivedWebhook {
  const body = Buffer.from(`{"generation_id":"${eventId}"}`);
  return {
    endpoint: 'images',
    eventId,
    sentAt: 1_800_000_000,
    contentType: 'application/json',
    body,
    bodySha256: createHash('sha256').update(body).digest(),
    attempts: 25,
    ...more,
  };
}
