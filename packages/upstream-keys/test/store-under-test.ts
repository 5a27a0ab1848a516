import { claimDatabase, createLogins, migrate } from '@ideogate/audit';
import { createDatabase, type TestDatabase } from '@ideogate/testkit';
import {
  type AgeIdentity,
  ageIdentity,
  ageSealer,
  type KeyChange,
  KeyFollower,
  keyIdOf,
  KeyRing,
  type KeySlot,
  type KeyStore,
  newAgeIdentity,
  openKeyStore,
  sealKey,
} from '../src/index.ts';

const SECRET = 'fake-fingerprint-secret';

/** A sealed store on a database of its own. */
export interface StoreUnderTest {
  readonly database: TestDatabase;
  readonly urls: Readonly<Record<'append' | 'read' | 'put' | 'open', string>>;
  readonly store: KeyStore;
  readonly identity: AgeIdentity;
  /** Puts a key; returns its id. */
  put(slot: KeySlot, text: string): Promise<string>;
  /** Puts a key and moves it on until it serves. */
  serve(slot: KeySlot, text: string): Promise<string>;
  /** Moves a key that is pending on until it serves. */
  moveOn(slot: KeySlot, id: string): Promise<void>;
  follow(options?: Partial<Parameters<typeof KeyFollower.start>[0]>): Promise<{
    readonly ring: KeyRing;
    readonly follower: KeyFollower;
    readonly changes: KeyChange[];
    readonly faults: unknown[];
  }>;
  close(): Promise<void>;
}

export async function startStore(): Promise<StoreUnderTest> {
  const database = await createDatabase();
  await migrate(database.url);
  await claimDatabase(database.url, 'staging');
  const login = (name: string) => ({
    user: `${database.name}_${name}`,
    password: `not-a-real-password-${name}`,
  });
  const [append, read, put, open] = ['append', 'read', 'put', 'open'].map((name) => login(name)) as [
    ReturnType<typeof login>,
    ReturnType<typeof login>,
    ReturnType<typeof login>,
    ReturnType<typeof login>,
  ]; // as: four names make four logins
  await createLogins(database.url, {
    database: database.name,
    append,
    read,
    others: [
      { ...put, group: 'ideogate_keys_put' },
      { ...open, group: 'ideogate_keys_open' },
    ],
  });
  const urlOf = ({ user, password }: { user: string; password: string }) => {
    const url = new URL(database.url);
    url.username = user;
    url.password = password;
    return url.href;
  };
  const urls = { append: urlOf(append), read: urlOf(read), put: urlOf(put), open: urlOf(open) };
  const store = await openKeyStore(urls.put);
  const identity = await ageIdentity(await newAgeIdentity(), 'a test file');
  const followers: KeyFollower[] = [];
  const it: StoreUnderTest = {
    database,
    urls,
    store,
    identity,
    async put(slot, text) {
      const id = keyIdOf(Buffer.from(text), SECRET);
      const binding = { environment: 'staging', slot, id } as const;
      await store.put(
        binding,
        await sealKey(ageSealer(identity.recipients), binding, Buffer.from(text)),
        'a test',
      );
      return id;
    },
    async serve(slot, text) {
      const id = await it.put(slot, text);
      await it.moveOn(slot, id);
      return id;
    },
    async moveOn(slot, id) {
      await verified(database, slot, id);
      const [key] = (await store.list()).filter((each) => each.slot === slot && each.id === id);
      if (key === undefined) throw new Error('it was put');
      await store.step(key, 'active', 'a test');
    },
    async follow(options = {}) {
      const ring = new KeyRing('staging');
      const changes: KeyChange[] = [];
      const faults: unknown[] = [];
      const follower = await KeyFollower.start({
        openUrl: urls.open,
        environment: 'staging',
        opener: identity,
        fingerprintSecret: SECRET,
        ring,
        writer: crypto.randomUUID(),
        instance: `test ${followers.length}`,
        callsEndWithinMs: 50,
        check: async () => ({ answer: 'accepted', detail: 'GET /models: 200' }),
        onChange: (change) => void changes.push(change),
        onFault: (fault) => void faults.push(fault),
        ...options,
      });
      followers.push(follower);
      return { ring, follower, changes, faults };
    },
    async close() {
      for (const follower of followers) await follower.stop();
      await store.end();
      await database.drop();
    },
  };
  return it;
}

/** As a gateway would that tried the key with success. */
async function verified(database: TestDatabase, slot: KeySlot, id: string): Promise<void> {
  const { Client } = await import('pg');
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query(
    `SELECT ideogate_keys.answer_check(ideogate_keys.ask_check($1, $2, 'a test'), 'accepted', 'GET /models: 200')`,
    [id, slot],
  );
  await client.end();
}
