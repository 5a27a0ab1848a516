import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync, readFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createEmulator, type Emulator } from '@ideogate/ideogram/emulator';
import { huntFor } from '@ideogate/testkit';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { cleanUp, newFolder, type Product, ran, start } from './running-product.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const KEY = 'fake-pasted-write-key-MARKED-77';
const OTHER = 'fake-production-key-MARKED-88';

let emulator: Emulator;
let product: Product;
let env: Record<string, string>;
beforeAll(async () => {
  emulator = await createEmulator({ keys: { accept: [KEY] } });
  const data = newFolder();
  env = { IDEOGATE_KEYS: 'sealed', IDEOGRAM_BASE_URL: emulator.url, IDEOGATE_DATA: data };
  product = await start({ data, env });
}, 60_000);
afterAll(async () => {
  await cleanUp();
  await emulator?.close();
});

/** Runs a command at a terminal of its own, and types an answer once it is asked. */
async function atTerminal(
  words: readonly string[],
  asked: RegExp,
  answer: string,
): Promise<{ code: number; shown: string }> {
  const command = [process.execPath, MAIN, ...words].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qefc', command, '/dev/null'], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text));
  await vi.waitUntil(() => asked.test(shown), { timeout: 20_000 });
  child.stdin.write(answer);
  const [code] = (await once(child, 'close')) as [number]; // as: Node's arguments of the event
  return { code, shown };
}

test('a key that is pasted is not shown, and nothing that is kept or told holds it (F.58)', async () => {
  const { code, shown } = await atTerminal(
    ['keys', 'add', '--for', 'write'],
    /it is not shown\): /,
    `${KEY}x\x7f\r`,
  );
  expect([code, shown]).toEqual([
    0,
    expect.stringMatching(/key_[0-9a-f]{16} is in the write slot of staging, pending/),
  ]);
  const listed = await ran(['keys', 'list', '--json'], { env });
  const [{ id } = { id: '' }] = JSON.parse(listed.stdout) as { id: string }[]; // as: what keys list prints
  const verified = await ran(['keys', 'verify', id], { env });
  expect(verified).toMatchObject({ code: 0 });
  const hunt = huntFor({ 'Ideogram key': [KEY] });
  const kept = ['ready.json', 'key-claims.json', 'staging/postgres/postgres.log'].map((name) =>
    readFileSync(join(product.data, name), 'utf8'),
  );
  const { Client } = await import('pg');
  const client = new Client({ connectionString: product.logins.owner ?? '' });
  await client.connect();
  const { rows } = await client.query(
    'SELECT k.*, h.*, encode(k.sealed, $$escape$$) AS bytes FROM ideogate_keys.upstream_key k JOIN ideogate_keys.history h USING (id)',
  );
  await client.end();
  expect(rows.length).toBeGreaterThan(0);
  kept.push(JSON.stringify(rows));
  const told = [
    shown,
    listed.stdout,
    verified.stdout,
    verified.stderr,
    product.stdout(),
    product.stderr(),
    ...kept,
  ];
  expect(told.flatMap((text) => hunt.in(text))).toEqual([]);
});

test('a paste that is called off puts nothing', async () => {
  const { code, shown } = await atTerminal(
    ['keys', 'add', '--for', 'read'],
    /it is not shown\): /,
    'fake-half\x03',
  );
  expect([code, shown]).toEqual([1, expect.stringMatching(/Nothing was done/)]);
});

test('a key that another environment of this data folder has is refused at keys add, and is not shown (F.57)', async () => {
  const claims = JSON.parse(readFileSync(join(product.data, 'key-claims.json'), 'utf8')) as {
    keys: Record<string, { environment: string }>;
  }; // as: just written
  for (const claim of Object.values(claims.keys)) claim.environment = 'production';
  writeFileSync(join(product.data, 'key-claims.json'), JSON.stringify(claims));
  mkdirSync(join(product.data, 'tools'), { recursive: true });
  const file = join(product.data, 'tools', 'key');
  writeFileSync(file, KEY);
  const { code, stderr } = await ran(['keys', 'add', '--for', 'read', '--from', file], { env });
  expect([code, stderr]).toEqual([3, expect.stringMatching(/is a key of production, and this is staging/)]);
  expect(stderr).not.toContain('MARKED');
});

test.each([
  ['a token', 'eyJhbGciOiJub25lIn0.MARKED.', /is a token/],
  ['a placeholder', 'your-api-key-MARKED', /is a placeholder/],
  ['an age identity', 'AGE-SECRET-KEY-1MARKED', /is of age/],
  ['nothing', '\n', /is missing/],
])('%s is not taken for a key, and not shown', async (_, text, message) => {
  const file = join(product.data, 'tools', 'wrong');
  writeFileSync(file, text);
  const { code, stderr } = await ran(['keys', 'add', '--for', 'read', '--from', file], { env });
  expect([code, stderr]).toEqual([3, expect.stringMatching(message)]);
  expect(stderr).not.toContain('MARKED');
});

test.each(['/dev/zero', '/nowhere/\u001b[31m'])(
  'keys add --from %j ends with what is wrong',
  async (file) => {
    const { code, stderr } = await ran(['keys', 'add', '--for', 'read', '--from', file], { env });
    expect([code, stderr]).toEqual([3, expect.stringMatching(/cannot be read \((?:too large|ENOENT)\)/)]);
    expect(stderr).not.toContain('\u001b');
  },
);

test('with keys in variables too, the sealed store is not opened: which of them counts is not guessed', async () => {
  const data = newFolder();
  const { code, stderr } = await ran(['start'], {
    env: { ...env, IDEOGATE_DATA: data, IDEOGRAM_API_KEY: OTHER },
  });
  expect([code, stderr]).toEqual([
    3,
    expect.stringMatching(/unset IDEOGRAM_API_KEY once the keys are in it/),
  ]);
});
