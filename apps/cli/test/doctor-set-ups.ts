import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { join } from 'node:path';
import { topUpPartitions } from '@ideogate/audit';
import { authority, type Certified, freePort, selfSigned } from '@ideogate/testkit';
import { keyIdOf } from '@ideogate/upstream-keys';
import { Client } from 'pg';
import { freePorts, newFolder, type Product, start } from './running-product.ts';

/** A product, the folder that its people work in, and what both were given. */
export interface SetUp {
  readonly product: Product;
  /** A repository of git. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** What of all this must never be shown. */
  readonly secrets: readonly string[];
}

const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`;
const newKey = (slot: string) => `fake-${slot}-key-MARKED-${randomBytes(12).toString('hex')}`;
const DAY_MS = 86_400_000;
const servers: Server[] = [];

export function closeServers(): void {
  for (const server of servers.splice(0)) server.close();
}

/** Everything as it should be. */
export async function goodSetUp(): Promise<SetUp> {
  const place = newFolder();
  const folder = repository(place, '.env*\n');
  const ours = authority();
  const read = newKey('read');
  const write = newKey('write');
  writeFileSync(join(place, 'read-key'), `${read}\n`);
  writeFileSync(join(place, 'write-key'), `${write}\n`);
  writeFileSync(join(place, 'ca.pem'), ours.cert);
  // An environment file there may be, as long as git does not take it.
  const password = randomBytes(16).toString('hex');
  writeFileSync(join(folder, '.env.local'), `DATABASE_PASSWORD=${password}\n`);
  const { secret, variables } = endpoint(place);
  const env = {
    ...variables,
    IDEOGATE_POLICY: policy(place, ''),
    IDEOGATE_EXTRA_CA: join(place, 'ca.pem'),
    IDEOGRAM_BASE_URL: await upstream(ours.sign('127.0.0.1', ['20', '49'])),
    IDEOGRAM_READ_KEY_FILE: join(place, 'read-key'),
    IDEOGRAM_WRITE_KEY_FILE: join(place, 'write-key'),
  };
  const product = await start({ data: join(place, 'data'), port: await freePorts(), env });
  // Production's list names other keys, and this one's own beside them.
  const id = product.keys[0]?.id;
  writeFileSync(
    join(place, 'known'),
    `key                   environment  slot\n${id} staging read\nkey_0123456789abcdef production read\n`,
  );
  return {
    product,
    folder,
    env: { ...env, KNOWN: join(place, 'known') },
    secrets: [read, write, secret, password],
  };
}

/** A fault for every check that looks at a running product, each as people or thieves make it. */
export async function badSetUp(databaseUrl: string): Promise<SetUp> {
  const place = newFolder();
  const data = join(place, 'data');
  const key = newKey('only');
  const { secret, variables } = endpoint(place);
  keepSince(data, key, new Date(Date.now() - 100 * DAY_MS));
  const env: Record<string, string> = {
    ...variables,
    DATABASE_URL: databaseUrl,
    // Development writes, and nobody ever used what it was granted.
    IDEOGATE_POLICY: policy(place, '\n      - write:generate'),
    IDEOGATE_ISSUERS: await otherIssuers(place),
    // Nobody knows who that is.
    IDEOGRAM_BASE_URL: await upstream(selfSigned('127.0.0.1', ['20', '49'])),
    // One key reads and writes.
    IDEOGRAM_API_KEY: key,
  };
  const product = await start({ data, env });
  // The key is in a file of the repository, and so are other secrets; git would take what holds settings.
  const folder = repository(place, 'node_modules\n');
  const password = randomBytes(16).toString('hex');
  const other = newSecret();
  writeFileSync(join(folder, 'deploy.sh'), `curl -H 'Api-Key: ${key}' https://api.ideogram.ai/models\n`);
  writeFileSync(join(folder, '.env.production'), `DATABASE_PASSWORD=${password}\n`);
  writeFileSync(join(folder, 'notes.md'), `The other side signs with ${other}.\n`);
  // Production has the same key, as its own list of ids shows.
  const fingerprint = readFileSync(join(data, 'staging/keys/fingerprint'), 'utf8').trim();
  const id = keyIdOf(Buffer.from(key), fingerprint);
  writeFileSync(
    join(place, 'known.json'),
    JSON.stringify([{ id, environment: 'production', slot: 'write' }], null, 2),
  );
  // The sender's secret was changed, and the gateway was not started again.
  const changed = newSecret();
  writeFileSync(join(place, 'webhook-secret'), changed);
  await spoil(product, databaseUrl);
  return {
    product,
    folder,
    env: { ...env, KNOWN: join(place, 'known.json') },
    secrets: [key, secret, password, other, changed],
  };
}

/** Someone puts in a checkpoint of his own, and the database may lose rows of the one login that adds them. */
async function spoil({ logins }: Product, databaseUrl: string): Promise<void> {
  const thief = new Client({ connectionString: logins.append });
  await thief.connect();
  await thief.query(`INSERT INTO ideogate.checkpoint (number, note) VALUES (4711, 'forged')`);
  await thief.end();
  const owner = new Client({ connectionString: databaseUrl });
  await owner.connect();
  const login = decodeURIComponent(new URL(logins.append).username);
  await owner.query(`ALTER ROLE ${login} SET synchronous_commit = off`);
  const monthAgo = Date.now() - 31 * DAY_MS;
  await topUpPartitions(databaseUrl, BigInt(monthAgo) * 1000n);
  // A record that is long enough to say what lies unused: by a row of a month ago.
  await owner.query(
    `INSERT INTO ideogate.audit_event (writer, seq, at, kind, environment, result, prev_hash, hash)
     SELECT gen_random_uuid(), 1, to_timestamp($1), 'notice', 'staging', 'writer-opened', prev_hash, hash
     FROM ideogate.audit_event LIMIT 1`,
    [monthAgo / 1000],
  );
  await owner.end();
}

function repository(place: string, ignored: string): string {
  const folder = join(place, 'work');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, '.gitignore'), ignored);
  const { status } = spawnSync('git', ['-C', folder, 'init', '-q', '-b', 'main']);
  if (status !== 0) throw new Error('git init failed');
  return folder;
}

/** @param more of development's ceiling */
function policy(place: string, more: string): string {
  const file = join(place, 'policy.yaml');
  writeFileSync(
    file,
    `environments:
  development:
    ceiling:
      - read:models${more}
    keys: { read: IDEOGRAM_READ_KEY, write: IDEOGRAM_WRITE_KEY }
  staging:
    ceiling:
      - read:models
      - write:limited
    keys: { read: IDEOGRAM_READ_KEY, write: IDEOGRAM_WRITE_KEY }
callers:
  - subject: writer
    issuer: ISSUER
    grants:
      development: ["read:models"]
      staging: ["read:models", "write:limited"]
`.replace('    issuer: ISSUER\n', more === '' ? '' : '    issuer: https://issuer.example\n'),
  );
  return file;
}

function endpoint(place: string) {
  const secret = newSecret();
  writeFileSync(join(place, 'webhook-secret'), secret);
  const subscriber = { url: 'http://127.0.0.1:9/', secrets: [`file:${join(place, 'webhook-secret')}`] };
  writeFileSync(
    join(place, 'webhooks.json'),
    JSON.stringify([
      { name: 'partner', scheme: 'standard', secrets: subscriber.secrets, attempts: 1, subscriber },
    ]),
  );
  return { secret, variables: { IDEOGATE_WEBHOOKS: join(place, 'webhooks.json') } };
}

/** As if the data folder had known the key since then. */
function keepSince(data: string, key: string, since: Date): void {
  mkdirSync(data, { recursive: true });
  const secret = 'fake-secret-of-claims';
  const id = keyIdOf(Buffer.from(key), secret);
  writeFileSync(
    join(data, 'key-claims.json'),
    JSON.stringify({ secret, keys: { [id]: { environment: 'staging', since: since.toISOString() } } }),
  );
}

/** One issuer whose clock is an hour late, and one that is not there. */
async function otherIssuers(place: string): Promise<string> {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = { ...publicKey.export({ format: 'jwk' }), kid: 'a', alg: 'ES256', use: 'sig' };
  const late = createServer((_request, response) => {
    response.setHeader('date', new Date(Date.now() - 3_600_000).toUTCString());
    response.end(JSON.stringify({ keys: [key] }));
  });
  const issuers = [
    {
      issuer: 'https://issuer.example',
      algorithms: ['ES256'],
      keys: { jwksUri: `${await listening(late)}/jwks` },
    },
    {
      issuer: 'https://gone.example',
      algorithms: ['ES256'],
      keys: { jwksUri: `http://127.0.0.1:${await freePort()}/jwks` },
    },
  ];
  writeFileSync(join(place, 'issuers.json'), JSON.stringify(issuers));
  return join(place, 'issuers.json');
}

/** Counts nothing and answers nothing: a request would be one too many. */
async function upstream(certified: Certified): Promise<string> {
  const server = createTlsServer(certified, (request) => {
    requests.push(`${request.method} ${request.url}`);
    request.socket.destroy();
  });
  return (await listening(server)).replace('http:', 'https:');
}

/** What the upstreams were asked. */
export const requests: string[] = [];

async function listening(server: Server): Promise<string> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
}
