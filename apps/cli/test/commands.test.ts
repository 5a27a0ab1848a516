import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Call } from '@ideogate/audit/query';
import { readSettings } from '@ideogate/config';
import { Client } from 'pg';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { auditList, type AuditOptions } from '../src/commands/audit.ts';
import {
  generate,
  newFolder,
  type Product,
  ran,
  REPOSITORY,
  run,
  start,
  stop,
  token,
} from './running-product.ts';

let product: Product;
let env: Record<string, string>;
/** Call ids of what the record holds from the beginning. */
const ids: Record<string, string> = {};

beforeAll(async () => {
  product = await start();
  env = { IDEOGATE_DATA: product.data };
  const writer = await token(product, 'writer');
  const reader = await token(product, 'reader');
  const idOf = (response: Response) => response.headers.get('ideogate-call-id') ?? '';
  ids['made'] = idOf(await generate(product, writer));
  ids['denied'] = idOf(await generate(product, reader));
  ids['unsafe'] = idOf(
    await fetch(`${product.ready.gateway}/v1/ideogram-v3/generate`, {
      method: 'POST',
      headers: { 'api-key': writer, 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'two', num_images: 2, rendering_speed: 'TURBO' }),
    }),
  );
  ids['hostile'] = await rawCall('/v1/\u009b2Jfoo\u202e\u2028');
  await vi.waitUntil(async () => (await list()).length >= 4, { timeout: 5000, interval: 50 });
});
/** `audit list` as a pipe gets it. */
async function list(options: AuditOptions = {}): Promise<readonly Call[]> {
  let text = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  try {
    expect(await auditList(readSettings(env), options)).toBe(0);
  } finally {
    write.mockRestore();
  }
  return JSON.parse(text) as Call[]; // as: a pipe gets JSON
}

/** Sends a target as it is, which no client would; gives the call id. */
async function rawCall(target: string): Promise<string> {
  const socket = connect(product.port, '127.0.0.1');
  socket.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
  let answer = '';
  for await (const text of socket.setEncoding('latin1') as AsyncIterable<string>) answer += text; // as: an encoding is set
  return /^ideogate-call-id: (\S+)/im.exec(answer)?.[1] ?? '';
}

/** Runs a command on a pseudo terminal, as a person would. */
async function onTerminal(words: readonly string[]): Promise<string> {
  const command = [process.execPath, 'apps/cli/src/main.ts', ...words].join(' ');
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    cwd: REPOSITORY,
    env: { PATH: process.env['PATH'], TERM: 'xterm', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const [code]: unknown[] = await once(child, 'close');
  expect(code).toBe(0);
  return text.replaceAll('\r\n', '\n');
}

describe('ideogate token', () => {
  const scopesOf = (jwt: string) =>
    (JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as { scope: string }).scope; // as: RFC 9068

  test('prints a token and nothing else', async () => {
    const { code, stdout, stderr } = await ran(['token', '--client', 'writer'], { env });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(scopesOf(stdout)).toContain('write:generate');
    expect((await generate(product, stdout.trim())).status).toBe(200);
  });

  test('asks for less than the grant when told so', async () => {
    const { stdout } = await ran(['token', '--client', 'writer', '--scope', 'read:models write:generate'], {
      env,
    });
    expect(scopesOf(stdout).split(' ').toSorted()).toEqual(['read:models', 'write:generate']);
  });

  test.each([
    [
      'a scope outside the grant',
      ['--client', 'reader', '--scope', 'read:models write:generate'],
      2,
      /write:generate/,
    ],
    ['a scope nobody knows', ['--client', 'reader', '--scope', 'write:everything'], 2, /write:everything/],
    [
      'a client nobody knows',
      ['--client', 'shop'],
      3,
      /^There is no client shop here; there are: reader, writer\.$/m,
    ],
    ['no client', [], 3, /--client/],
  ] as const)('%s is refused in words', async (_, words, exit, reason) => {
    const { code, stdout, stderr } = await ran(['token', ...words], { env });
    expect(code).toBe(exit);
    expect(stderr).toMatch(reason);
    expect(stdout).toBe('');
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test.each([
    ['token', ['token', '--client', 'writer']],
    ['audit list', ['audit', 'list']],
  ])('%s says in one line that the product does not run', async (_, words) => {
    const { code, stdout, stderr } = await ran(words, { env: { IDEOGATE_DATA: newFolder() } });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/ready\.json is not there: is Ideogate running\?/);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('ideogate policy check', () => {
  test('the files that come with Ideogate are valid', async () => {
    for (const files of [
      [],
      ['infra/policies/example/environments.yaml', 'infra/policies/example/callers.yaml'],
    ]) {
      const { code, stdout, stderr } = await ran(['policy', 'check', ...files], { env });
      expect([code, stderr]).toEqual([0, '']);
      expect(JSON.parse(stdout)).toEqual({
        ok: true,
        release: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      });
    }
  });

  test('every fault is told with its place, and a pipe gets them as JSON too', async () => {
    const file = join(newFolder(), 'policy.yaml');
    writeFileSync(file, 'environments:\n  staging: { ceiling: ["read:modles"] }\n  prod: {}\n');
    const { code, stdout, stderr } = await ran(['policy', 'check', file], { env });
    expect(code).toBe(3);
    expect(stderr).toMatch(/policy\.yaml:2:24: .*did you mean read:models/);
    expect(stderr).toMatch(/policy\.yaml:3:3: /);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, faults: [{ line: 2, column: 24 }, { line: 3 }] });
  });

  test('a file that is not there is named', async () => {
    const { code, stderr } = await ran(['policy', 'check', 'nowhere.yaml'], { env });
    expect(code).toBe(3);
    expect(stderr).toBe(
      'The policy file nowhere.yaml cannot be read (ENOENT): check the path and its rights.\n',
    );
  });
});

describe('ideogate audit', () => {
  test.each([
    ['--caller writer', { caller: 'writer' }, (call: Call) => call.subject === 'writer', 2],
    [
      '--operation v3.generate',
      { operation: 'v3.generate' },
      (call: Call) => call.operation === 'v3.generate',
      3,
    ],
    ['--result success', { result: 'success' }, (call: Call) => call.result === 'success', 1],
    ['--result failure', { result: 'failure' }, (call: Call) => call.result === 'failure', 3],
    ['--since 1h', { since: '1h' }, () => true, 4],
    ['--limit 1', { limit: '1' }, () => true, 1],
  ] as const)(
    'list %s shows what passes and nothing else, newest first',
    async (_, options, passes, atLeast) => {
      const calls = await list(options);
      expect(calls.length).toBeGreaterThanOrEqual(atLeast);
      expect(calls.filter((call) => !passes(call))).toEqual([]);
      const times = calls.map((call) => call.decidedAt);
      expect(times).toEqual(times.toSorted().toReversed());
    },
  );

  test('list --reason finds calls by why they ended', async () => {
    const [denied] = (await list({ caller: 'reader' })).filter((call) => call.callId === ids['denied']);
    expect(denied?.reason).toBeTypeOf('string');
    const calls = await list({ reason: denied?.reason ?? '' });
    expect(calls.map((call) => call.callId)).toContain(ids['denied']);
    expect(new Set(calls.map((call) => call.reason))).toEqual(new Set([denied?.reason]));
  });

  test('filters that nothing passes give an empty list, and a future time too', async () => {
    expect(await list({ caller: 'nobody' })).toEqual([]);
    expect(await list({ since: '2999-01-01T00:00:00Z' })).toEqual([]);
  });

  test.each([
    [{ result: 'maybe' }, /^--result is success or failure/],
    [{ since: 'yesterday' }, /^--since yesterday is neither/],
    [{ since: '7' }, /^--since 7 is neither/],
    [{ since: '2026-02-31x' }, /is neither/],
    [{ since: '2026-13-01' }, /is neither/],
    [{ since: '2026-02-31' }, /is neither/],
    [{ since: '999999d' }, /is neither .* of 1970 or later/],
    [{ limit: '0' }, /^--limit is a number from 1 to 10000/],
    [{ limit: 'all' }, /^--limit is a number/],
  ])('list %j is refused in words', (options, reason) => {
    expect(() => auditList(readSettings(env), options)).toThrow(
      expect.objectContaining({ exitCode: 3, message: expect.stringMatching(reason) }),
    );
  });

  test('a bad filter, or one nobody knows, ends the command with exit code 3', async () => {
    for (const words of [
      ['--result', 'maybe'],
      ['--colour', 'red'],
    ]) {
      const { code, stdout, stderr } = await ran(['audit', 'list', ...words], { env });
      expect([code, stdout]).toEqual([3, '']);
      expect(stderr).toMatch(/--result is success or failure|unknown option '--colour'/);
      expect(stderr).not.toMatch(/^\s+at /m);
    }
  });

  test('show tells decision and outcome of one call; an id that is none and a call that is none are told apart', async () => {
    const { stdout } = await ran(['audit', 'show', ids['made'] ?? ''], { env });
    expect(JSON.parse(stdout)).toMatchObject({
      decision: { kind: 'decision', result: 'allowed', subject: 'writer', operation: 'v3.generate' },
      outcome: { kind: 'outcome', result: 'completed', status: 200, images: 1, promptSealed: null },
      // The policy doesn't say to keep it.
      prompt: null,
    });
    const none = await ran(['audit', 'show', 'call-1'], { env });
    expect([none.code, none.stderr]).toEqual([
      3,
      expect.stringMatching(/^call-1 is not a call id: take it from/),
    ]);
    const unknown = await ran(['audit', 'show', '01890000-0000-7000-8000-000000000000'], { env });
    expect([unknown.code, unknown.stderr]).toEqual([
      1,
      expect.stringMatching(/^The record has no call 0189/),
    ]);
  });

  test('a person at a terminal gets plain text, and JSON when asked for', async () => {
    const text = await onTerminal(['audit', 'list', '--caller', 'writer']);
    expect(text.split('\n')[0]).toMatch(/^time +call +caller +operation +state +result +status +why$/);
    expect(text).toContain(ids['made']);
    expect(text).not.toContain(ids['denied']);
    expect(JSON.parse(await onTerminal(['audit', 'list', '--json', '--limit', '1']))).toHaveLength(1);
    expect(await onTerminal(['audit', 'list', '--caller', 'nobody'])).toBe('No calls pass these filters.\n');
    const shown = await onTerminal(['audit', 'show', ids['made'] ?? '']);
    expect(shown).toMatch(/^decision:\n/);
    expect(shown).toMatch(/^ {2}operation +v3\.generate$/m);
    expect(shown).toMatch(/^outcome:$/m);
    expect(await onTerminal(['policy', 'check'])).toMatch(/^The policy is valid: sha256:[0-9a-f]{64}\n$/);
  });

  test('a hostile path does not move the reader’s cursor', async () => {
    expect(ids['hostile']).toMatch(/^[0-9a-f-]{36}$/);
    for (const words of [
      ['audit', 'list'],
      ['audit', 'show', ids['hostile'] ?? ''],
    ]) {
      const text = await onTerminal(words);
      expect(text).toContain(ids['hostile']);
      expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }
  });

  test('tail shows calls as they come in, one JSON document a line, until it is interrupted', async () => {
    const tail = run(['audit', 'tail', '--caller', 'writer'], { env });
    const bearer = await token(product, 'writer');
    const reader = await token(product, 'reader');
    await vi.waitUntil(
      async () => {
        await (await generate(product, reader)).arrayBuffer();
        await (await generate(product, bearer)).arrayBuffer();
        return tail.stdout() !== '';
      },
      { timeout: 10_000, interval: 300 },
    );
    const id = (await generate(product, bearer)).headers.get('ideogate-call-id') ?? '';
    await vi.waitUntil(() => tail.stdout().includes(id), { timeout: 5000, interval: 20 });
    tail.child.kill('SIGINT');
    expect(await tail.ended).toBe(0);
    const calls = tail
      .stdout()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Call); // as: one JSON document a line
    expect(calls.filter((call) => call.subject !== 'writer')).toEqual([]);
    expect(tail.stderr()).toBe('');
  });

  test('tail ends when its reader is gone', async () => {
    const tail = run(['audit', 'tail'], { env });
    tail.child.stdout?.destroy();
    const bearer = await token(product, 'writer');
    let over = false;
    void tail.ended.then(() => (over = true));
    await vi.waitUntil(
      async () => {
        if (!over) await (await generate(product, bearer)).arrayBuffer();
        return over;
      },
      { timeout: 10_000, interval: 200 },
    );
    expect(await tail.ended).toBe(0);
  });
});

describe('who reads the record is written in it', () => {
  const readings = async () => {
    const client = new Client({ connectionString: product.logins.read });
    await client.connect();
    const { rows } = await client.query<{ subject: string; operation: string; detail: object }>(
      `SELECT subject, operation, detail FROM ideogate.audit_notice
       WHERE notice = 'record-read' ORDER BY "timestamp" DESC`,
    );
    await client.end();
    return rows;
  };

  test.each([
    [
      ['audit', 'list', '--caller', 'writer', '--since', '1h'],
      { caller: 'writer', since: '1h', limit: '50' },
    ],
    [
      ['audit', 'show', '01890000-0000-7000-8000-000000000000'],
      { call: '01890000-0000-7000-8000-000000000000' },
    ],
  ])('%j leaves one row: who, the command, what was asked', async (words, detail) => {
    const before = await readings();
    await ran(words, { env });
    const [latest, ...earlier] = await readings();
    expect(earlier).toEqual(before);
    expect(latest).toEqual({
      subject: `${userInfo().username}@${hostname()}`,
      operation: words.slice(0, 2).join(' '),
      detail,
    });
  });

  test('tail leaves its row before the first call, and one in all', async () => {
    const before = await readings();
    const tail = run(['audit', 'tail', '--key', 'key_none'], { env });
    await vi.waitUntil(async () => (await readings()).length > before.length, {
      timeout: 10_000,
      interval: 50,
    });
    await generate(product, await token(product, 'writer'));
    tail.child.kill('SIGINT');
    expect(await tail.ended).toBe(0);
    const [latest, ...earlier] = await readings();
    expect(earlier).toEqual(before);
    expect(latest).toMatchObject({ operation: 'audit tail', detail: { key: 'key_none' } });
  });

  test.each([['list'], ['show', '01890000-0000-7000-8000-000000000000'], ['tail']])(
    'where that row cannot be written, %s shows nothing and says why',
    async (...words) => {
      const data = newFolder();
      const elsewhere = new URL(product.logins.append);
      elsewhere.password = 'fake-not-the-password';
      writeFileSync(join(data, 'ready.json'), JSON.stringify(product.ready));
      mkdirSync(join(data, 'staging/logins'), { recursive: true });
      writeFileSync(join(data, 'staging/logins/append'), elsewhere.href);
      writeFileSync(join(data, 'staging/logins/read'), product.logins.read);
      const before = await readings();
      const { code, stdout, stderr } = await ran(['audit', ...words], { env: { IDEOGATE_DATA: data } });
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/^Who reads the record is written in it first, .* Nothing was read\.\n$/);
      expect(stderr).not.toContain(elsewhere.password);
      expect(await readings()).toEqual(before);
    },
  );
});

/** A person's shell: ours, without what the runner of these tests put there. */
function shellOf(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const added =
    /^(?:npm_|pnpm_|VITEST|TEST$|NODE_ENV$|NODE_OPTIONS$|INIT_CWD$|PROD$|DEV$|MODE$|SSR$|BASE_URL$)/i;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !added.test(name)));
}

test('the lines that the start prints work as pasted', async () => {
  const pasted = product
    .stdout()
    .split('\n')
    .filter((line) => /^ {2}(?:TOKEN=|curl |npx )/.test(line));
  expect(pasted).toHaveLength(3);
  const shell = spawn('bash', ['-ec', pasted.join('\n')], {
    cwd: REPOSITORY,
    env: { ...shellOf(process.env), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 55_000,
  });
  let stdout = '';
  shell.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  const [code]: unknown[] = await once(shell, 'close');
  expect(code).toBe(0);
  const [image = '', ...rest] = stdout.split('\n');
  expect(JSON.parse(image)).toMatchObject({ data: [{ is_image_safe: true }] });
  expect((JSON.parse(rest.join('\n')) as Call[])[0]).toMatchObject({
    subject: 'writer',
    operation: 'v3.generate',
  });
}, 60_000);

test('help is there, and a command nobody knows is refused', async () => {
  const help = await ran(['--help']);
  expect(help.code).toBe(0);
  for (const word of ['start', 'token', 'policy', 'audit']) expect(help.stdout).toContain(word);
  const unknown = await ran(['strat']);
  expect(unknown.code).toBe(3);
  expect(unknown.stderr).toContain("unknown command 'strat'");
  expect(await stop(product)).toBe(0);
});
