import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEmulator } from '@ideogate/ideogram/emulator';
import { huntFor, type SecretHunt, tableOfPlaces } from '@ideogate/testkit';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  cleanUp,
  generate,
  installationKeys,
  newFolder,
  postgresPid,
  processesOf,
  type Product,
  readyIn,
  REPOSITORY,
  start,
  token,
} from './running-product.ts';

/** The whole product with keys of its operator's, made to fail and at last to crash in every way a process can. */
const KEYS = { read: 'fake-read-key-MARKED-process', write: 'fake-write-key-MARKED-process' };
const PROMPT = 'fake-prompt-MARKED a lighthouse';

let emulator: Awaited<ReturnType<typeof createEmulator>>;
let product: Product;
let env: Record<string, string>;
let tools: string;
let hunt: SecretHunt;
const tokens: string[] = [];
const links: string[] = [];

/** Place, and what was there; filled before and while it crashes. */
const places = new Map<string, string>();

beforeAll(async () => {
  emulator = await createEmulator({ keys: { read: [KEYS.read], write: [KEYS.write] } });
  tools = newFolder();
  env = {
    IDEOGRAM_BASE_URL: emulator.url,
    IDEOGRAM_READ_KEY: KEYS.read,
    IDEOGRAM_WRITE_KEY: KEYS.write,
    QUOTE: join(tools, 'quote.txt'),
    // What an operator may have turned on, and a way to make the process fail from outside.
    NODE_OPTIONS: [
      `--import=${join(tools, 'faults.mjs')}`,
      '--report-on-signal',
      '--report-uncaught-exception',
      '--report-on-fatalerror',
      `--report-directory=${tools}`,
    ].join(' '),
  };
  writeFileSync(join(tools, 'faults.mjs'), FAULTS);
  product = await start({ env });
  tokens.push(await token(product, 'writer'), await token(product, 'reader'));
  await everythingThatFails();
  const { clients } = product;
  const passwords = Object.values(product.logins).map((url) => new URL(url).password);
  hunt = huntFor({
    'Ideogram key': Object.values(KEYS),
    'access token': [...tokens, ...tokens.map((text) => text.slice(text.lastIndexOf('.') + 1))],
    'client secret': clients.map(({ client_secret }) => client_secret),
    prompt: [PROMPT, PROMPT.slice(0, 18)],
    'link signature': links,
    'database password': passwords,
    "the installation's own": Object.values(installationKeys(join(product.data, 'staging'))),
  });
  const quoted = [
    ...Object.values(KEYS),
    ...tokens,
    ...clients.map((client) => client.client_secret),
    PROMPT,
  ];
  writeFileSync(env['QUOTE'] ?? '', [...quoted, ...links, product.logins.read].join('\n    at '));
}, 90_000);
afterAll(async () => {
  await cleanUp();
  await emulator?.close();
});

/** Loaded before the product: two signals that make it fail with an error that quotes whatever the file holds. */
const FAULTS = `
import { readFileSync } from 'node:fs';
const quoting = () => {
  const text = readFileSync(process.env.QUOTE, 'utf8');
  return Object.assign(new Error(text, { cause: new Error(text) }), { name: text, config: { headers: { text } } });
};
process.on('SIGALRM', () => { throw quoting(); });
process.on('SIGVTALRM', () => { Promise.reject(quoting()); });
`;

async function everythingThatFails(): Promise<void> {
  const [writer = '', reader = ''] = tokens;
  const call = async (bearer: string, prompt = PROMPT) => {
    const response = await generate(product, bearer, prompt).catch(() => null);
    const text = (await response?.text().catch(() => '')) ?? '';
    for (const [, signature = ''] of text.matchAll(/[?&]sig=([0-9a-f]+)/g)) links.push(signature);
  };
  for (const fault of [
    {},
    { status: 401 },
    { status: 500, body: { error: PROMPT } },
    { reset: 'before' },
    { reset: 'within' },
    { echoKey: 'header' },
    { echoKey: 'body' },
    { redirect: `https://a.example/?key=${KEYS.write}` },
  ]) {
    await fetch(`${emulator.url}/-/faults`, { method: 'PUT', body: JSON.stringify(fault) });
    await call(writer);
  }
  await fetch(`${emulator.url}/-/faults`, { method: 'PUT', body: '{}' });
  await call(reader);
  await call(`${writer.slice(0, -8)}AAAAAAAA`);
  await call(product.clients[0]?.client_secret ?? '');
  process.kill(postgresPid(product), 'SIGKILL');
  await call(writer);
  await vi.waitUntil(async () => (await generate(product, writer, PROMPT)).status === 200, {
    timeout: 15_000,
    interval: 100,
  });
}

const reports = () => readdirSync(tools).filter((name) => /^report\..*\.json$/.test(name));

test('a report that Node is asked for holds neither the environment nor anything else that is secret (F.58)', async () => {
  process.kill(product.pid, 'SIGUSR2');
  const report = await vi.waitUntil(
    () => {
      const text = reports().map((name) => readFileSync(join(tools, name), 'utf8'))[0] ?? '';
      return text.trimEnd().endsWith('}') ? text : null;
    },
    { timeout: 10_000, interval: 50 },
  );
  const parsed = JSON.parse(report) as Record<string, unknown>; // as: a report is an object
  expect(parsed).toHaveProperty('javascriptStack');
  expect(parsed).not.toHaveProperty('environmentVariables');
  places.set('the report that Node writes on a signal', report);
});

test('what can be seen of the running processes holds no secret (F.58)', async () => {
  const pids = processesOf(product.data);
  expect(pids).toContain(product.pid);
  expect(pids).toContain(postgresPid(product));
  const lines = pids.map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
  places.set('command lines (`/proc/<pid>/cmdline`)', lines.join('\n'));
  places.set('metrics over HTTP', await (await fetch(product.ready.metrics)).text());
  places.set('`ready.json`', readFileSync(join(product.data, 'ready.json'), 'utf8'));
  const sources = join(product.data, 'staging/key-sources.json');
  places.set('`key-sources.json`', readFileSync(sources, 'utf8'));
  const log = join(product.data, 'staging/postgres/postgres.log');
  places.set("Postgres's log", readFileSync(log, 'utf8'));
});

test.each([
  ['an uncaught exception', 'SIGALRM'],
  ['an unhandled rejection', 'SIGVTALRM'],
] as const)(
  'after %s it says where, never what, stops in order, and ends with 1 (F.58)',
  async (what, signal) => {
    if (readyIn(product.data) === null) product = await start({ ...product, env });
    const before = reports().length;
    process.kill(product.pid, signal);
    expect(await product.ended).toBe(1);
    expect(product.stdout()).toMatch(/"error":"Error +at .*faults\.mjs:\d+:\d+.*an error that nobody caught/);
    expect(processesOf(product.data)).toEqual([]);
    expect(readyIn(product.data)).toBeNull();
    expect(reports()).toHaveLength(before);
    const output = `${product.stdout()}\n${product.stderr()}`;
    places.set(`stdout, with ${what} at its end`, product.stdout());
    places.set(`stderr, with ${what} at its end`, product.stderr());
    expect(hunt.in(output)).toEqual([]);
  },
);

test('the table of the security page is what was found (F.58)', () => {
  const found = [...places].map(([place, text]) => [place, hunt.in(text)] as const);
  for (const [place, text] of places) expect(text.includes('MARKED'), `in ${place}`).toBe(false);
  const page = readFileSync(join(REPOSITORY, 'docs/security.md'), 'utf8');
  const [, told = ''] = /<!-- secrets of the process -->\n([^]*?)\n<!-- \/secrets/.exec(page) ?? [];
  expect(tableOfPlaces(hunt.kinds, found)).toBe(told.trim());
});
