import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { selfSigned, startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { peerOf } from '../src/ip-address.ts';
import { beginUpload, callFrom, callIdOf } from './raw-caller.ts';
import { exchange } from './wire.ts';

const folder = mkdtempSync(join(tmpdir(), 'ideogate-slow-'));
const { cert, key } = selfSigned('127.0.0.1', ['20', '49']);
writeFileSync(join(folder, 'cert.pem'), cert);
writeFileSync(join(folder, 'key.pem'), key);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function counted(gateway: TestGateway, reason: string): Promise<number> {
  const line = new RegExp(`^ideogate_refusals_total\\{reason="${reason}"\\} (\\d+)$`, 'm');
  return Number(line.exec(await gateway.metrics())?.[1] ?? 0);
}

/** Opens a connection from one of this machine's own addresses (127.0.0.x). */
function open(port: number, from: string): Socket {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from });
  socket.on('error', () => undefined);
  return socket;
}

/** Resolves when the peer has closed, with what it said. */
function said(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => void (text += chunk.toString('latin1')));
  return new Promise((resolve) => socket.once('close', () => resolve(text)));
}

/** Writes the next of these every so many milliseconds until the connection closes. */
function drip(socket: Socket, bytes: () => string, everyMs: number): void {
  const timer = setInterval(() => socket.writable && socket.write(bytes(), 'latin1'), everyMs);
  socket.once('close', () => clearInterval(timer));
}

describe('slow senders (D.46)', () => {
  let gateway: TestGateway;
  let token: string;

  beforeAll(async () => {
    gateway = await startTestGateway({
      settings: {
        IDEOGATE_HEADERS_TIMEOUT_MS: '500',
        IDEOGATE_REQUEST_TIMEOUT_MS: '2500',
        IDEOGATE_BODY_IDLE_MS: '400',
        IDEOGATE_MIN_BODY_BYTES_PER_SECOND: '512',
      },
    });
    token = await gateway.token('full');
  });
  beforeEach(async () => {
    await gateway.fault({});
    await fetch(`${gateway.upstream}/-/received`, { method: 'DELETE' });
  });
  afterAll(() => gateway?.close());

  const json = (length: number) =>
    `POST /v1/ideogram-v3/generate HTTP/1.1\r\nHost: a\r\nApi-Key: ${token}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

  test('a hundred heads that come field by field end with 408 and a row each, and a call beside them succeeds', async () => {
    const before = (await gateway.calls()).length;
    const slow = Array.from({ length: 100 }, () => {
      const socket = open(gateway.port, '127.0.0.9');
      socket.write('GET /models HTTP/1.1\r\nHost: a\r\n');
      drip(socket, () => 'X-A: b\r\n', 100);
      return said(socket);
    });
    const beside = await fetch(`${gateway.url}/models`, { headers: { 'api-key': token } });
    expect(beside.status).toBe(200);
    for (const text of await Promise.all(slow)) expect(text).toMatch(/^HTTP\/1\.1 408 /);
    const rows = (await gateway.ended(before + 101)).slice(before);
    expect(rows.filter(({ reason }) => reason === 'request-timeout')).toHaveLength(100);
  });

  const bodies: readonly [what: string, bytes: () => string, next: string, reason: string][] = [
    ['a JSON body that stops', () => `${json(100)}{"prompt":`, '', 'body-idle'],
    ['a JSON body that comes byte by byte', () => `${json(100_000)}{"prompt":"`, 'a', 'body-slow'],
    [
      'a JSON body that comes quickly enough, and never ends,',
      () => `${json(100_000)}{"prompt":"`,
      'a'.repeat(100),
      'request-timeout',
    ],
    ['an upload that stops', () => beginUpload('/v1/ideogram-v3/remix', token, 9000), '', 'body-idle'],
    [
      'an upload that comes byte by byte',
      () => beginUpload('/v1/ideogram-v3/remix', token, 9000),
      'a',
      'body-slow',
    ],
  ];
  test.each(bodies)(
    '%s ends with 408 and its one row, and Ideogram got no complete request',
    async (_, bytes, next, reason) => {
      const before = (await gateway.calls()).length;
      const caller = await callFrom(gateway.port, bytes());
      if (next !== '') drip(caller.socket, () => next, 50);
      const answer = await caller.closed;
      expect(answer).toMatch(/^HTTP\/1\.1 408 /);
      const call = await gateway.call(callIdOf(answer));
      expect(call).toMatchObject({ problem: 'request-timeout', reason, result: 'failure' });
      // One more call, so that a row too many would be seen before it.
      await gateway.call(await fetch(`${gateway.url}/models`));
      expect((await gateway.calls()).slice(before, -1)).toHaveLength(1);
      expect((await gateway.received()).filter(({ complete }) => complete)).toEqual([]);
    },
  );

  test('a request that the gateway holds back behind another of its connection is not called slow', async () => {
    await gateway.fault({ latencyMs: 4500, match: { path: '/models' } });
    const body = JSON.stringify({ prompt: 'a lighthouse' });
    const ahead = `GET /models HTTP/1.1\r\nHost: a\r\nApi-Key: ${token}\r\n\r\n`;
    const { answers } = await exchange(gateway.port, ahead + json(body.length) + body, { answers: 2 });
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  });

  test('a request that was held back, and then does not come to its end, ends with 408', async () => {
    await gateway.fault({ latencyMs: 4000, match: { path: '/models' } });
    const ahead = `GET /models HTTP/1.1\r\nHost: a\r\nApi-Key: ${token}\r\n\r\n`;
    const caller = await callFrom(gateway.port, `${ahead}${json(100_000)}{"prompt":"`);
    drip(caller.socket, () => 'a'.repeat(100), 50);
    const answer = await caller.closed;
    expect(answer.match(/HTTP\/1\.1 \d\d\d/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 408']);
    const ended = callIdOf(answer.slice(answer.indexOf('HTTP/1.1 408')));
    expect(await gateway.call(ended)).toMatchObject({
      problem: 'request-timeout',
      reason: 'request-timeout',
    });
  });

  test('a caller whose upload the gateway holds back is not called slow', async () => {
    // Ideogram takes its time to answer what has been sent whole: longer than a body may be idle.
    await gateway.fault({ latencyMs: 1000 });
    const response = await fetch(`${gateway.url}/v1/ideogram-v3/generate`, {
      method: 'POST',
      headers: { 'api-key': token, 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'a lighthouse' }),
    });
    expect(response.status).toBe(200);
    // The decision waits for the database, and the body with it.
    gateway.relay.freeze();
    const caller = await callFrom(gateway.port, beginUpload('/v1/ideogram-v3/remix', token, 9_000_000));
    caller.socket.write(Buffer.alloc(1_000_000));
    const answer = await caller.closed.finally(() => gateway.relay.restore());
    expect(answer).toMatch(/^HTTP\/1\.1 503 /);
  });
});

describe.each([
  ['plain http', {}],
  ['TLS', { IDEOGATE_TLS_CERT: join(folder, 'cert.pem'), IDEOGATE_TLS_KEY: join(folder, 'key.pem') }],
])('connections over %s', (_, tls) => {
  const secure = 'IDEOGATE_TLS_CERT' in tls;
  let gateway: TestGateway;
  let sockets: Socket[] = [];

  beforeAll(async () => {
    gateway = await startTestGateway({
      settings: { ...tls, IDEOGATE_HEADERS_TIMEOUT_MS: '500', IDEOGATE_MAX_SOCKETS_PER_ADDRESS: '5' },
    });
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });
  afterAll(() => gateway?.close());

  async function enter(from: string): Promise<Socket> {
    const plain = open(gateway.port, from);
    const socket = secure ? connectTls({ socket: plain, rejectUnauthorized: false }) : plain;
    socket.on('error', () => undefined);
    sockets.push(socket);
    await once(socket, secure ? 'secureConnect' : 'connect');
    return socket;
  }

  test('one address holds so many and no more; others come in, and so does it when one has closed', async () => {
    const rows = (await gateway.calls()).length;
    const [first] = await Promise.all(Array.from({ length: 5 }, () => enter('127.0.0.7')));
    const surplus = open(gateway.port, '127.0.0.7');
    const heard = await said(surplus);
    if (secure) expect(heard).toBe('');
    else {
      expect(heard).toMatch(/^HTTP\/1\.1 429 /);
      expect(heard).toMatch(/\r\nretry-after: \d+\r\n/i);
      expect(heard).toContain('"code":"too-many-requests"');
    }
    await said(open(gateway.port, '127.0.0.7'));
    expect(await counted(gateway, 'address-sockets')).toBe(2);
    expect(await counted(gateway, 'tls-handshake')).toBe(0);

    await ask(await enter('127.0.0.8'));
    first?.destroy();
    await expect.poll(() => tryEntering(), { timeout: 3000 }).toMatch(/^HTTP\/1\.1 200 /);
    expect(await gateway.calls()).toHaveLength(rows);
  });

  test('what is silent from the start is let go: counted, and without a row', async () => {
    const rows = (await gateway.calls()).length;
    const before = await counted(gateway, 'idle-connection');
    const silent = await Promise.all(['127.0.1.1', '127.0.1.2', '127.0.1.3'].map(enter));
    await Promise.all(silent.map(said));
    expect(await counted(gateway, 'idle-connection')).toBe(before + 3);
    // One more call, so that a row too many would be seen before it.
    const socket = await enter('127.0.1.4');
    socket.write('GET /models HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await gateway.call(callIdOf(await said(socket)));
    expect(await gateway.calls()).toHaveLength(rows + 1);
  });

  const HEALTH = 'GET /-/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

  function ask(socket: Socket): Promise<string> {
    socket.write(HEALTH);
    return said(socket);
  }

  async function tryEntering(): Promise<string> {
    const plain = open(gateway.port, '127.0.0.7');
    const socket = secure ? connectTls({ socket: plain, rejectUnauthorized: false }) : plain;
    socket.on('error', () => undefined);
    return ask(socket);
  }
});

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::ffff:127.0.0.1', '127.0.0.1'],
  ['2001:db8:0:7::1', '2001:db8:0:7'],
  ['2001:db8:0:7:ffff:1:2:3', '2001:db8:0:7'],
  ['2001:0DB8::1', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['unknown', 'unknown'],
])('connections from %s count for %s: a network of one peer is one peer', (address, peer) => {
  expect(peerOf(address)).toBe(peer);
});

test('a handshake that never comes is ended, counted, and holds up nobody', async () => {
  const settings = {
    IDEOGATE_TLS_CERT: join(folder, 'cert.pem'),
    IDEOGATE_TLS_KEY: join(folder, 'key.pem'),
    IDEOGATE_HEADERS_TIMEOUT_MS: '500',
  };
  const gateway = await startTestGateway({ settings });
  try {
    expect(await said(open(gateway.port, '127.0.0.1'))).toBe('');
    expect(await counted(gateway, 'tls-handshake')).toBe(1);
    expect(await gateway.calls()).toHaveLength(0);
  } finally {
    await gateway.close();
  }
});

/** Files that a process may hold open; some are needed for other things than connections. */
function openFiles(): number {
  const line = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  return Number(line?.[1] ?? 1024);
}

const WANTED = 10_000;
const IDLE = Math.min(WANTED, openFiles() - 1000);

/** A process that opens so many connections, from twenty addresses, and says "open" when all of them are. */
const IDLERS = `
const { connect } = require('node:net');
const [port, count] = process.argv.slice(1).map(Number);
let begun = 0, open = 0, closed = 0;
const next = () => {
  if (begun === count) return;
  const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.2.' + (1 + (begun++ % 20)) });
  socket.on('error', () => {});
  socket.once('connect', () => { if (++open === count) console.log('open'); next(); });
  socket.once('close', () => console.log('closed', ++closed));
};
for (let i = 0; i < 200; i++) next();
`;

test(`${IDLE} idle connections (of ${WANTED} wanted) from twenty addresses hinder nobody`, async () => {
  const gateway = await startTestGateway({ settings: { IDEOGATE_HEADERS_TIMEOUT_MS: '60000' } });
  const memory = process.memoryUsage().rss;
  const idlers = spawn(process.execPath, ['-e', IDLERS, String(gateway.port), String(IDLE)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let told = '';
  idlers.stdout.on('data', (chunk: Buffer) => void (told += chunk.toString()));
  try {
    const headers = { 'api-key': await gateway.token('full'), 'content-type': 'application/json' };
    await expect.poll(() => told, { timeout: 25_000, interval: 50 }).toBe('open\n');
    for (let i = 0; i < 10; i++) {
      const began = performance.now();
      const response = await fetch(`${gateway.url}/v1/ideogram-v3/generate`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ prompt: 'a lighthouse', rendering_speed: 'TURBO' }),
      });
      await response.arrayBuffer();
      expect(response.status).toBe(200);
      expect(performance.now() - began).toBeLessThan(2000);
    }
    expect(told).toBe('open\n');
    expect((process.memoryUsage().rss - memory) / IDLE).toBeLessThan(64 * 1024);
  } finally {
    idlers.kill('SIGKILL');
    await once(idlers, 'close');
    await gateway.close();
  }
});
