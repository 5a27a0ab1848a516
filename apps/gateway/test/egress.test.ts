import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls, { createServer as createTlsServer } from 'node:tls';
import { requireSettings } from '@ideogate/config';
import { authority, FAKE_KEYS, selfSigned, startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError, readGatewayConfig } from '../src/config.ts';
import { PLACE } from './place.ts';
import { type RawUpstream, say, startRawUpstream } from './raw-upstream.ts';

const YEARS = ['20', '49'] as const;
const CREDENTIALS = 'Basic ZmFrZS11c2VyOmZha2UtcDpAc3MtTUFSS0VE'; // fake-user:fake-p:@ss-MARKED
const OK = say('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}');
const company = authority();
const folder = mkdtempSync(join(tmpdir(), 'ideogate-egress-'));
const caFile = join(folder, 'ca.pem');
writeFileSync(caFile, `# the company's\n${company.cert}`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a proxy does with the head of a request that came in. */
type Manner = (socket: Socket, head: string) => void;

/** A CONNECT proxy on a bare socket; what came before and inside the tunnel is kept. */
interface Proxy {
  readonly port: number;
  manner: Manner;
  /** Heads that asked for a tunnel. */
  readonly heads: string[];
  /** All bytes that callers sent, tunnelled ones included, as latin1 text. */
  seen: string;
  close(): void;
}

const tunnel: Manner = (near, head) => {
  const [, host = '', port = ''] = /^CONNECT ([^:\s]+):(\d+) /.exec(head) ?? [];
  const far = connect(Number(port), host);
  far.on('error', () => near.destroy());
  near.on('close', () => far.destroy());
  far.once('connect', () => {
    near.write('HTTP/1.1 200 Connection established\r\n\r\n');
    near.pipe(far).pipe(near);
  });
};

async function startProxy(certificate?: { key: string; cert: string }): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const serve = (socket: Socket) => {
    let head = '';
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
    const read = (chunk: Buffer) => {
      proxy.seen += chunk.toString('latin1');
      if (head.includes('\r\n\r\n')) return;
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      proxy.heads.push(head);
      proxy.manner(socket, head);
    };
    socket.on('data', read);
  };
  const server: Server =
    certificate === undefined ? createServer(serve) : createTlsServer(certificate, serve);
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  const proxy: Proxy = {
    port: address.port,
    manner: tunnel,
    heads: [],
    seen: '',
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  return proxy;
}

const ask = (gateway: TestGateway, token: string) =>
  fetch(`${gateway.url}/v1/ideogram-v3/generate`, {
    method: 'POST',
    headers: { 'api-key': token, 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'a lighthouse', rendering_speed: 'TURBO' }),
  });

describe.each([
  ['an http proxy', false],
  ['an https proxy', true],
])('through %s', (_, secure) => {
  let upstream: RawUpstream;
  let proxy: Proxy;
  let gateway: TestGateway;
  let token: string;

  beforeAll(async () => {
    upstream = await startRawUpstream(company.sign('127.0.0.1', YEARS));
    proxy = await startProxy(secure ? company.sign('127.0.0.1', YEARS) : undefined);
    gateway = await startTestGateway({
      upstream: `https://127.0.0.1:${upstream.port}`,
      settings: {
        IDEOGATE_EGRESS_PROXY: `http${secure ? 's' : ''}://fake-user:fake-p%3A%40ss-MARKED@127.0.0.1:${proxy.port}`,
        IDEOGATE_EXTRA_CA: caFile,
        IDEOGATE_UPSTREAM_CONNECT_MS: '500',
      },
    });
    token = await gateway.token('full');
  });
  beforeEach(() => {
    upstream.certify(company.sign('127.0.0.1', YEARS));
    upstream.behave((socket, all) => {
      OK(socket, all);
      if (all.includes('\r\n\r\n')) socket.end();
    });
    proxy.manner = tunnel;
    proxy.heads.length = 0;
    proxy.seen = '';
  });
  afterAll(async () => {
    proxy?.close();
    await upstream?.refuse();
    await gateway?.close();
  });

  test('a call reaches Ideogram with the key, and the proxy sees host and port only', async () => {
    const response = await ask(gateway, token);
    expect(response.status).toBe(200);
    expect(upstream.read()).toContain(FAKE_KEYS.write);
    expect(upstream.read()).not.toMatch(/proxy-authorization/i);
    expect(proxy.heads).toHaveLength(1);
    const [line, ...fields] = (proxy.heads[0] ?? '').trim().split('\r\n');
    expect(line).toBe(`CONNECT 127.0.0.1:${upstream.port} HTTP/1.1`);
    const names = new Set(fields.map((field) => field.toLowerCase().split(':')[0]));
    expect(names).toEqual(new Set(['connection', 'host', 'proxy-authorization']));
    expect(proxy.heads[0]).toContain(`proxy-authorization: ${CREDENTIALS}`);
    for (const secret of [FAKE_KEYS.write, 'lighthouse', token, '/v1/'])
      expect(proxy.seen).not.toContain(secret);
  });

  test.each([
    ['a self-signed certificate', selfSigned('127.0.0.1', YEARS), 'depth-zero-self-signed-cert'],
    ['an expired certificate', company.sign('127.0.0.1', ['20', '21']), 'cert-has-expired'],
    ['a certificate for another name', company.sign('other.test', YEARS), 'err-tls-cert-altname-invalid'],
    ['a certificate of an unknown authority', authority().sign('127.0.0.1', YEARS), 'cert-signature-failure'],
  ])('an upstream with %s never sees the key: 502', async (__, certificate, reason) => {
    upstream.certify(certificate);
    // Not even this makes an unverified upstream good enough.
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    const response = await ask(gateway, token).finally(() => {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    });
    expect(response.status).toBe(502);
    expect(await gateway.call(response)).toMatchObject({ problem: 'upstream-unreachable', reason });
    expect(upstream.bytes()).toBe(0);
    expect(proxy.heads).toHaveLength(1);
  });

  const refusing: readonly [what: string, manner: Manner, status: number, reason: string][] = [
    ['wants other credentials', sayOnce('407 Proxy Authentication Required'), 502, 'proxy-status-407'],
    ['refuses', sayOnce('403 Forbidden'), 502, 'proxy-status-403'],
    ['cannot reach Ideogram', sayOnce('502 Bad Gateway'), 502, 'proxy-status-502'],
    ['redirects', sayOnce('302 Found', 'Location: http://127.0.0.1:1/\r\n'), 502, 'proxy-status-302'],
    ['hangs up', (socket) => socket.end(), 502, 'proxy-econnreset'],
    ['breaks off', (socket) => socket.destroy(), 502, 'proxy-econnreset'],
    ['speaks something else', (socket) => socket.end('SSH-2.0-fake\r\n'), 502, 'proxy-hpe-invalid-constant'],
    [
      'speaks in the place of Ideogram',
      sayOnce('200 OK', '', 'HTTP/1.1 200 OK\r\n\r\n'),
      502,
      'proxy-invalid',
    ],
    ['says nothing', () => undefined, 504, 'proxy-connect'],
    ['opens a tunnel to nowhere', sayOnce('200 OK'), 504, 'connect'],
  ];
  test.each(refusing)(
    'a proxy that %s: the key went nowhere, and it is on record',
    async (__, manner, status, reason) => {
      proxy.manner = manner;
      const response = await ask(gateway, token);
      expect(response.status).toBe(status);
      const text = await response.text();
      expect(text).not.toContain(String(proxy.port));
      expect(await gateway.call(response)).toMatchObject({ outcome: 'failed', reason, costUsdMicros: 0 });
      expect(proxy.heads).toHaveLength(1);
      expect(proxy.seen).not.toContain(FAKE_KEYS.write);
      expect(upstream.bytes()).toBe(0);
    },
  );

  test('the credentials for the proxy are in no log, metric or record', async () => {
    proxy.manner = sayOnce('407 Proxy Authentication Required');
    await gateway.call(await ask(gateway, token));
    const told = [...gateway.log, await gateway.metrics(), JSON.stringify(await gateway.calls())].join('\n');
    for (const secret of ['ss-MARKED', CREDENTIALS.slice(6)]) expect(told).not.toContain(secret);
  });
});

function sayOnce(status: string, fields = '', body = ''): Manner {
  return (socket) => socket.write(`HTTP/1.1 ${status}\r\n${fields}\r\n${body}`);
}

test('a proxy that is down is 502; one that is not who it should be learns no credentials', async () => {
  const upstream = await startRawUpstream(company.sign('127.0.0.1', YEARS));
  const proxy = await startProxy(selfSigned('127.0.0.1', YEARS));
  const settings = {
    IDEOGATE_EGRESS_PROXY: `https://fake-user:fake@127.0.0.1:${proxy.port}`,
    IDEOGATE_EXTRA_CA: caFile,
  };
  const gateway = await startTestGateway({ upstream: `https://127.0.0.1:${upstream.port}`, settings });
  try {
    const token = await gateway.token('full');
    const mistrusted = await ask(gateway, token);
    expect(mistrusted.status).toBe(502);
    expect(await gateway.call(mistrusted)).toMatchObject({ reason: 'proxy-depth-zero-self-signed-cert' });
    expect(proxy.seen).toBe('');
    proxy.close();
    const down = await ask(gateway, token);
    expect(down.status).toBe(502);
    expect(await gateway.call(down)).toMatchObject({ reason: 'proxy-econnrefused' });
  } finally {
    proxy.close();
    await upstream.refuse();
    await gateway.close();
  }
});

test('an upstream on plain http is asked without the proxy, which would see the key', async () => {
  const proxy = await startProxy();
  const gateway = await startTestGateway({
    settings: { IDEOGATE_EGRESS_PROXY: `http://127.0.0.1:${proxy.port}` },
  });
  try {
    expect((await ask(gateway, await gateway.token('full'))).status).toBe(200);
    expect(proxy.seen).toBe('');
  } finally {
    proxy.close();
    await gateway.close();
  }
});

describe('without a proxy', () => {
  let upstream: RawUpstream;
  let gateway: TestGateway;
  let token: string;

  beforeAll(async () => {
    upstream = await startRawUpstream(company.sign('127.0.0.1', YEARS));
    upstream.behave(OK);
    gateway = await startTestGateway({
      upstream: `https://127.0.0.1:${upstream.port}`,
      settings: { IDEOGATE_EXTRA_CA: caFile, IDEOGATE_UPSTREAM_CONNECT_MS: '300' },
    });
    token = await gateway.token('full');
  });
  afterAll(async () => {
    await upstream?.refuse();
    await gateway?.close();
  });

  test('an upstream with a certificate of the extra authority is asked; the system does not trust it for others', async () => {
    expect((await ask(gateway, token)).status).toBe(200);
    expect(upstream.read()).toContain(FAKE_KEYS.write);
    await expect(fetch(`https://127.0.0.1:${upstream.port}/`)).rejects.toThrow('fetch failed');
  });
});

describe('an upstream that speaks no TLS of today never sees the key', () => {
  const servers: Server[] = [];
  afterAll(() => servers.map((server) => server.close()));

  test.each([
    ['TLS 1.1 at most is 502', ['TLSv1', 'TLSv1.1'], 502, 'unreachable'],
    ['nothing after it accepted is 504', null, 504, 'connect'],
  ] as const)('%s', async (_, versions, status, reason) => {
    let read = '';
    const serve = (socket: Socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('data', (chunk) => void (read += chunk.toString('latin1')));
    };
    const server =
      versions === null
        ? createServer(serve)
        : createTlsServer(
            {
              ...company.sign('127.0.0.1', YEARS),
              minVersion: versions[0],
              maxVersion: versions[1],
              ciphers: 'DEFAULT@SECLEVEL=0',
            },
            serve,
          );
    server.on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    servers.push(server);
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
    // A machine set up for old peers must not take the gateway along.
    const { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS } = tls;
    Object.assign(tls, { DEFAULT_MIN_VERSION: 'TLSv1', DEFAULT_CIPHERS: 'DEFAULT@SECLEVEL=0' });
    const gateway = await startTestGateway({
      upstream: `https://127.0.0.1:${address.port}`,
      settings: { IDEOGATE_EXTRA_CA: caFile, IDEOGATE_UPSTREAM_CONNECT_MS: '300' },
    });
    try {
      const response = await ask(gateway, await gateway.token('full'));
      expect(response.status).toBe(status);
      const { reason: told } = await gateway.call(response);
      if (reason === 'connect') expect(told).toBe('connect');
      else expect(told).toMatch(/^err-ssl-/);
      expect(read).not.toContain('fake-');
    } finally {
      Object.assign(tls, { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS });
      await gateway.close();
    }
  });
});

describe('a way out that cannot be is told at the start, and no password with it', () => {
  const notPem = join(folder, 'not.pem');
  const broken = join(folder, 'broken.pem');
  writeFileSync(notPem, 'fake');
  writeFileSync(broken, `${company.cert}-----BEGIN CERTIFICATE-----\nZmFrZQ==\n-----END CERTIFICATE-----\n`);

  test.each([
    ['IDEOGATE_EGRESS_PROXY', 'proxy.example:3128'],
    ['IDEOGATE_EGRESS_PROXY', 'socks5://fake:MARKED@proxy.example'],
    ['IDEOGATE_EGRESS_PROXY', 'http://fake:MARKED@proxy.example/path'],
    ['IDEOGATE_EGRESS_PROXY', 'http://fake:MARKED@proxy.example/?a'],
    ['IDEOGATE_EGRESS_PROXY', 'http://fake:MARKED%ff@proxy.example'],
    ['IDEOGATE_EXTRA_CA', join(folder, 'missing.pem')],
    ['IDEOGATE_EXTRA_CA', folder],
    ['IDEOGATE_EXTRA_CA', notPem],
    ['IDEOGATE_EXTRA_CA', broken],
  ])('%s=%s', (variable, value) => {
    expect.assertions(3);
    try {
      readGatewayConfig(PLACE, requireSettings({ [variable]: value }));
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      expect(String(error)).toContain(variable);
      expect(String(error)).not.toContain('MARKED');
    }
  });

  test('a configuration that is printed shows no credentials', () => {
    const config = readGatewayConfig(
      PLACE,
      requireSettings({ IDEOGATE_EGRESS_PROXY: 'http://fake:MARKED@proxy.example:3128' }),
    );
    expect(JSON.stringify(config)).toContain('proxy.example:3128');
    expect(JSON.stringify(config)).not.toContain('MARKED');
    expect(config.upstream.proxy?.credentials()).toBe(`Basic ${btoa('fake:MARKED')}`);
  });
});
