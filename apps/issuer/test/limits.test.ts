import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type AuthenticationFailure,
  createIssuer,
  type Issuer,
  type IssuerDeps,
  type IssuerLimits,
  loadOrCreateIssuerKeys,
} from '../src/index.ts';

const secretOf = (id: string) => `fake-secret-of-${id}`.padEnd(43, '0');
const CLIENTS = ['reader', 'writer'];
const FORM = 'application/x-www-form-urlencoded';
const GRANT = 'grant_type=client_credentials';

interface Running {
  readonly issuer: Issuer;
  readonly port: number;
  readonly rows: readonly AuthenticationFailure[];
}

let folder: string;
let agent: Agent;
const closing: (() => Promise<void> | void)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'issuer-limits-'));
  agent = new Agent({ keepAlive: true });
  closing.push(
    () => agent.destroy(),
    () => rm(folder, { recursive: true }),
  );
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function start(
  limits: Partial<IssuerLimits> = {},
  addressOf?: NonNullable<IssuerDeps['addressOf']>,
): Promise<Running> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo; // as: it listens on TCP
  probe.close();
  await once(probe, 'close');
  const rows: AuthenticationFailure[] = [];
  const issuer = await createIssuer(
    {
      issuer: `http://127.0.0.1:${port}`,
      host: '127.0.0.1',
      port,
      keys: await loadOrCreateIssuerKeys(join(folder, 'keys.json')),
      clients: CLIENTS.map((id) => ({ client_id: id, client_secret: secretOf(id) })),
      audience: 'http://127.0.0.1:1',
      limits,
    },
    {
      grantOf: () => ({ scopes: new Set(['read:models'] as const), patterns: ['read:models'] }),
      expand: (pattern) => (pattern === 'read:*' || pattern === 'write:limited' ? [] : [pattern]),
      onError: (error) => {
        throw error;
      },
      onAuthenticationFailure: (failure) => rows.push(failure),
      ...(addressOf === undefined ? {} : { addressOf }),
    },
  );
  await issuer.listen();
  closing.push(() => issuer.close());
  return { issuer, port, rows };
}

interface Asked {
  readonly client?: string;
  readonly secret?: string;
  /** The whole field, or none. */
  readonly authorization?: string | null;
  /** The address that is asked from: every one of 127.0.0.0/8 is this machine's. */
  readonly from?: string;
  readonly body?: string;
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly challenge: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
}

async function ask(port: number, asked: Asked = {}): Promise<Answer> {
  const { client = 'writer', secret = secretOf(client), from = '127.0.0.1', body = GRANT } = asked;
  const authorization =
    asked.authorization === undefined
      ? `Basic ${Buffer.from(`${client}:${secret}`).toString('base64')}`
      : asked.authorization;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const call = httpRequest(
    {
      host: '127.0.0.1',
      port,
      path: '/token',
      method: 'POST',
      localAddress: from,
      agent,
      headers: { 'content-type': FORM, ...(authorization === null ? {} : { authorization }) },
    },
    (response) => {
      void response.toArray().then((chunks) =>
        resolve({
          status: response.statusCode ?? 0,
          retryAfter: response.headers['retry-after'],
          challenge: response.headers['www-authenticate'],
          body: JSON.parse(Buffer.concat(chunks).toString()),
        }),
      );
    },
  );
  call.on('error', reject);
  call.end(body);
  return promise;
}

/** The statuses of so many requests, one after the other. */
async function statuses(port: number, count: number, asked: Asked): Promise<readonly number[]> {
  const seen: number[] = [];
  for (let i = 0; i < count; i++) seen.push((await ask(port, asked)).status);
  return seen;
}

const WRONG = { secret: 'x'.repeat(43) };
const TOO_MANY = { status: 429, body: { error: 'temporarily_unavailable' } };

describe('who has no secret', () => {
  const ways: readonly [what: string, asked: Asked, reason: string, clientId: string | null][] = [
    ['a wrong secret', { client: 'writer', ...WRONG }, 'wrong-secret', 'writer'],
    ['a secret of another client', { secret: secretOf('reader') }, 'wrong-secret', 'writer'],
    ['a client that is none of ours', { client: 'stranger' }, 'unknown-client', null],
    ['a name of object members', { client: '__proto__' }, 'unknown-client', null],
    ['no credentials', { authorization: null }, 'no-credentials', null],
    ['credentials that are no Basic', { authorization: 'Bearer a.b.c' }, 'malformed-credentials', null],
    ['Basic without a colon', { authorization: 'Basic YWJj' }, 'malformed-credentials', null],
    ['Basic that is no base64', { authorization: 'Basic *' }, 'malformed-credentials', null],
    ['an escape that is none', { client: 'a%zz' }, 'malformed-credentials', null],
  ];

  test.each(ways)(
    '%s: 401 with a challenge five times, then 429 that says how long to wait',
    async (_, asked, reason, clientId) => {
      const { issuer, port, rows } = await start();
      for (let i = 0; i < 5; i++)
        expect(await ask(port, asked)).toMatchObject({
          status: 401,
          body: { error: 'invalid_client' },
          challenge: expect.stringMatching(/^Basic realm="http/),
        });
      const away = await ask(port, asked);
      expect(away).toMatchObject({ ...TOO_MANY, retryAfter: '1' });
      const told = { reason, clientId, address: '127.0.0.1', atMs: expect.any(Number) };
      expect(rows).toEqual(Array.from({ length: 6 }, () => told));
      expect(issuer.counts()).toMatchObject({
        tokens: 0,
        authenticationFailures: { [reason]: 6 },
        refusals: { [reason]: 5, 'back-off': 1 },
      });
    },
  );

  test('never shuts out who has it: not from another address, not from the same one (H.62)', async () => {
    const { port } = await start({ perAddress: 20 });
    expect(new Set(await statuses(port, 30, WRONG))).toEqual(new Set([401, 429]));
    expect(await ask(port, { from: '127.0.0.2' })).toMatchObject({ status: 200 });
    expect(await ask(port)).toMatchObject({ status: 200 });
    expect(await ask(port, { client: 'reader' })).toMatchObject({ status: 200 });
  });

  test('is told 401 for another client, and from another address, while one waits', async () => {
    const { port } = await start();
    await statuses(port, 6, WRONG);
    expect(await ask(port, WRONG)).toMatchObject(TOO_MANY);
    expect(await ask(port, { client: 'reader', ...WRONG })).toMatchObject({ status: 401 });
    expect(await ask(port, { from: '127.0.0.2', ...WRONG })).toMatchObject({ status: 401 });
  });

  test('has a rate by address, whatever name it gives', async () => {
    const { issuer, port } = await start({ perAddress: 12 });
    const names = Array.from({ length: 12 }, (_, i) => `stranger-${i}`);
    for (const client of names) await ask(port, { client });
    expect(await ask(port, { client: 'reader', ...WRONG })).toMatchObject({
      ...TOO_MANY,
      retryAfter: '5',
    });
    expect(issuer.counts().refusals['address-rate']).toBe(1);
    expect(await ask(port, { client: 'reader', from: '127.0.0.2', ...WRONG })).toMatchObject({ status: 401 });
  });

  test('is under the limits of the address that somebody who knows better names, and on record with it', async () => {
    let address = '192.0.2.1';
    const { port, rows } = await start({}, () => address);
    await statuses(port, 5, WRONG);
    expect(await ask(port, WRONG)).toMatchObject(TOO_MANY);
    address = '192.0.2.2';
    expect(await ask(port, WRONG)).toMatchObject({ status: 401 });
    expect(rows.map((row) => row.address)).toEqual([...Array<string>(6).fill('192.0.2.1'), '192.0.2.2']);
  });

  test('is answered before its body is read', async () => {
    const { port } = await start();
    const socket = await opened(port);
    socket.write(head(`Basic ${btoa('writer:wrong')}`, 'Content-Length: 100'));
    expect(await answerOn(socket)).toMatch(/^HTTP\/1\.1 401 /);
  });
});

describe('a client', () => {
  test('has a rate of its own, and others are given tokens beside it', async () => {
    const { issuer, port } = await start({ perClient: 10 });
    expect(await statuses(port, 10, {})).toEqual(Array.from({ length: 10 }, () => 200));
    expect(await ask(port)).toMatchObject({ ...TOO_MANY, retryAfter: '6' });
    expect(await ask(port, { from: '127.0.0.2' })).toMatchObject(TOO_MANY);
    expect(await ask(port, { client: 'reader' })).toMatchObject({ status: 200 });
    expect(issuer.counts()).toMatchObject({ tokens: 11, refusals: { 'client-rate': 2 } });
  });

  test('loses nothing of its rate to others who name it', async () => {
    const { port } = await start({ perClient: 10 });
    await statuses(port, 20, WRONG);
    expect(await statuses(port, 10, {})).toEqual(Array.from({ length: 10 }, () => 200));
  });

  test('may ask two hundred times at once', async () => {
    const { port } = await start();
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask(port)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  });

  test('asks for what it is not granted: that is no failed authentication', async () => {
    const { issuer, port, rows } = await start();
    expect(await ask(port, { body: `${GRANT}&scope=write:train` })).toMatchObject({ status: 400 });
    expect(rows).toEqual([]);
    expect(issuer.counts()).toMatchObject({ refusals: { 'invalid-request': 1 } });
  });
});

describe('a body', () => {
  const right = `Basic ${btoa(`writer:${secretOf('writer')}`)}`;

  test.each([
    ['that says it is too large', 'Content-Length: 8193', GRANT],
    ['that grows too large', 'Transfer-Encoding: chunked', `2100\r\n${'x'.repeat(0x2100)}\r\n`],
  ])('%s is refused, and its connection ends', async (_, field, body) => {
    const { issuer, port } = await start();
    const socket = await opened(port);
    socket.write(`${head(right, field)}${body}`);
    const answer = await answerOn(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"error":"invalid_request"');
    expect(issuer.counts().refusals['body-too-large']).toBe(1);
    await ended(socket);
  });

  test('in chunks is as good as any', async () => {
    const { port } = await start();
    const socket = await opened(port);
    const chunk = `${GRANT.length.toString(16)}\r\n${GRANT}\r\n0\r\n\r\n`;
    socket.write(`${head(right, 'Transfer-Encoding: chunked')}${chunk}`);
    expect(await answerOn(socket)).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('that drips has five seconds, in which others are given tokens', async () => {
    const { issuer, port } = await start();
    const socket = await opened(port);
    socket.write(`${head(right, 'Content-Length: 500')}g`);
    const drip = setInterval(() => socket.write('r'), 200);
    closing.push(() => clearInterval(drip));
    expect(await ask(port)).toMatchObject({ status: 200 });
    expect(await answerOn(socket)).toMatch(/^HTTP\/1\.1 408 /);
    clearInterval(drip);
    await ended(socket);
    expect(issuer.counts().refusals['body-too-slow']).toBe(1);
  }, 15_000);

  test('whose sender leaves is counted and forgotten', async () => {
    const { issuer, port } = await start();
    const socket = await opened(port);
    socket.write(`${head(right, 'Content-Length: 500')}g`);
    socket.end();
    socket.destroy();
    await vi.waitUntil(() => issuer.counts().refusals['body-cut-short'] === 1, { timeout: 5000 });
    expect(issuer.counts().inFlight).toBe(0);
  });
});

describe('connections', () => {
  test.each([
    ['say nothing', ''],
    ['begin a head and no more', 'POST /token HT'],
    ['begin a body and no more', head(`Basic ${btoa(`reader:${secretOf('reader')}`)}`, 'Content-Length: 99')],
  ])('that %s keep nobody out, however many they are (H.62)', async (_, said) => {
    const { issuer, port } = await start({ maxSockets: 16 });
    const held = await Promise.all(Array.from({ length: 40 }, () => opened(port)));
    for (const socket of held) socket.write(said);
    for (const socket of held) socket.resume();
    await vi.waitUntil(() => held.filter(({ closed }) => closed).length >= 24, { timeout: 5000 });
    expect(await statuses(port, 5, {})).toEqual([200, 200, 200, 200, 200]);
    expect(issuer.counts().connectionsEnded).toBeGreaterThanOrEqual(24);
    expect(issuer.counts().connections).toBeLessThanOrEqual(16);
  });

  test('the one that goes is the one that was silent longest', async () => {
    const { issuer, port } = await start({ maxSockets: 16 });
    const held: Socket[] = [];
    for (let i = 0; i < 16; i++) held.push(await opened(port));
    await vi.waitUntil(() => issuer.counts().connections === 16, { timeout: 5000 });
    // The first speaks again, and so it is the second whose turn it is.
    held[0]?.write(
      `${head(`Basic ${btoa(`reader:${secretOf('reader')}`)}`, `Content-Length: ${GRANT.length}`)}${GRANT}`,
    );
    if (held[0]) await answerOn(held[0]);
    await opened(port);
    if (held[1]) await ended(held[1]);
    expect(held.map(({ closed }) => closed)).toEqual(held.map((_, i) => i === 1));
  });

  test('one with a flood in it is answered some, and ended', async () => {
    const { issuer, port } = await start();
    const socket = await opened(port);
    const one = `${head(`Basic ${btoa('writer:wrong')}`, `Content-Length: ${GRANT.length}`)}${GRANT}`;
    socket.write(one.repeat(500));
    let answered = '';
    socket.on('data', (bytes: Buffer) => (answered += bytes.toString('latin1')));
    await ended(socket);
    const count = answered.split('HTTP/1.1 ').length - 1;
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(60);
    expect(issuer.counts().authenticationFailures['wrong-secret']).toBeLessThan(60);
  });
});

test.each([
  ['no request at all', 'GARBAGE\r\n\r\n', '400'],
  ['a head that is too large', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, '431'],
])('%s is answered and ended, and many of them no faster than other refusals', async (_, said, status) => {
  const { issuer, port } = await start();
  const began = performance.now();
  const sockets = await Promise.all(Array.from({ length: 60 }, () => opened(port)));
  const answers = sockets.map((socket) => answerOn(socket));
  for (const socket of sockets) socket.write(said);
  for (const answer of await Promise.all(answers))
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(performance.now() - began).toBeGreaterThan(600);
  expect(issuer.counts().refusals.unreadable).toBe(60);
  for (const socket of sockets) await ended(socket);
});

test('a page is answered while another is asked for again and again', async () => {
  const { port } = await start();
  const socket = await opened(port);
  socket.write('GET /jwks HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1000));
  await ended(socket);
  const answer = await fetch(`http://127.0.0.1:${port}/-/health`);
  expect(answer.status).toBe(200);
});

function head(authorization: string, field: string): string {
  return `POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${authorization}\r\nContent-Type: ${FORM}\r\n${field}\r\n\r\n`;
}

async function opened(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  closing.push(() => {
    socket.destroy();
  });
  await once(socket, 'connect');
  return socket;
}

/** The first bytes of an answer. */
async function answerOn(socket: Socket): Promise<string> {
  const [bytes] = (await once(socket, 'data', { signal: AbortSignal.timeout(10_000) })) as [Buffer]; // as: the event's one argument
  return bytes.toString();
}

async function ended(socket: Socket): Promise<void> {
  socket.resume();
  if (!socket.closed) await Promise.race([once(socket, 'close'), delay(10_000)]);
  expect(socket.closed).toBe(true);
}
