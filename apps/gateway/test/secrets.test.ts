import { openReadPool } from '@ideogate/audit';
import { FAKE_KEYS, startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { beginUpload, callFrom, postJson } from './raw-caller.ts';
import { type RawUpstream, sayAndClose, startRawUpstream } from './raw-upstream.ts';

const GENERATE = '/v1/ideogram-v3/generate';
const REMIX = '/v1/ideogram-v3/remix';
const PROMPT = 'fake-prompt-MARKED a lighthouse';
const IN_QUERY = 'fake-query-MARKED';
const IN_HEADER = 'fake-header-MARKED';
const BAD_TOKEN = 'fake-bad-token-MARKED';
const FAST = {
  IDEOGATE_UPSTREAM_FIRST_BYTE_MS: '300',
  IDEOGATE_UPSTREAM_WHOLE_MS: '600',
  IDEOGATE_COMMIT_TIMEOUT_MS: '300',
  IDEOGATE_DISCARD_MS: '200',
};

let gateway: TestGateway;
/** In front of something that is no Ideogram, and at last of nothing. */
let stray: TestGateway;
let upstream: RawUpstream;
const tokens: string[] = [];
const links: string[] = [];
/** Every answer of the gateway's own, head and body. */
const problems: string[] = [];

beforeAll(async () => {
  upstream = await startRawUpstream();
  [gateway, stray] = await Promise.all([
    startTestGateway({ settings: FAST }),
    startTestGateway({ settings: FAST, upstream: `http://127.0.0.1:${upstream.port}` }),
  ]);
  tokens.push(await gateway.token('full'), await gateway.token('writer'), await gateway.token('reader'));
  tokens.push(await stray.token('full'));
  await everythingThatFails();
});
afterAll(async () => {
  await upstream?.refuse();
  await Promise.all([gateway?.close(), stray?.close()]);
});

async function send(to: TestGateway, path: string, token: string, body: object | FormData): Promise<void> {
  const form = body instanceof FormData;
  const response = await fetch(`${to.url}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'x-api-key': IN_HEADER,
      cookie: `session=${IN_HEADER}`,
      ...(form ? {} : { 'content-type': 'application/json' }),
    },
    body: form ? body : JSON.stringify(body),
  }).catch(() => null);
  const text = (await response?.text().catch(() => '')) ?? '';
  const head = JSON.stringify([...(response?.headers ?? [])]);
  if (head.includes('problem+json')) problems.push(head + text);
  for (const [, signature = ''] of text.matchAll(/[?&]sig=([0-9a-f]+)/g)) links.push(signature);
}

async function everythingThatFails(): Promise<void> {
  const [full = '', writer = '', reader = '', strange = ''] = tokens;
  const paid = { prompt: PROMPT, rendering_speed: 'TURBO' };
  await send(gateway, GENERATE, full, paid);
  for (const fault of [
    { status: 401 },
    { status: 402 },
    { status: 500, body: { error: PROMPT } },
    { reset: 'before' },
    { reset: 'within' },
    { neverAnswer: true },
    { neverEnd: true },
    { redirect: `https://a.example/?${IN_QUERY}` },
    { echoKey: 'header' },
    { echoKey: 'body' },
    { echoKey: 'split-body' },
    { hugeHeaders: true },
    { earlyClose: { status: 429 } },
  ]) {
    await gateway.fault(fault);
    await send(gateway, GENERATE, full, paid);
  }
  await gateway.fault({});

  // Refusals, with everything that one could be tempted to write down.
  await send(gateway, GENERATE, BAD_TOKEN, paid);
  await send(gateway, GENERATE, `${full.slice(0, -8)}AAAAAAAA`, paid);
  await send(gateway, GENERATE, reader, paid);
  await send(gateway, `${GENERATE}?api_key=${IN_QUERY}`, full, paid);
  await send(gateway, `${GENERATE}?access_token=${full}`, full, paid);
  await send(gateway, `${GENERATE}?webhook_url=https://a.example/${IN_QUERY}`, full, paid);
  await send(gateway, GENERATE, writer, { ...paid, num_images: 2 });
  await send(gateway, GENERATE, writer, { ...paid, webhook_url: `https://a.example/${IN_QUERY}` });
  await send(gateway, `/v1/generations/${'x'.repeat(20)}?${IN_QUERY}=1`, full, paid);
  await send(gateway, '/manage/api/keys', full, paid);
  const form = new FormData();
  form.set('prompt', PROMPT);
  form.set('image', new Blob([Buffer.alloc(1000)], { type: 'image/png' }), `${IN_QUERY}.png`);
  form.set('num_images', '2');
  await send(gateway, REMIX, writer, form);
  const garbled = await callFrom(gateway.port, `GET / HTTP/1.1\r\nApi-Key : ${BAD_TOKEN}\r\n\r\n`);
  problems.push(await garbled.closed);
  const broken = postJson(GENERATE, full, paid).replace(/"prompt":"/, '"prompt":"\\q');
  problems.push(await (await callFrom(gateway.port, broken)).closed);

  // Callers who leave, in a body and in an answer.
  const upload = await callFrom(
    gateway.port,
    beginUpload(REMIX, full, 100_000).replace('a lighthouse', PROMPT),
  );
  await vi.waitUntil(async () => (await gateway.received()).at(-1)?.target === REMIX, { timeout: 5000 });
  upload.socket.destroy();
  await gateway.fault({ neverAnswer: true });
  const impatient = await callFrom(gateway.port, postJson(GENERATE, full, paid));
  await vi.waitUntil(async () => (await gateway.received()).at(-1)?.complete === true, { timeout: 5000 });
  impatient.socket.destroy();
  await gateway.fault({});

  // The record away.
  gateway.relay.cut();
  await Promise.all([send(gateway, GENERATE, full, paid), send(gateway, GENERATE, BAD_TOKEN, paid)]);
  gateway.relay.restore();

  // No Ideogram at all.
  upstream.behave(sayAndClose(`garbage ${IN_HEADER}\r\n`));
  await send(stray, GENERATE, strange, paid);
  upstream.behave((socket) => socket.resetAndDestroy());
  await send(stray, GENERATE, strange, paid);
  await upstream.refuse();
  await send(stray, GENERATE, strange, paid);
}

/** Rows of every event, as text. */
async function rowsOf(of: TestGateway): Promise<string> {
  await of.ended(1);
  const pool = openReadPool(of.databaseUrl);
  try {
    const { rows } = await pool.query<{ row: string }>(
      'SELECT event::text AS row FROM ideogate.audit_event event',
    );
    return rows.map(({ row }) => row).join('\n');
  } finally {
    await pool.end();
  }
}

async function pagesOf(of: TestGateway): Promise<string> {
  const pages = [
    '/-/health',
    '/-/ready',
    '/-/problems',
    '/.well-known/oauth-protected-resource',
    '/-/nothing',
  ];
  const texts = pages.map(async (page) => (await fetch(`${of.url}${page}`)).text());
  return (await Promise.all(texts)).join('\n');
}

test.each([
  ['the log', (of: TestGateway) => Promise.resolve(of.log.join('\n')), '"msg":"call"'],
  ['the metrics', (of: TestGateway) => of.metrics(), 'ideogate_outcomes_total{'],
  ['the record', rowsOf, 'v3.generate'],
  ['the pages', pagesOf, 'invalid-token'],
  ['the answers', () => Promise.resolve(problems.join('\n')), 'upstream-leak'],
])('no key, token, secret, prompt, query or link signature is in %s', async (_, read, expected) => {
  const text = `${await read(gateway)}\n${await read(stray)}`;
  expect(text).toContain(expected);
  const signatures = tokens.map((token) => token.slice(token.lastIndexOf('.') + 1));
  const secrets = [
    'MARKED',
    ...Object.values(FAKE_KEYS),
    ...Object.values(FAKE_KEYS).map((key) => Buffer.from(key).toString('base64').slice(0, 20)),
    ...tokens,
    ...signatures,
    ...gateway.clients.values(),
    ...stray.clients.values(),
    ...links,
    'fake-fingerprint-secret',
    'fake-prompt-secret',
    new URL(gateway.databaseUrl).password,
  ].filter((secret) => secret !== '');
  expect(links.length).toBeGreaterThan(0);
  for (const secret of secrets) expect(text.includes(secret), `holds ${secret.slice(0, 12)}…`).toBe(false);
});

test('no answer of the gateway tells a stack, a library, an address or a statement', () => {
  expect(problems.length).toBeGreaterThan(15);
  for (const problem of problems) {
    expect(problem).not.toMatch(
      /node_modules|\.ts:\d|at \w+ \(|ECONN|UND_ERR|HPE_|undici|SELECT |INSERT |postgres/,
    );
    expect(problem).not.toContain(new URL(gateway.upstream).host);
    expect(problem).not.toContain(new URL(stray.upstream).host);
  }
});
