import { connect } from 'node:net';
import { openReadPool } from '@ideogate/audit';
import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { expect, test, vi } from 'vitest';
import { callFrom } from './raw-caller.ts';

type Pool = ReturnType<typeof openReadPool>;

const SUMMARY_MS = 300;

async function withGateway(
  settings: Readonly<Record<string, string>>,
  work: (gateway: TestGateway, database: Pool) => Promise<void>,
): Promise<void> {
  const gateway = await startTestGateway({
    settings: { IDEOGATE_SUMMARY_MS: String(SUMMARY_MS), ...settings },
  });
  const database = openReadPool(gateway.databaseUrl);
  try {
    await work(gateway, database);
  } finally {
    await database.end();
    await gateway.close();
  }
}

/** How many calls have rows, and how many each reason's summaries tell of. */
async function inTheRecord(
  database: Pool,
): Promise<{ rows: number; notices: number; sums: Record<string, number> }> {
  const { rows } = await database.query<{ reason: string; count: number; notices: number }>(
    `SELECT reason, sum((detail ->> 'count')::int)::int AS count, count(*)::int AS notices
     FROM ideogate.audit_notice WHERE notice = 'refusals-summed' GROUP BY reason`,
  );
  const calls = await database.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM ideogate.audit_event WHERE kind = 'decision'`,
  );
  return {
    rows: calls.rows[0]?.count ?? 0,
    notices: rows.reduce((sum, { notices }) => sum + notices, 0),
    sums: Object.fromEntries(rows.map(({ reason, count }) => [reason, count])),
  };
}

test('of a flood the record holds few rows, and with them every call', async () => {
  const limit = 20;
  await withGateway({ IDEOGATE_RATE_PER_ADDRESS: String(limit) }, async (gateway, database) => {
    const began = performance.now();
    const calls = 600;
    for (let sent = 0; sent < calls; sent += 50)
      await Promise.all(
        Array.from({ length: 50 }, () => fetch(`${gateway.url}/v1/nothing-here`, { method: 'POST' })),
      );
    const intervals = Math.ceil((performance.now() - began) / SUMMARY_MS);
    await gateway.stop();
    const { rows, notices, sums } = await inTheRecord(database);
    expect(rows).toBe(limit);
    expect(sums).toEqual({ 'address-rate': calls - limit });
    expect(notices).toBeLessThanOrEqual(intervals + 2);
  });
});

const BUDGET = 1_000_000;

/** So many requests with a path of so many bytes that nobody is known to have asked for, from one address. */
async function askUnknown(port: number, from: string, requests: number, pathBytes: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from });
  const line = (last: boolean) =>
    `GET /${'a'.repeat(pathBytes - 1)} HTTP/1.1\r\nHost: a\r\n${last ? 'Connection: close\r\n' : ''}\r\n`;
  for (let sent = 1; sent <= requests; sent++) socket.write(line(sent === requests));
  socket.on('error', () => undefined).resume();
  await new Promise((resolve) => socket.once('close', resolve));
}

async function sizeOnDisk(database: Pool): Promise<number> {
  const { rows } = await database.query<{ bytes: string }>(
    `SELECT sum(pg_total_relation_size(inhrelid))::text AS bytes FROM pg_inherits
     WHERE inhparent = 'ideogate.audit_event'::regclass`,
  );
  return Number(rows[0]?.bytes);
}

test('what unauthenticated peers make the record and the log hold stays within its bytes, and every call is counted (E.48, H.64)', async () => {
  await withGateway({ IDEOGATE_ANONYMOUS_ROW_BYTES_PER_HOUR: String(BUDGET) }, async (gateway, database) => {
    const before = await sizeOnDisk(database);
    const addresses = Array.from({ length: 20 }, (_, at) => `127.0.2.${at + 1}`);
    await Promise.all(
      addresses.map((from, at) => askUnknown(gateway.port, from, 100, at % 2 === 0 ? 10 : 3000)),
    );
    // Who is known is on record all the same, and so is its line in the log.
    const known = await gateway.token('reader', 'read:models');
    const send = () =>
      fetch(`${gateway.url}/v1/ideogram-v3/generate`, { method: 'POST', headers: { 'api-key': known } });
    for (let sent = 0; sent < 3; sent++) expect((await gateway.call(await send())).status).toBe(403);
    await gateway.stop();
    const { rows, sums } = await inTheRecord(database);
    expect(sums).toEqual({ 'credential-missing': 20 * 100 + 3 - rows });
    expect(rows).toBeGreaterThan(100);
    const taken = (await sizeOnDisk(database)) - before;
    const logged = gateway.log.reduce((bytes, line) => bytes + line.length + 1, 0);
    expect(taken + logged).toBeLessThan(BUDGET);
  });
});

test('one noisy address leaves rows for others, and a long path is cut before it is kept (E.48, H.64)', async () => {
  await withGateway({ IDEOGATE_ANONYMOUS_ROW_BYTES_PER_HOUR: String(BUDGET) }, async (gateway, database) => {
    await askUnknown(gateway.port, '127.0.3.1', 300, 3000);
    await askUnknown(gateway.port, '127.0.3.2', 1, 3000);
    await gateway.stop();
    const { rows } = await database.query<{ address: string; count: number; longest: number }>(
      `SELECT address, count(*)::int AS count, max(octet_length(resource)) AS longest FROM ideogate.audit_event
       WHERE kind = 'decision' GROUP BY address ORDER BY address`,
    );
    expect(rows[0]?.count).toBeGreaterThan(20);
    expect(rows[0]?.count).toBeLessThan(70);
    expect(rows[1]).toEqual({ address: '127.0.3.2', count: 1, longest: rows[0]?.longest });
    expect(rows[1]?.longest).toBeLessThanOrEqual(256);
    expect(await inTheRecord(database)).toMatchObject({
      sums: { 'credential-missing': 300 - (rows[0]?.count ?? 0) },
    });
  });
});

test('a flood whose bodies are broken too has no row a call either', async () => {
  await withGateway({ IDEOGATE_RATE_PER_ADDRESS: '2' }, async (gateway, database) => {
    const broken =
      'POST /v1/nothing-here HTTP/1.1\r\nHost: gateway.test\r\nTransfer-Encoding: chunked\r\n\r\nnot a chunk\r\n';
    for (let sent = 0; sent < 12; sent++) await (await callFrom(gateway.port, broken)).closed;
    await gateway.stop();
    expect(await inTheRecord(database)).toMatchObject({ rows: 2, sums: { 'address-rate': 10 } });
  });
});

test('connections that never became calls are summed by why', async () => {
  const settings = {
    IDEOGATE_MAX_SOCKETS_PER_ADDRESS: '5',
    IDEOGATE_HEADERS_TIMEOUT_MS: '200',
    IDEOGATE_REQUEST_TIMEOUT_MS: '200',
  };
  await withGateway(settings, async (gateway, database) => {
    const idle = Array.from({ length: 12 }, () => connect(gateway.port, '127.0.0.1'));
    for (const socket of idle) socket.on('error', () => undefined).resume();
    await vi.waitUntil(() => idle.every((socket) => socket.closed), { timeout: 10_000, interval: 20 });
    await gateway.stop();
    expect(await inTheRecord(database)).toMatchObject({
      rows: 0,
      sums: { 'address-sockets': 7, 'idle-connection': 5 },
    });
  });
});

test('while the database is away, again and again, no call is lost from rows and sums together (E.50)', async () => {
  await withGateway(
    { IDEOGATE_MAX_WAITING: '8', IDEOGATE_COMMIT_TIMEOUT_MS: '300' },
    async (gateway, database) => {
      const writer = await gateway.token('writer');
      let calls = 0;
      const ask = async (token: string) => {
        calls++;
        const response = await fetch(`${gateway.url}/v1/ideogram-v3/generate`, {
          method: 'POST',
          headers: { 'api-key': token, 'content-type': 'application/json' },
          body: JSON.stringify({ prompt: 'a lighthouse', rendering_speed: 'TURBO' }),
        });
        await response.arrayBuffer();
        return response.status;
      };
      for (const takeAway of [
        () => gateway.relay.cut(),
        () => gateway.relay.freeze(),
        () => gateway.relay.cut(),
      ]) {
        await Promise.all(
          Array.from({ length: 6 }, (_, index) => ask(index % 2 === 0 ? writer : 'not-a-token')),
        );
        takeAway();
        for (let round = 0; round < 3; round++)
          await Promise.all(
            Array.from({ length: 30 }, (_, index) => ask(index % 2 === 0 ? writer : 'not-a-token')),
          );
        gateway.relay.restore();
        await vi.waitUntil(async () => (await ask(writer)) === 200, { timeout: 10_000, interval: 50 });
      }
      await gateway.stop();
      const { rows, sums } = await inTheRecord(database);
      const summed = Object.values(sums).reduce((sum, count) => sum + count, 0);
      expect(rows + summed).toBe(calls);
      expect(summed).toBeGreaterThan(50);
    },
  );
});
