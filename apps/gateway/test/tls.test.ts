import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpsRequest } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type PeerCertificate } from 'node:tls';
import { selfSigned, startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exchange } from './wire.ts';

let gateway: TestGateway;
let token = '';
const folder = mkdtempSync(join(tmpdir(), 'ideogate-tls-'));
const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };

function write({ cert, key }: ReturnType<typeof selfSigned>): void {
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key);
}

beforeAll(async () => {
  write(selfSigned('127.0.0.1', ['20', '49']));
  gateway = await startTestGateway({
    settings: {
      IDEOGATE_TLS_CERT: files.cert,
      IDEOGATE_TLS_KEY: files.key,
      IDEOGATE_HEADERS_TIMEOUT_MS: '1000',
    },
  });
  token = await gateway.token('reader');
});
afterAll(async () => {
  await gateway?.close();
  rmSync(folder, { recursive: true, force: true });
});

const get = (path: string, ...fields: string[]) =>
  `${[`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${gateway.port}`, ...fields].join('\r\n')}\r\n\r\n`;

/** Which certificate a new connection is shown. */
function shown(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: gateway.port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      const certificate: PeerCertificate = socket.getPeerCertificate();
      socket.destroy();
      resolve(certificate.fingerprint256);
    });
    socket.once('error', reject);
  });
}

const counted = async (reason: string) =>
  Number(
    new RegExp(`^ideogate_refusals_total\\{reason="${reason}"\\} (\\d+)$`, 'm').exec(
      await gateway.metrics(),
    )?.[1] ?? 0,
  );

test('a call over TLS is answered and has its one row', async () => {
  const before = (await gateway.calls()).length;
  const { answers } = await exchange(gateway.port, get('/models', `Api-Key: ${token}`), { tls: true });
  expect(answers.map(({ status }) => status)).toEqual([200]);
  const [call] = (await gateway.ended(before + 1)).slice(before);
  expect(call).toMatchObject({ result: 'success', subject: 'reader', operation: 'models.list' });
});

test('what no parser reads, half a header and a connection without a word are told apart over TLS too', async () => {
  const before = (await gateway.calls()).length;
  const garbage = await exchange(gateway.port, 'NONSENSE\r\n\r\n', { tls: true });
  expect(garbage).toMatchObject({ closed: true, answers: [{ status: 400 }] });
  await exchange(gateway.port, 'GET /models HTTP/1.1\r\n', { tls: true, end: true });
  await exchange(gateway.port, '', { tls: true, end: true, answers: 0 });
  await shown();
  const marker = await exchange(gateway.port, get('/models'), { tls: true });
  expect(marker.answers.map(({ status }) => status)).toEqual([401]);
  const rows = (await gateway.ended(before + 3)).slice(before);
  expect(rows.map(({ reason }) => reason)).toEqual(['unparsable', 'half-request', 'credential-missing']);
});

test('plain http to the TLS port gets nothing, is counted, and has no row, for no call began', async () => {
  const before = (await gateway.calls()).length;
  const seen = await counted('tls-handshake');
  const plain = await exchange(gateway.port, get('/models', `Api-Key: ${token}`));
  expect(plain.answers).toHaveLength(0);
  await new Promise<void>((resolve) => {
    const socket = connectPlain(gateway.port, '127.0.0.1', () => socket.end());
    socket.once('close', () => resolve());
  });
  await expect.poll(() => counted('tls-handshake'), { timeout: 5000 }).toBe(seen + 2);
  expect(await gateway.calls()).toHaveLength(before);
});

test('a TLS version that is past its time is refused', async () => {
  const error = await new Promise<Error | null>((resolve) => {
    const socket = connect(
      {
        port: gateway.port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'ALL@SECLEVEL=0',
      },
      () => {
        socket.destroy();
        resolve(null);
      },
    );
    socket.once('error', resolve);
  });
  expect(error?.message).toMatch(/version/i);
});

test('a new certificate is shown once its files have changed; a pair that does not fit changes nothing', async () => {
  const first = await shown();
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  const status = () =>
    new Promise<number | undefined>((resolve, reject) => {
      const request = httpsRequest(
        { agent, port: gateway.port, host: '127.0.0.1', path: '/-/health' },
        (response) => response.resume().once('end', () => resolve(response.statusCode)),
      );
      request.once('error', reject).end();
    });
  expect(await status()).toBe(200);

  writeFileSync(files.cert, selfSigned('127.0.0.1', ['20', '48']).cert);
  await expect
    .poll(() => gateway.log.filter((line) => line.includes('do not belong together')).length, {
      timeout: 8000,
    })
    .toBeGreaterThan(0);
  expect(await shown()).toBe(first);

  write(selfSigned('127.0.0.1', ['21', '49']));
  await expect.poll(shown, { timeout: 8000, interval: 200 }).not.toBe(first);
  expect(gateway.log.join('\n')).toContain('certificate reloaded');
  expect(gateway.log.join('\n')).not.toContain('PRIVATE KEY');
  // Connections there were go on.
  expect(await status()).toBe(200);
  agent.destroy();
});

test('a gateway whose certificate cannot be used does not start, and says which files', async () => {
  const nothing = join(folder, 'nothing.pem');
  await expect(
    startTestGateway({ settings: { IDEOGATE_TLS_CERT: nothing, IDEOGATE_TLS_KEY: files.key } }),
  ).rejects.toThrow(/nothing\.pem .*cannot be used/);
});
