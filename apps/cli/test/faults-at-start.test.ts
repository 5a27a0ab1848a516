import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { readSettings } from '@ideogate/config';
import { describe, expect, test } from 'vitest';
import { describeError } from '../src/describe-error.ts';
import { readProductConfig } from '@ideogate/standalone';
import {
  freePorts,
  generate,
  newFolder,
  processesOf,
  ran,
  readyIn,
  start,
  token,
} from './running-product.ts';

const NOBODY = 65_534;
/** Nothing but one clear line for each fault: no stack, nothing on stdout that looks like a start. */
function expectLines(result: { stdout: string; stderr: string }, lines: readonly (string | RegExp)[]): void {
  const said = result.stderr.trimEnd().split('\n');
  expect(said).toEqual(lines.map((line) => expect.stringMatching(line)));
  expect(result.stderr).not.toMatch(/^\s+at |node:internal|Error:/m);
  expect(result.stdout).not.toContain('is ready');
}

async function startIn(data: string, port: number, env: Record<string, string> = {}, uid?: number) {
  return ran(['start'], {
    env: { ...env, IDEOGATE_DATA: data, IDEOGATE_PORT: String(port) },
    ...(uid === undefined ? {} : { uid }),
  });
}

describe('a place that is taken', () => {
  test('each port in use is named in a line of its own, whatever program has it, and nothing is started', async () => {
    const data = newFolder();
    const port = await freePorts();
    // A web server on the emulator's port says yes to everything: still not our emulator.
    const web = createHttpServer((_request, response) => response.end('{}'));
    const others: Server[] = [createServer(), createServer(), web, createServer()];
    for (const [i, offset] of [0, 1, 3, 4].entries()) {
      others[i]?.listen(port + offset, '127.0.0.1');
      if (others[i]) await once(others[i], 'listening');
    }
    const all = await startIn(data, port);
    for (const server of others) server.close();
    expect(all.code).toBe(1);
    const line = (offset: number, what: string) =>
      new RegExp(`^Port ${port + offset} \\(${what}\\) is in use: stop what uses it, or set IDEOGATE_PORT`);
    expectLines(all, [line(0, 'gateway'), line(1, 'issuer'), line(3, 'emulator'), line(4, 'operations')]);
    expect(readyIn(data)).toBeNull();
    expect(processesOf(data)).toEqual([]);
    expect(readdirSync(join(data, 'staging'))).not.toContain('postgres');
  });

  test('a second start on the same data is told who has it, and the first goes on as if nothing were', async () => {
    const data = newFolder();
    const port = await freePorts();
    const first = await start({ data, port });
    const before = readFileSync(join(data, 'ready.json'), 'utf8');
    for (const env of [{}, { IDEOGATE_ENVIRONMENT: 'production' }]) {
      const second = await startIn(data, await freePorts(), env);
      expect(second.code).toBe(1);
      expectLines(second, [new RegExp(`in use by process ${first.pid}, port ${port}\\.`)]);
    }
    expect(readFileSync(join(data, 'ready.json'), 'utf8')).toBe(before);
    expect((await generate(first, await token(first, 'writer'))).status).toBe(200);
    const elsewhere = newFolder();
    const samePorts = await startIn(elsewhere, port);
    expect(samePorts.code).toBe(1);
    expect(samePorts.stderr.split('\n')).toHaveLength(5);
  });

  test('a folder that cannot be written is named, and left as it is', async () => {
    const asRoot = process.getuid?.() === 0;
    const closed = newFolder(0o555);
    const notAFolder = join(newFolder(), 'file');
    writeFileSync(notAFolder, 'mine');
    for (const [data, uid] of [
      [closed, asRoot ? NOBODY : undefined],
      [join(closed, 'deeper'), asRoot ? NOBODY : undefined],
      [notAFolder, undefined],
    ] as const) {
      const result = await startIn(data, await freePorts(), {}, uid);
      expect(result.code).toBe(3);
      expectLines(result, [/^The data folder \S+ cannot be written \(\w+\): give this user the right/]);
    }
    expect(readdirSync(closed)).toEqual([]);
    expect(readFileSync(notAFolder, 'utf8')).toBe('mine');
  });
});

describe('settings', () => {
  const SECRET = 'fake-key-MARKED-0123456789';
  const policies = newFolder();
  const policyFile = (name: string, text: string) => {
    const path = join(policies, name);
    writeFileSync(path, text);
    return path;
  };
  const bad = policyFile(
    'three-faults.yaml',
    'environments:\n  staging: { ceiling: ["read:modles"] }\n  production: { ceiling: ["read:*"] }\ncallers:\n  - { subject: shop, grants: { stagin: ["read:*"] } }\n',
  );
  const onlyStaging = policyFile('only-staging.yaml', 'environments:\n  staging: { ceiling: ["read:*"] }\n');

  const cases: readonly [string, Record<string, string>, readonly RegExp[]][] = [
    [
      'an environment nobody knows',
      { IDEOGATE_ENVIRONMENT: 'prod' },
      [/^IDEOGATE_ENVIRONMENT is none of development, staging, production\.$/],
    ],
    [
      'a port that leaves no room for the four above it',
      { IDEOGATE_PORT: '65533' },
      [/^IDEOGATE_PORT must be a port from 1 to 65531/],
    ],
    ['a port in words', { IDEOGATE_PORT: 'http' }, [/^IDEOGATE_PORT must be/]],
    [
      'plain http off loopback',
      { IDEOGRAM_BASE_URL: 'http://ideogram.example', IDEOGRAM_API_KEY: SECRET },
      [/^IDEOGRAM_BASE_URL must be an https origin.*plain http only on loopback/],
    ],
    [
      'an upstream with a path',
      { IDEOGRAM_BASE_URL: 'https://ideogram.example/v1', IDEOGRAM_API_KEY: SECRET },
      [/^IDEOGRAM_BASE_URL must be an https origin.*without a path/],
    ],
    [
      'an upstream without a key',
      { IDEOGRAM_BASE_URL: 'http://127.0.0.1:9' },
      [/^IDEOGRAM_BASE_URL names an upstream, but there is no key for it: set IDEOGRAM_API_KEY/],
    ],
    [
      'a write key alone',
      { IDEOGRAM_WRITE_KEY: SECRET },
      [/^IDEOGRAM_WRITE_KEY is set but IDEOGRAM_READ_KEY is not: set both/],
    ],
    [
      'a read key alone',
      { IDEOGRAM_READ_KEY: SECRET },
      [/^IDEOGRAM_READ_KEY is set but IDEOGRAM_WRITE_KEY is not: set both/],
    ],
    [
      'a placeholder for a key',
      { IDEOGRAM_API_KEY: 'your-api-key' },
      [/^IDEOGRAM_API_KEY is a placeholder\.$/],
    ],
    [
      'two keys that are none',
      { IDEOGRAM_READ_KEY: '<read key>', IDEOGRAM_WRITE_KEY: 'eyJhbGciOi.MARKED.sig' },
      [
        /^IDEOGRAM_READ_KEY is a placeholder\.$/,
        /^IDEOGRAM_WRITE_KEY is a token, not an Ideogram API key\.$/,
      ],
    ],
    [
      'a database that is none',
      { DATABASE_URL: `mysql://root:${SECRET}@127.0.0.1/x` },
      [/^DATABASE_URL must look like postgres:\/\//],
    ],
    [
      'a policy file that is not there',
      { IDEOGATE_POLICY: `${policies}/none.yaml,${policies}/nor-this.yaml` },
      [/none\.yaml cannot be read \(ENOENT\): check the path/, /nor-this\.yaml cannot be read/],
    ],
    [
      'a policy with three faults',
      { IDEOGATE_POLICY: bad },
      [
        /three-faults\.yaml:2:\d+: .*did you mean read:models/,
        /three-faults\.yaml:3:\d+: /,
        /three-faults\.yaml:5:\d+: /,
      ],
    ],
    [
      'an environment that the policy lacks',
      { IDEOGATE_POLICY: onlyStaging, IDEOGATE_ENVIRONMENT: 'production' },
      [/^The policy has no environment production: add it, or set IDEOGATE_ENVIRONMENT\.$/],
    ],
    [
      'numbers out of bounds',
      { IDEOGATE_DRAIN_MS: '1e3', IDEOGATE_MAX_IN_FLIGHT: '0' },
      [
        /^IDEOGATE_MAX_IN_FLIGHT must be a whole number of calls from 1 to 100000\.$/,
        /^IDEOGATE_DRAIN_MS must be a whole number of ms from 0 to 600000\.$/,
      ],
    ],
    [
      'an open address without TLS',
      { IDEOGATE_HOST: '0.0.0.0' },
      [/^listening on 0\.0\.0\.0 without TLS would send tokens in the clear/],
    ],
    [
      'a certificate without its key',
      { IDEOGATE_TLS_CERT: '/etc/cert.pem' },
      [/^IDEOGATE_TLS_CERT and IDEOGATE_TLS_KEY go together/],
    ],
  ];
  test.each(cases)('%s: told in words', (_, env, lines) => {
    const said = faultsOf(env);
    expect(said).toEqual(lines.map((line) => expect.stringMatching(line)));
    expect(said.join('\n')).not.toContain('MARKED');
  });

  test('every fault is told in the same start, with exit code 3, no stack, no secret, and nothing made', async () => {
    const data = join(newFolder(), 'data');
    const result = await ran(['start'], {
      env: {
        IDEOGATE_DATA: data,
        IDEOGATE_ENVIRONMENT: 'prod',
        IDEOGATE_PORT: '0',
        IDEOGATE_POLICY: bad,
        IDEOGATE_MAX_WAITING: '-1',
        IDEOGRAM_WRITE_KEY: `${SECRET} `,
        IDEOGRAM_BASE_URL: 'ftp://127.0.0.1',
        DATABASE_URL: `http://u:${SECRET}@127.0.0.1`,
      },
    });
    expect(result.code).toBe(3);
    expectLines(result, [
      /^IDEOGATE_ENVIRONMENT /,
      /^IDEOGATE_PORT /,
      /^DATABASE_URL /,
      /three-faults\.yaml:2:/,
      /three-faults\.yaml:3:/,
      /three-faults\.yaml:5:/,
      /^IDEOGRAM_WRITE_KEY begins or ends with white space/,
      /^IDEOGRAM_BASE_URL must be/,
      /^IDEOGRAM_WRITE_KEY is set but/,
      /^IDEOGATE_MAX_WAITING /,
    ]);
    expect(result.stderr + result.stdout).not.toContain('MARKED');
    expect(() => statSync(data)).toThrow('ENOENT');
  });

  test.each(['IDEOGRAM_API_KEY', 'STAGING_READ_KEY'])(
    'a key of production that %s of staging holds too stops the start, without being shown (F.57)',
    (variable) => {
      const keys = (name: string) => `keys: { read: ${name}_READ_KEY, write: ${name}_WRITE_KEY }`;
      const two = policyFile(
        'two.yaml',
        `environments:\n  staging: { ceiling: ["read:*"], ${keys('STAGING')} }\n  production: { ceiling: ["read:models"], ${keys('PRODUCTION')} }\n`,
      );
      const given = { STAGING_WRITE_KEY: `${SECRET}-w`, STAGING_READ_KEY: `${SECRET}-r`, [variable]: SECRET };
      expect(faultsOf({ ...given, IDEOGATE_POLICY: two, PRODUCTION_WRITE_KEY: SECRET })).toEqual([
        'PRODUCTION_WRITE_KEY, the key of production, is also a key of staging: each needs its own.',
      ]);
      expect(faultsOf({ ...given, IDEOGATE_POLICY: two, PRODUCTION_WRITE_KEY: `${SECRET}-p` })).toEqual([]);
    },
  );

  test('two environments with one identifier are a fault of the policy', () => {
    const same = policyFile(
      'same.yaml',
      'environments:\n  staging: { identifier: "https://ideogate.example", ceiling: ["read:*"] }\n  production: { identifier: "https://ideogate.example", ceiling: ["read:models"] }\n',
    );
    expect(faultsOf({ IDEOGATE_POLICY: same })).toEqual([
      expect.stringMatching(/same\.yaml:3:\d+: .*identifier/),
    ]);
  });

  function faultsOf(env: Record<string, string>): readonly string[] {
    try {
      readProductConfig(readSettings(env));
      return [];
    } catch (error) {
      const described = describeError(error);
      if (described === null) throw error;
      expect(described.exitCode).toBe(3);
      return described.message.split('\n');
    }
  }
});

test('a secrets file that is broken is named and left as it is', async () => {
  const data = newFolder();
  mkdirSync(join(data, 'staging'));
  const file = join(data, 'staging/secrets.json');
  writeFileSync(file, '{"appendPassword": "MARKED"');
  const result = await startIn(data, await freePorts());
  expect(result.code).toBe(1);
  expectLines(result, [/staging\/secrets\.json cannot be read/]);
  expect(result.stderr).not.toContain('MARKED');
  expect(readFileSync(file, 'utf8')).toBe('{"appendPassword": "MARKED"');
});
