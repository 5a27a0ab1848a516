import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { probeDatabase } from '../src/index.ts';
import { authority, type Certified, createDatabase, selfSigned, type TestDatabase } from '@ideogate/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';

let database: TestDatabase;
let folder: string;
const servers: Server[] = [];
const ours = authority();

beforeAll(async () => {
  database = await createDatabase();
  folder = mkdtempSync(join(tmpdir(), 'ideogate-probe-'));
  writeFileSync(join(folder, 'ca.pem'), ours.cert);
});
afterAll(async () => {
  for (const server of servers) server.close();
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** Postgres behind TLS: agrees to it (protocol message SSLRequest), shows this certificate, and passes on what is inside. */
async function behindTls({ key, cert }: Certified): Promise<URL> {
  const to = new URL(database.url);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write('S');
      const inside = new TLSSocket(socket, { isServer: true, key, cert });
      const postgres = connect(Number(to.port), to.hostname);
      for (const end of [inside, postgres]) end.on('error', () => socket.destroy());
      inside.pipe(postgres).pipe(inside);
    });
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const address = server.address();
  const url = new URL(database.url);
  url.hostname = '127.0.0.1';
  url.port = String(typeof address === 'object' ? address?.port : 0);
  return url;
}

test('a connection in the clear is told as one, with the clock of the server', async () => {
  const probe = await probeDatabase(database.url);
  expect(probe.tls).toBeNull();
  expect(probe.boundMs).toBeGreaterThan(0);
  expect(Math.abs(probe.aheadMs)).toBeLessThan(2_000);
});

test('a connection is authorised when the certificate was verified, and not when it was only taken', async () => {
  const url = await behindTls(ours.sign('127.0.0.1', ['20', '49']));
  url.search = `sslmode=verify-full&sslrootcert=${encodeURIComponent(join(folder, 'ca.pem'))}`;
  expect((await probeDatabase(url.href)).tls).toEqual({ authorized: true, protocol: 'TLSv1.3' });
  url.search = 'sslmode=no-verify';
  expect((await probeDatabase(url.href)).tls).toEqual({ authorized: false, protocol: 'TLSv1.3' });
});

test('a server that nobody vouches for is not talked to where verification is asked for', async () => {
  const url = await behindTls(selfSigned('127.0.0.1', ['20', '49']));
  url.search = 'sslmode=verify-full';
  await expect(probeDatabase(url.href)).rejects.toThrow(/self-signed/);
});
