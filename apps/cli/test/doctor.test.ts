import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { openReadPool } from '@ideogate/audit';
import { readSettings } from '@ideogate/config';
import { createDatabase, huntFor, type TestDatabase } from '@ideogate/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { audit } from '../src/doctor/audit.ts';
import { bounded } from '../src/doctor/bounded.ts';
import { scopes } from '../src/doctor/scopes.ts';
import type { Surroundings } from '../src/doctor/surroundings.ts';
import { webhooks } from '../src/doctor/webhooks.ts';
import { CommandError } from '../src/exit-codes.ts';
import { badSetUp, closeServers, goodSetUp, requests, type SetUp } from './doctor-set-ups.ts';
import { cleanUp, installationKeys, newFolder, ran, REPOSITORY, stop } from './running-product.ts';

interface Told {
  readonly check: string;
  readonly status: string;
  readonly evidence: string;
  readonly mend: string | null;
}

let database: TestDatabase;
let good: SetUp;
let bad: SetUp;
/** All that any of the commands wrote. */
const output: string[] = [];

beforeAll(async () => {
  database = await createDatabase();
  [good, bad] = await Promise.all([goodSetUp(), badSetUp(database.url)]);
});
afterAll(async () => {
  await cleanUp();
  closeServers();
  await database?.drop();
});

async function doctor({ product, folder, env }: SetUp, ...words: string[]) {
  const { code, stdout, stderr } = await ran(['doctor', ...words], {
    cwd: folder,
    env: { ...env, IDEOGATE_DATA: product.data },
  });
  output.push(stdout, stderr);
  return { code, stderr, findings: code === 3 ? [] : (JSON.parse(stdout) as Told[]) }; // as: what the command prints
}

test('a good set-up has nothing that is not ok, and everything was looked at', async () => {
  const { code, findings } = await doctor(good, '--known', good.env['KNOWN'] ?? '');
  expect(findings.filter(({ status }) => status !== 'ok')).toEqual([]);
  expect(code).toBe(0);
  const evidence = new Map(
    Map.groupBy(findings, ({ check }) => check)
      .entries()
      .map(([check, told]) => [check, told.map((each) => each.evidence).join('; ')]),
  );
  expect(Object.fromEntries(evidence)).toEqual({
    'set-up': expect.stringMatching(/^staging runs at http.*with the settings that this command has$/),
    keys: expect.stringMatching(
      /IDEOGRAM_READ_KEY_FILE and IDEOGRAM_WRITE_KEY_FILE; none of the known keys \(\d\) is in the working folder \(files looked at: 1\)/,
    ),
    'env-files': expect.stringMatching(/^git ignores \.env, /),
    'key-environments': expect.stringMatching(
      /^no key of staging is known as another's \(keys compared with: 1 of --known, 0 of this data folder/,
    ),
    'key-slots': 'IDEOGRAM_READ_KEY_FILE and IDEOGRAM_WRITE_KEY_FILE hold different keys',
    'key-ages': expect.stringMatching(/the read key key_\w+ is 0 days old, of at most 90; .*the write key/),
    exposed: 'nothing in the working folder looks like a secret (files looked at: 1)',
    scopes: expect.stringMatching(/are the least.*too short to say/),
    webhooks: 'endpoint partner: good 204, forged 401, old 401',
    audit: expect.stringMatching(
      /written, and read back by the read login: writer .*checkpoint \d+, \d+ s old, is signed/,
    ),
    tls: expect.stringMatching(
      /showed a certificate that verifies, until .*2049 GMT \(TLSv1\.3\).*database is on this machine/,
    ),
    database: expect.stringMatching(/are on; each login/),
    clock: expect.stringMatching(
      /database's clock is \d+ ms .*within \d+ ms.*clock of issuer .*within \d+ ms/,
    ),
    issuers: expect.stringMatching(/1 key fetched and usable$/),
  });
});

/** What was planted: which check must say so, how gravely, and in which words. */
const PLANTED: readonly (readonly [what: string, check: string, status: string, evidence: RegExp])[] = [
  ['a key in a file of the repository', 'keys', 'fault', /^key key_\w+ is in deploy\.sh, line 1$/],
  ['an environment file that git would take', 'env-files', 'fault', /^\.env\.production holds a secret/],
  [
    'a key that production has too',
    'key-environments',
    'fault',
    /^the \w+ key key_\w+ of staging is also a key of production/,
  ],
  ['one key in both slots', 'key-slots', 'warning', /^one key, from IDEOGRAM_API_KEY, fills both slots/],
  ['a key that is too old', 'key-ages', 'fault', /is 100 days old, of at most 90/],
  [
    "another's secret in a file",
    'exposed',
    'warning',
    /^notes\.md holds what looks like a secret, in line 1 \(webhook-secret\)$/,
  ],
  [
    'a ceiling that is too wide',
    'scopes',
    'fault',
    /^the ceiling of development has write:generate \(.*:5\)/,
  ],
  [
    'a grant that nobody uses',
    'scopes',
    'warning',
    /^writer did not use its grant of read:models in staging for 30 days/,
  ],
  [
    'a webhook secret that the gateway does not have',
    'webhooks',
    'fault',
    /good 401, forged 401, old 401: what these settings sign is refused/,
  ],
  ['a forged checkpoint', 'audit', 'fault', /^checkpoint 4711 is not signed by the record's key/],
  [
    'an upstream that nobody vouches for',
    'tls',
    'fault',
    /does not show a certificate that verifies \(DEPTH_ZERO_SELF_SIGNED_CERT\); no request was sent/,
  ],
  ['a login whose rows may be lost', 'database', 'fault', /^synchronous_commit off, by the append login$/],
  [
    'an issuer whose clock is late',
    'clock',
    'fault',
    /issuer https:\/\/issuer\.example is 3[56]\d{5} ms behind ours, within \d+ ms/,
  ],
  [
    'an issuer that is not there',
    'issuers',
    'fault',
    /^issuer https:\/\/gone\.example: it could not be reached/,
  ],
];

describe('of a bad set-up', () => {
  let told: Awaited<ReturnType<typeof doctor>>;
  beforeAll(async () => {
    told = await doctor(bad, '--known', bad.env['KNOWN'] ?? '');
  });

  test.each(PLANTED)('%s is found', (_, check, status, evidence) => {
    expect(told.findings.filter((finding) => finding.check === check)).toContainEqual({
      check,
      status,
      evidence: expect.stringMatching(evidence),
      mend: expect.stringMatching(/\w{3}/),
    });
  });

  test('the command ends with 1', () => expect(told.code).toBe(1));
});

test('the upstream was never sent anything, and so no key', () => expect(requests).toEqual([]));

test('who looked is in the record', async () => {
  const pool = openReadPool(good.product.logins.read);
  const { rows } = await pool.query(
    `SELECT subject FROM ideogate.audit_notice WHERE notice = 'record-read' AND operation = 'doctor'`,
  );
  await pool.end();
  expect(rows).toEqual([{ subject: expect.stringContaining('@') }]);
});

test('a person gets a table', async () => {
  const { folder, env, product } = good;
  const command = `${process.execPath} ${join(REPOSITORY, 'apps/cli/src/main.ts')} doctor`;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    cwd: folder,
    env: { PATH: process.env['PATH'], ...env, IDEOGATE_DATA: product.data },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const text = Buffer.concat(await child.stdout.toArray())
    .toString()
    .replaceAll('\r', '');
  output.push(text);
  expect(text).toMatch(/^ok {7}set-up {12}staging runs at /);
  expect(text).toMatch(/\n0 faults, 0 warnings, 1 not known, \d+ ok\.\n$/);
});

test('what is typed wrongly ends with 3', async () => {
  const [flag, file] = await Promise.all([doctor(good, '--knwon'), doctor(good, '--known', '/nowhere')]);
  expect([flag.code, file.code]).toEqual([3, 3]);
  expect(file.stderr).toBe('--known: /nowhere cannot be read (ENOENT).\n');
});

/** What a gateway, or what stands in its place, answers to a webhook; null: nothing is there. */
const ANSWERS: readonly (readonly [answer: number | null, status: string, evidence: RegExp])[] = [
  [401, 'ok', /^endpoint images: forged 401, forged and old 401; a good one only Ideogram can sign$/],
  [204, 'fault', /what is forged is taken$/],
  [503, 'unknown', /forged 503/],
  [null, 'unknown', /forged no answer \(ECONNREFUSED\)/],
];

test.each(ANSWERS)(
  'of an endpoint for Ideogram itself that answers %s is said: %s',
  async (answer, status, evidence) => {
    const server = createServer((request, response) => {
      response.writeHead(request.method === 'GET' ? 200 : (answer ?? 500)).end('{"keys":[{"kid":"a"}]}');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
    if (answer === null) server.close();
    const surroundings = {
      ready: {
        ...good.product.ready,
        dir: join(good.product.data, good.product.ready.environment),
        gateway: origin,
      },
      config: {
        gateway: { upstream: { origin } },
        webhooks: [{ name: 'images', scheme: 'ideogram', secrets: [], users: ['emulated-user'] }],
      },
    } as unknown as Surroundings; // as: all that the check looks at
    const findings = await webhooks(surroundings);
    server.close();
    expect(findings[0]).toMatchObject({ status, evidence: expect.stringMatching(evidence) });
    expect(findings[1]?.evidence).toBe('endpoint images: no genuine webhook came yet');
  },
);

test.each<[what: string, check: () => Promise<never>, evidence: string]>([
  ['fails', () => Promise.reject(new TypeError('MARKED')), 'it could not be looked at: TypeError'],
  ['throws at once', () => JSON.parse('MARKED'), 'it could not be looked at: SyntaxError'],
  ['never ends', () => new Promise<never>(() => {}), 'not done within 0.02 s'],
])(
  'a check that %s has found nothing out, and says nothing that it should not',
  async (_, check, evidence) => {
    expect(await bounded(check, 20)).toEqual([{ status: 'unknown', evidence, mend: expect.any(String) }]);
  },
);

test('a record that takes no row is a fault, though nothing else of it can be looked at', async () => {
  const dir = newFolder();
  mkdirSync(join(dir, 'logins'));
  for (const login of ['append', 'read'])
    writeFileSync(join(dir, 'logins', login), 'postgres://nobody@127.0.0.1:1/none\n');
  const surroundings = {
    settings: readSettings({
      IDEOGATE_CHECKPOINT_KEY_FILE: join(good.product.data, good.product.ready.environment, 'checkpoint-key'),
    }),
    data: good.product.data,
    ready: { ...good.product.ready, data: good.product.data, dir },
    config: { release: { environments: new Map(), callers: [] } },
    noted: () => Promise.reject(new CommandError(1, 'Nothing was read.')),
  } as unknown as Surroundings; // as: all that these checks look at
  expect((await audit(surroundings)).map(({ status, evidence }) => [status, evidence])).toEqual([
    ['fault', 'the record does not take a row, or does not give it back'],
    ['unknown', 'it could not be looked at: ECONNREFUSED'],
  ]);
  expect((await scopes(surroundings)).map(({ status }) => status)).toEqual(['ok', 'unknown']);
});

test('where nothing runs it says what cannot be looked at, and looks at the rest', async () => {
  expect(await stop(bad.product)).toBe(0);
  const { code, findings } = await doctor(bad);
  const unknown = findings.filter(({ status }) => status === 'unknown').map(({ check }) => check);
  expect(unknown).toEqual(
    expect.arrayContaining([
      'set-up',
      'key-ages',
      'scopes',
      'webhooks',
      'audit',
      'tls',
      'database',
      'clock',
      'issuers',
    ]),
  );
  expect(findings.find(({ check }) => check === 'set-up')?.evidence).toBe(
    'Ideogate does not run on this data folder',
  );
  expect(findings.filter(({ status }) => status === 'fault').map(({ check }) => check)).toEqual(
    expect.arrayContaining(['keys', 'env-files', 'tls']),
  );
  expect(code).toBe(1);
});

test('settings that nothing starts with are faults, each in its own words, and so is a product that died', async () => {
  const data = newFolder();
  writeFileSync(join(data, 'ready.json'), JSON.stringify(bad.product.ready));
  const { code, stdout } = await ran(['doctor'], {
    cwd: good.folder,
    env: { IDEOGATE_DATA: data, IDEOGATE_ENVIRONMENT: 'test', IDEOGATE_PORT: 'x' },
  });
  const told = JSON.parse(stdout) as Told[]; // as: what the command prints
  expect(code).toBe(1);
  expect(
    told
      .filter(({ check, status }) => check === 'set-up' && status === 'fault')
      .map(({ evidence }) => evidence),
  ).toEqual([
    expect.stringMatching(/IDEOGATE_ENVIRONMENT is none of/),
    expect.stringMatching(/IDEOGATE_PORT must be/),
    expect.stringMatching(/ready\.json is there, but no gateway answers/),
  ]);
});

test('no secret of either set-up was written anywhere (F.58)', () => {
  const passwords = [good, bad].flatMap(({ product }) =>
    Object.values(product.logins).flatMap((url) => (url === '' ? [] : new URL(url).password)),
  );
  const own = [good, bad].flatMap(({ product }) =>
    Object.values(installationKeys(join(product.data, 'staging'))),
  );
  const hunt = huntFor({
    'key or secret': [...good.secrets, ...bad.secrets],
    'database password': passwords.filter((password) => password.length >= 8),
    "the installation's own": own,
    'client secret': [good, bad].flatMap(({ product }) =>
      product.clients.map(({ client_secret }) => client_secret),
    ),
  });
  expect(output.join('').length).toBeGreaterThan(5_000);
  expect(hunt.in(output.join('\n'))).toEqual([]);
  expect(output.join('\n')).not.toContain('MARKED');
});
