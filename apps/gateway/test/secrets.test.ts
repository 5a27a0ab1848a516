import { readFileSync } from 'node:fs';
import { openReadPool } from '@ideogate/audit';
import { FAKE_KEYS, huntFor, startTestGateway, tableOfPlaces, type TestGateway } from '@ideogate/testkit';
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
/** The heads of all answers. */
const heads: string[] = [];

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

async function send(
  to: TestGateway,
  path: string,
  token: string,
  body: object | FormData,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  const form = body instanceof FormData;
  const response = await fetch(`${to.url}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'x-api-key': IN_HEADER,
      cookie: `session=${IN_HEADER}`,
      ...(form ? {} : { 'content-type': 'application/json' }),
      ...more,
    },
    body: form ? body : JSON.stringify(body),
  }).catch(() => null);
  const text = (await response?.text().catch(() => '')) ?? '';
  const head = JSON.stringify([...(response?.headers ?? [])]);
  heads.push(head);
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
  await everythingAstray(full);
  await faultsOfOurOwn(full);

  // Callers who leave, in a body and in an answer.
  const upload = await callFrom(
    gateway.port,
    beginUpload(REMIX, full, 100_000).replace('a lighthouse', PROMPT),
  );
  // So much of it must be there before a connection to Ideogram is taken.
  upload.socket.write(Buffer.alloc(80_000));
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

/** Secrets where nobody looks for them, and bytes that no parser reads. */
async function everythingAstray(full: string): Promise<void> {
  const paid = { prompt: PROMPT, rendering_speed: 'TURBO' };
  const secret = gateway.clients.get('full') ?? '';
  await send(gateway, `/v1/${full}/generate`, full, paid);
  await send(gateway, `/v1/${FAKE_KEYS.write}`, full, paid);
  await send(gateway, `/models/../${full}`, full, paid);
  await send(gateway, GENERATE, secret, paid);
  await send(gateway, GENERATE, full, paid, { authorization: `Basic ${btoa(`full:${secret}`)}` });
  await send(gateway, GENERATE, full, paid, { authorization: `Bearer ${full}, Bearer ${BAD_TOKEN}` });
  await send(gateway, GENERATE, full, paid, { [`x-${full}`]: full, referer: full, traceparent: full });
  await send(gateway, GENERATE, full, paid, { 'content-type': `application/json; charset=${full}` });
  await send(gateway, GENERATE, full, paid, { 'content-encoding': full });
  await send(gateway, REMIX, full, paid, {
    'content-type': `multipart/form-data; boundary=${full.slice(-60)}`,
  });
  for (const bytes of [
    `${full} / HTTP/1.1\r\nHost: a\r\n\r\n`,
    `CONNECT ${full}:443 HTTP/1.1\r\nHost: a\r\n\r\n`,
    `GET http://${secret}:${BAD_TOKEN}@a.example/${full} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    `GET /${full} HTTP/1.1\r\nHost: ${BAD_TOKEN}/${full}\r\n\r\n`,
    `GET /models HTTP/1.1\r\nHost: a\r\nUpgrade: ${full}\r\nConnection: Upgrade, ${full}\r\n\r\n`,
    `GET /models HTTP/1.1\r\nHost: a\r\nExpect: ${full}\r\n\r\n`,
    `GET /models HTTP/1.1\r\nHost: a\r\nApi-Key: ${full.repeat(60)}\r\n\r\n`,
    `POST ${GENERATE} HTTP/1.1\r\nHost: a\r\nApi-Key: ${full}\r\nTransfer-Encoding: chunked\r\n\r\n${PROMPT}\r\n`,
    `POST ${GENERATE} HTTP/1.1\r\nHost: a\r\nContent-Length: ${full}\r\n\r\n`,
  ])
    problems.push(await heardFrom(bytes));
  problems.push(await heardFrom(`GET /${full} HTTP/1.1\r\nApi-Key: ${full}`, true));
}

/** All that comes back until the gateway closes, which it does at once for all that is sent here. */
async function heardFrom(bytes: string, end = false): Promise<string> {
  const caller = await callFrom(gateway.port, bytes);
  if (end) caller.socket.end();
  const bound = setTimeout(() => caller.socket.destroy(new Error('left open')), 5000);
  const heard = await caller.closed;
  clearTimeout(bound);
  expect(caller.socket.errored?.message, `after ${bytes.slice(0, 20)}`).not.toBe('left open');
  return heard;
}

/** Steps and endings that fail although they never should, with an error that quotes all there is to quote. */
async function faultsOfOurOwn(full: string): Promise<void> {
  const { release } = gateway;
  const quoting = () => {
    const text = [PROMPT, full, ...Object.values(FAKE_KEYS), ...gateway.clients.values()].join('\n    at ');
    throw Object.assign(new Error(text, { cause: text }), { name: full, headers: { 'api-key': text } });
  };
  for (const member of ['environments', 'callers', 'id'] as const) {
    const { value } = Object.getOwnPropertyDescriptor(release, member) ?? {};
    Object.defineProperty(release, member, { get: quoting, configurable: true });
    await send(gateway, GENERATE, full, { prompt: PROMPT });
    Object.defineProperty(release, member, { value, configurable: true });
  }
}

/** Every table and view there is, row by row, all columns as text. */
async function rowsOf(of: TestGateway): Promise<string> {
  await of.ended(1);
  const pool = openReadPool(of.databaseUrl);
  try {
    const { rows: relations } = await pool.query<{ name: string }>(
      `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
       WHERE table_schema NOT IN ('pg_catalog', 'information_schema')`,
    );
    expect(relations.length).toBeGreaterThan(10);
    const tables = relations.map(async ({ name }) => {
      const { rows } = await pool.query<{ row: string }>(`SELECT one::text AS row FROM ${name} one`);
      return rows.map(({ row }) => row).join('\n');
    });
    return (await Promise.all(tables)).join('\n');
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

/** Place, what is there, and something that must be in it, or nothing was looked at. */
const PLACES: readonly (readonly [string, (of: TestGateway) => Promise<string>, string])[] = [
  ['log lines', (of) => Promise.resolve(of.log.join('\n')), 'a step failed'],
  ['metrics', (of) => of.metrics(), 'ideogate_outcomes_total{'],
  ['rows of every table and view', rowsOf, 'v3.generate'],
  ["the gateway's own pages", pagesOf, 'invalid-token'],
  ["the gateway's own answers, head and body", () => Promise.resolve(problems.join('\n')), 'upstream-leak'],
  ['heads of all answers', () => Promise.resolve(heads.join('\n')), 'ideogate-call-id'],
];

test('no key, token, secret, prompt, query or link signature is anywhere but where it belongs (E.54, F.58)', async () => {
  const signatures = tokens.map((token) => token.slice(token.lastIndexOf('.') + 1));
  const hunt = huntFor({
    'Ideogram key': Object.values(FAKE_KEYS),
    'access token': [...tokens, ...signatures, ...signatures.map((text) => text.slice(0, 40))],
    'client secret': [...gateway.clients.values(), ...stray.clients.values()],
    prompt: [PROMPT, PROMPT.slice(0, 18)],
    'link signature': links,
    'query, cookie, bad token': [IN_QUERY, IN_HEADER, BAD_TOKEN],
    "the installation's own": ['fake-fingerprint-secret', 'fake-prompt-secret'],
  });
  const found: [string, readonly string[]][] = [];
  for (const [place, read, expected] of PLACES) {
    const text = `${await read(gateway)}\n${await read(stray)}`;
    expect(text).toContain(expected);
    expect(
      text.split('\n').filter((line) => line.includes('MARKED')),
      `in ${place}`,
    ).toEqual([]);
    found.push([place, hunt.in(text)]);
  }
  const page = readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8');
  const [, told = ''] = /<!-- secrets in the gateway -->\n([^]*?)\n<!-- \/secrets/.exec(page) ?? [];
  expect(tableOfPlaces(hunt.kinds, found)).toBe(told.trim());
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
