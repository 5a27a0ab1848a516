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

test('of strangers, from however many addresses, few have rows, and the others are summed by why', async () => {
  await withGateway({ IDEOGATE_STRANGER_ROWS: '5' }, async (gateway, database) => {
    const send = (token: string) =>
      fetch(`${gateway.url}/v1/ideogram-v3/generate`, { method: 'POST', headers: { 'api-key': token } });
    for (let sent = 0; sent < 12; sent++) expect((await send('not-a-token')).status).toBe(401);
    // Who is known is no stranger: its refusals have their rows all the same.
    const known = await gateway.token('reader', 'read:models');
    for (let sent = 0; sent < 3; sent++) expect((await send(known)).status).toBe(403);
    await gateway.stop();
    const { rows, sums } = await inTheRecord(database);
    expect(rows).toBe(5 + 3);
    expect(Object.values(sums)).toEqual([7]);
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
