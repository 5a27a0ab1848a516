import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { openReadPool } from '@ideogate/audit';
import { selfSigned, startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connectionOf, openConnection } from '../src/edge/connection.ts';
import { letConnectionsIn } from '../src/edge/let-connections-in.ts';
import { readTrustedProxies } from '../src/trusted-proxies.ts';
import { proxyV2 } from './proxy-header.ts';
import { callIdOf } from './raw-caller.ts';
import { exchange, request } from './wire.ts';

const [STRAIGHT, XFF, FORWARDED, PROXY] = ['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4'];
const TRUSTED = {
  IDEOGATE_TRUSTED_PROXIES: `${XFF}/32=x-forwarded-for,${FORWARDED}/32=forwarded,${PROXY}/32=proxy-protocol`,
};
const folder = mkdtempSync(join(tmpdir(), 'ideogate-proxies-'));
const sockets: Socket[] = [];

beforeAll(() => {
  const { cert, key } = selfSigned('127.0.0.1', ['20', '49']);
  writeFileSync(join(folder, 'cert.pem'), cert);
  writeFileSync(join(folder, 'key.pem'), key);
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const counted = async (gateway: TestGateway, reason: string) =>
  Number(
    new RegExp(`^ideogate_refusals_total\\{reason="${reason}"\\} (\\d+)$`, 'm').exec(
      await gateway.metrics(),
    )?.[1] ?? 0,
  );

function open(gateway: TestGateway, from: string): Socket {
  const socket = connect({ port: gateway.port, host: '127.0.0.1', localAddress: from });
  socket.on('error', () => undefined);
  sockets.push(socket);
  return socket;
}

/** All that comes until the other side closes. */
async function said(socket: Socket): Promise<string> {
  let heard = '';
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString('latin1');
  });
  // Not by `once`, which takes a reset for a failure of the test.
  await new Promise((resolve) => socket.once('close', resolve));
  return heard;
}

const v1 = (address: string) => `PROXY TCP4 ${address} 10.0.0.1 4711 443\r\n`;
const v2 = (address: string) =>
  proxyV2(0x21, 0x11, [...address.split('.').map(Number), 10, 0, 0, 1, 0, 80, 1, 187]);
const LOCAL = proxyV2(0x20, 0x00, []);
const CLOSE = 'Connection: close';
const get = (path: string, ...fields: string[]) => request(`GET ${path} HTTP/1.1`, ['Host: a', ...fields]);

describe.each([
  ['plain http', {}],
  ['TLS', { IDEOGATE_TLS_CERT: join(folder, 'cert.pem'), IDEOGATE_TLS_KEY: join(folder, 'key.pem') }],
])('behind listed proxies, over %s', (_, tls) => {
  const secure = 'IDEOGATE_TLS_CERT' in tls;
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await startTestGateway({
      settings: {
        ...tls,
        ...TRUSTED,
        IDEOGATE_HEADERS_TIMEOUT_MS: '400',
        IDEOGATE_MAX_SOCKETS_PER_ADDRESS: '3',
      },
    });
  });
  afterAll(() => gateway?.close());

  test.each<[string, string, string[], string | Buffer | undefined, string, string | null]>([
    ['X-Forwarded-For', XFF, ['X-Forwarded-For: 1.1.1.1, 203.0.113.9'], undefined, '203.0.113.9', XFF],
    [
      'X-Forwarded-For and a Forwarded passed on',
      XFF,
      ['Forwarded: for=1.1.1.1', 'X-Forwarded-For: 2001:DB8::9'],
      undefined,
      '2001:db8::9',
      XFF,
    ],
    ['a Forwarded alone that was passed on', XFF, ['Forwarded: for=1.1.1.1'], undefined, XFF, null],
    [
      'Forwarded',
      FORWARDED,
      ['Forwarded: for="[::ffff:203.0.113.9]:80"'],
      undefined,
      '203.0.113.9',
      FORWARDED,
    ],
    ['a hop that names nobody', FORWARDED, ['Forwarded: for=_hidden'], undefined, FORWARDED, FORWARDED],
    [
      'the PROXY protocol, version 1',
      PROXY,
      ['X-Forwarded-For: 1.1.1.1'],
      v1('203.0.113.9'),
      '203.0.113.9',
      PROXY,
    ],
    [
      'the PROXY protocol, version 2',
      PROXY,
      ['Forwarded: for=1.1.1.1'],
      v2('203.0.113.9'),
      '203.0.113.9',
      PROXY,
    ],
    [
      'a proxy of one form behind one of the other',
      PROXY,
      ['X-Forwarded-For: 203.0.113.9'],
      v1(XFF),
      '203.0.113.9',
      PROXY,
    ],
    ['the PROXY protocol for the proxy itself', PROXY, ['X-Forwarded-For: 1.1.1.1'], LOCAL, PROXY, null],
    [
      'all of it from who is no listed proxy',
      STRAIGHT,
      ['X-Forwarded-For: 1.1.1.1', 'Forwarded: for=1.1.1.1'],
      undefined,
      STRAIGHT,
      null,
    ],
  ])(
    '%s: who called is on record, and the proxy beside it (D.47)',
    async (_what, from, fields, before, address, proxy) => {
      const { answers } = await exchange(gateway.port, get('/models', ...fields), {
        from,
        tls: secure,
        ...(before === undefined ? {} : { before }),
      });
      expect(answers[0]?.status).toBe(401);
      const call = await gateway.call(answers[0]?.headers.get('ideogate-call-id') ?? '');
      expect(call).toMatchObject({ address, proxy });
    },
  );

  test.each([
    ['nothing but a request', secure ? '' : get('/models'), 'proxy-header-missing'],
    ['half a header and no more', 'PROXY TCP4 1.1.1.1', 'proxy-header-late'],
    ['a header that is none', 'PROXY TCP4 1.1.1.1 x 1 1\r\n', 'proxy-header-invalid'],
  ])(
    'a connection with %s where a header must be is closed, counted, and has no row (D.47)',
    async (_what, bytes, reason) => {
      const rows = (await gateway.calls()).length;
      const before = await counted(gateway, reason);
      const socket = open(gateway, PROXY);
      if (bytes === '') connectTls({ socket, rejectUnauthorized: false }).on('error', () => undefined);
      else socket.write(bytes);
      expect(await said(socket)).toBe('');
      expect(await counted(gateway, reason)).toBe(before + 1);
      expect(await gateway.calls()).toHaveLength(rows);
    },
  );

  test('a header from who is no listed proxy is no header (D.47)', async () => {
    const { answers } = await exchange(gateway.port, get('/models', CLOSE), {
      before: v1('203.0.113.9'),
      tls: secure,
    });
    expect(answers.map(({ status }) => status)).toEqual(secure ? [] : [400]);
    expect(JSON.stringify(await gateway.calls())).not.toContain('PROXY TCP4');
  });

  test('a probe that connects and goes is neither counted nor on record', async () => {
    const before = await counted(gateway, 'proxy-header-invalid');
    const rows = (await gateway.calls()).length;
    open(gateway, PROXY).end();
    const { answers } = await exchange(gateway.port, get('/models', CLOSE), {
      from: PROXY,
      before: LOCAL,
      tls: secure,
    });
    await gateway.call(answers[0]?.headers.get('ideogate-call-id') ?? '');
    expect(await counted(gateway, 'proxy-header-invalid')).toBe(before);
    expect(await gateway.calls()).toHaveLength(rows + 1);
  });

  test('a proxy holds as many connections as it likes; behind the PROXY protocol each caller holds so many', async () => {
    const enter = async (from: string, header?: string) => {
      const plain = open(gateway, from);
      if (header !== undefined) plain.write(header);
      const socket = secure ? connectTls({ socket: plain, rejectUnauthorized: false }) : plain;
      socket.on('error', () => undefined);
      await once(socket, secure ? 'secureConnect' : 'connect');
      return socket;
    };
    const ask = async (socket: Socket) => {
      socket.write(get('/-/health', CLOSE));
      return (await said(socket)).slice(0, 12);
    };
    const through = await Promise.all(Array.from({ length: 6 }, () => enter(XFF)));
    const first = await Promise.all(Array.from({ length: 3 }, () => enter(PROXY, v1('203.0.113.7'))));
    const other = await enter(PROXY, v1('203.0.113.8'));
    const before = await counted(gateway, 'address-sockets');
    const surplus = open(gateway, PROXY);
    surplus.write(v1('203.0.113.7'));
    expect((await said(surplus)).slice(0, 12)).toBe(secure ? '' : 'HTTP/1.1 429');
    expect(await counted(gateway, 'address-sockets')).toBe(before + 1);
    const answers = await Promise.all([...through, ...first, other].map(ask));
    expect(new Set(answers)).toEqual(new Set(['HTTP/1.1 200']));
  });
});

describe('what no hook sees, behind listed proxies', () => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await startTestGateway({
      settings: { ...TRUSTED, IDEOGATE_RATE_PER_ADDRESS: '5', IDEOGATE_IDLE_TIMEOUT_MS: '300' },
    });
  });
  afterAll(() => gateway?.close());

  test.each<[string, string, string | undefined, string, string, string]>([
    ['bytes that are no request', PROXY, v1('203.0.113.20'), 'NONSENSE\r\n\r\n', '203.0.113.20', PROXY],
    [
      'a tunnel',
      PROXY,
      v1('203.0.113.21'),
      'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
      '203.0.113.21',
      PROXY,
    ],
    [
      'a tunnel',
      XFF,
      undefined,
      'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nX-Forwarded-For: 203.0.113.22\r\n\r\n',
      '203.0.113.22',
      XFF,
    ],
    ['bytes that are no request, of nobody who is named', XFF, undefined, 'NONSENSE\r\n\r\n', XFF, XFF],
  ])(
    '%s from %s has its row with who it was (D.47, E.48)',
    async (_, from, before, bytes, address, proxy) => {
      const socket = open(gateway, from);
      socket.write(`${before ?? ''}${bytes}`);
      const call = await gateway.call(callIdOf(await said(socket)));
      expect(call).toMatchObject({ address, proxy });
    },
  );

  test('half a request has its row; a header of the PROXY protocol and nothing else has none', async () => {
    const rows = (await gateway.calls()).length;
    open(gateway, PROXY).end(v1('203.0.113.23'));
    open(gateway, PROXY).end(`${v1('203.0.113.24')}GET /models HT`);
    await expect.poll(async () => (await gateway.calls()).length, { timeout: 3000 }).toBe(rows + 1);
    expect((await gateway.calls()).at(-1)).toMatchObject({ address: '203.0.113.24', proxy: PROXY });
  });

  test('several requests in pieces of one byte, header and all, are each their caller’s', async () => {
    const socket = open(gateway, PROXY);
    const heard = said(socket);
    const bytes = Buffer.concat([v2('203.0.113.25'), Buffer.from(get('/models') + get('/models', CLOSE))]);
    socket.setNoDelay(true);
    for (const byte of bytes) {
      socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const ids = [...(await heard).matchAll(/^ideogate-call-id: (\S+)\r$/gim)].map(([, id = '']) => id);
    expect(ids).toHaveLength(2);
    for (const id of ids) expect(await gateway.call(id)).toMatchObject({ address: '203.0.113.25' });
  });

  test('the limit counts for who called, not for the proxy, however the proxy says so (D.46, D.47)', async () => {
    const statusesOf = async (from: string, caller: string) => {
      const statuses: (number | undefined)[] = [];
      for (let i = 0; i < 7; i++) {
        const fields = [`X-Forwarded-For: ${caller}`, `Forwarded: for=${caller}`];
        const options = from === PROXY ? { from, before: v1(caller) } : { from };
        const { answers } = await exchange(gateway.port, get('/models', ...fields), options);
        statuses.push(answers[0]?.status);
      }
      return statuses;
    };
    for (const [at, from] of [XFF, FORWARDED, PROXY].entries())
      for (const caller of [`198.51.100.${at}`, `198.51.100.${at + 100}`])
        expect(await statusesOf(from, caller)).toEqual([401, 401, 401, 401, 401, 429, 429]);
    // The same caller through another proxy is the same caller.
    expect(await statusesOf(FORWARDED, '198.51.100.0')).toEqual(Array.from({ length: 7 }, () => 429));
  });

  test('the plain shape for the security team has the proxy too, and only where there is one', async () => {
    const database = openReadPool(gateway.databaseUrl);
    try {
      const { rows } = await database.query<{ address: string; proxy: string | null }>(
        `SELECT metadata ->> 'address' AS address, metadata ->> 'proxy' AS proxy FROM ideogate.audit_entry
         WHERE metadata ->> 'address' = '203.0.113.20'`,
      );
      expect(rows).toEqual([{ address: '203.0.113.20', proxy: PROXY }]);
    } finally {
      await database.end();
    }
  });
});

test('a connection whose peer is gone before it was accepted is not read', () => {
  const server = createServer();
  const handed: Socket[] = [];
  server.removeAllListeners('connection').on('connection', (socket: Socket) => handed.push(socket));
  letConnectionsIn(server, {
    proxies: readTrustedProxies('127.0.0.9/32=proxy-protocol', []),
    maxPerAddress: 10,
    proxyHeaderMs: 1000,
    onOpen: (socket) => handed.push(socket),
    onSurplus: (socket) => handed.push(socket),
    onProxyFault: (socket) => handed.push(socket),
  });
  const gone = new Socket();
  server.emit('connection', gone);
  expect([gone.destroyed, handed]).toEqual([true, []]);
});

test('what a dual-stack socket maps into IPv6 is IPv4, and is found in the list', async () => {
  const faults: string[] = [];
  const proxies = readTrustedProxies('127.0.0.9/32=proxy-protocol', faults);
  const server: Server = createServer((incoming, response) => {
    response.end(JSON.stringify(connectionOf(incoming.socket)?.origin));
  });
  letConnectionsIn(server, {
    proxies,
    maxPerAddress: 10,
    proxyHeaderMs: 1000,
    onOpen: openConnection,
    onSurplus: (socket) => socket.destroy(),
    onProxyFault: (socket) => socket.destroy(),
  });
  server.listen(0, '::');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo; // as: it listens on TCP
    const straight = await exchange(port, get('/'), { from: '127.0.0.8' });
    expect(JSON.parse(straight.answers[0]?.body ?? '')).toEqual({ address: '127.0.0.8', proxy: null });
    const behind = await exchange(port, get('/'), { from: '127.0.0.9', before: v1('203.0.113.9') });
    expect(JSON.parse(behind.answers[0]?.body ?? '')).toEqual({ address: '203.0.113.9', proxy: '127.0.0.9' });
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
