import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exchange, request } from './wire.ts';

/** Trusted beside no other, so that a test can say anything in a token. */
const ISSUER = 'https://exchange.test';
const folder = mkdtempSync(join(tmpdir(), 'ideogate-who-'));
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

let gateway: TestGateway;

beforeAll(async () => {
  const file = join(folder, 'keys.json');
  const key = { ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' };
  writeFileSync(file, JSON.stringify({ keys: [key] }));
  gateway = await startTestGateway({
    verifier: { issuers: [{ issuer: ISSUER, algorithms: ['ES256'], keys: { file } }] },
    settings: { IDEOGATE_RATE_PER_ADDRESS: '40' },
  });
});
afterAll(async () => {
  await gateway?.close();
  rmSync(folder, { recursive: true, force: true });
});

function mint(claims: object): string {
  const now = Math.floor(Date.now() / 1000);
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const body = {
    iss: ISSUER,
    aud: gateway.url,
    sub: 'reader',
    client_id: 'reader-client',
    jti: 'fake-token-id',
    scope: 'read:models',
    iat: now,
    exp: now + 300,
    ...claims,
  };
  const input = `${encode({ alg: 'ES256', kid: 'k1', typ: 'at+jwt' })}.${encode(body)}`;
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

test('a row tells when, who, for whom, from where, what, with which right, and how it ended (E.49)', async () => {
  const act = { sub: 'robot', act: { sub: 'an earlier one' } };
  const before = Date.now();
  const response = await fetch(`${gateway.url}/models?limit=1`, {
    headers: {
      authorization: `Bearer ${mint({ act })}`,
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    },
  });
  expect(response.status).toBe(200);
  const bytes = (await response.arrayBuffer()).byteLength;
  const call = await gateway.call(response);
  expect(call).toMatchObject({
    environment: 'staging',
    issuer: ISSUER,
    subject: 'reader',
    clientId: 'reader-client',
    actor: 'robot',
    tokenId: 'fake-token-id',
    address: '127.0.0.1',
    method: 'GET',
    resource: '/models',
    operation: 'models.list',
    scopeNeeded: 'read:models',
    scopeHeld: 'read:models',
    decision: 'allowed',
    rule: expect.stringMatching(/^policy\.yaml:\d+/),
    release: gateway.release.id,
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    outcome: 'completed',
    status: 200,
    upstreamStatus: 200,
    bytesSent: 0,
    bytesReceived: bytes,
  });
  for (const at of [call.decidedAt, call.endedAt ?? '']) {
    expect(at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(Date.parse(at)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(at)).toBeLessThanOrEqual(Date.now());
  }
  expect(call.durationMs).toBeGreaterThanOrEqual(0);
  expect(call.firstByteMs).toBeLessThanOrEqual(call.durationMs ?? 0);
});

test('who acts for a refused caller is on record too, and nobody where the token names nobody (E.49)', async () => {
  const send = (claims: object) =>
    fetch(`${gateway.url}/v1/ideogram-v3/generate`, {
      method: 'POST',
      headers: { 'api-key': mint(claims) },
    });
  const refused = await send({ act: { sub: 'robot' } });
  expect(refused.status).toBe(403);
  expect(await gateway.call(refused)).toMatchObject({ subject: 'reader', actor: 'robot' });
  expect(await gateway.call(await send({}))).toMatchObject({ subject: 'reader', actor: null });
});

const CLAIMED = '203.0.113.9';

test.each([
  `X-Forwarded-For: ${CLAIMED}`,
  `X-Forwarded-For: ${CLAIMED}, 127.0.0.1`,
  `Forwarded: for=${CLAIMED}`,
  `X-Real-IP: ${CLAIMED}`,
  `True-Client-IP: ${CLAIMED}`,
  `CF-Connecting-IP: ${CLAIMED}`,
  `X-Client-IP: ${CLAIMED}`,
])('%s changes neither the address on record nor whose limit counts (D.47)', async (field) => {
  const lines = [`Host: 127.0.0.1:${gateway.port}`, `Api-Key: ${mint({})}`, field];
  const { answers } = await exchange(gateway.port, request('GET /models HTTP/1.1', lines));
  expect(answers[0]?.status).toBe(200);
  const call = await gateway.call(answers[0]?.headers.get('ideogate-call-id') ?? '');
  expect(call.address).toBe('127.0.0.1');
  expect(JSON.stringify(call)).not.toContain(CLAIMED);
  expect(JSON.stringify(await gateway.received())).not.toContain(CLAIMED);
});

test('a new address claimed with every request does not escape the limit per address (D.46, D.47)', async () => {
  const statuses: number[] = [];
  for (let i = 0; i < 60; i++) {
    const headers = { 'x-forwarded-for': `203.0.113.${i}`, forwarded: `for=203.0.113.${i}` };
    const response = await fetch(`${gateway.url}/-/problems`, { headers });
    await response.arrayBuffer();
    statuses.push(response.status);
  }
  expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(20);
});
