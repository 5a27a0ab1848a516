import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import {
  generate,
  installationKeys,
  newFolder,
  type Product,
  ran,
  start,
  stop,
  token,
} from './running-product.ts';

/** A data folder as it was written while all secrets of an environment stood in one file, and `ready.json` held more. */
const SECRETS = {
  appendPassword: secret(),
  readPassword: secret(),
  fingerprint: secret(),
  prompt: secret(),
  emulatorReadKey: secret(),
  emulatorWriteKey: secret(),
};
const CLIENT_SECRET = randomBytes(32).toString('base64url');

function secret(): string {
  return randomBytes(24).toString('base64url');
}

let data: string;
let product: Product;

beforeAll(async () => {
  data = newFolder();
  const dir = join(data, 'staging');
  mkdirSync(dir);
  const clients = [{ client_id: 'writer', client_secret: CLIENT_SECRET }];
  write('staging/secrets.json', SECRETS);
  write('staging/clients.json', { clients });
  // As a killed run leaves it.
  write('ready.json', {
    pid: 1,
    gateway: 'http://127.0.0.1:1',
    issuer: 'http://127.0.0.1:2',
    emulator: 'http://127.0.0.1:4',
    metrics: 'http://127.0.0.1:5/metrics',
    databaseUrl: `postgres://ideogate_staging_read:${SECRETS.readPassword}@127.0.0.1:6/ideogate_staging`,
    appendDatabaseUrl: `postgres://ideogate_staging_append:${SECRETS.appendPassword}@127.0.0.1:6/ideogate_staging`,
    environment: 'staging',
    clients: clients.map((client) => ({ ...client, scopes: ['read:*', 'write:limited'] })),
  });
  product = await start({ data });
});
function write(name: string, content: object): void {
  writeFileSync(join(data, name), `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
}

test('an old data folder is taken over by the next start: each secret is in a file of its own, and the old file is gone', () => {
  expect(existsSync(join(data, 'staging/secrets.json'))).toBe(false);
  expect(installationKeys(join(data, 'staging'))).toEqual({
    fingerprint: SECRETS.fingerprint,
    prompt: SECRETS.prompt,
    'emulator-read': SECRETS.emulatorReadKey,
    'emulator-write': SECRETS.emulatorWriteKey,
  });
  const { append, read, ...others } = product.logins;
  expect([append, read].map((url) => new URL(url).password)).toEqual([
    SECRETS.appendPassword,
    SECRETS.readPassword,
  ]);
  expect(Object.values(others).map((url) => new URL(url).password.length > 8)).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(product.clients.find(({ client_id }) => client_id === 'writer')?.client_secret).toBe(CLIENT_SECRET);
  const folders = ['staging/keys', 'staging/logins'];
  expect(folders.map((name) => statSync(join(data, name)).mode & 0o777)).toEqual([0o700, 0o700]);
});

test('ready.json holds none of its secrets', () => {
  const text = readFileSync(join(data, 'ready.json'), 'utf8');
  const secrets = [
    ...Object.values(SECRETS),
    CLIENT_SECRET,
    ...product.clients.map((each) => each.client_secret),
  ];
  expect(secrets.filter((each) => text.includes(each))).toEqual([]);
  expect(text).not.toContain('postgres');
});

test('it is used as before, by callers and by commands', async () => {
  const response = await generate(product, await token(product, 'writer'));
  expect(response.status).toBe(200);
  await response.arrayBuffer();
  const env = { IDEOGATE_DATA: data };
  for (const words of [
    ['audit', 'list'],
    ['audit', 'verify'],
    ['keys', 'list'],
    ['webhooks', 'list'],
    ['token', '--client', 'writer'],
  ])
    expect(await ran(words, { env })).toMatchObject({ code: 0 });
});

test('a take-over that was cut short goes on at the next start, with what it has', async () => {
  await stop(product);
  const before = { keys: installationKeys(join(data, 'staging')), logins: product.logins };
  write('staging/secrets.json', { ...SECRETS, fingerprint: secret(), readPassword: secret() });
  const again = await start({ data, port: product.port });
  expect({ keys: installationKeys(join(data, 'staging')), logins: again.logins }).toEqual(before);
  expect(readdirSync(join(data, 'staging'))).not.toContain('secrets.json');
  await stop(again);
});
