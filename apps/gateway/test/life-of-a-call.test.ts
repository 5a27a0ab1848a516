import { FAKE_KEYS, startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';

let gateway: TestGateway;
let writer: string;
let reader: string;

beforeAll(async () => {
  gateway = await startTestGateway();
  writer = await gateway.token('writer');
  reader = await gateway.token('reader');
});
afterAll(() => gateway?.close());

const json = (token: string, body: object) => ({
  method: 'POST',
  headers: { 'api-key': token, 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

test('a call that policy allows gets images, went out with the write key, and is on record (E.49)', async () => {
  const response = await fetch(
    `${gateway.url}/v1/ideogram-v3/generate`,
    json(writer, { prompt: 'a lighthouse', rendering_speed: 'TURBO' }),
  );
  expect(response.status).toBe(200);
  const answer = (await response.json()) as { data: { url: string }[] };
  expect(answer.data).toHaveLength(1);
  const call = await gateway.call(response);
  expect(call).toMatchObject({
    state: 'done',
    result: 'success',
    subject: 'writer',
    operation: 'v3.generate',
    scopeNeeded: 'write:generate',
    level: 'limited',
    outcome: 'completed',
    status: 200,
    upstreamStatus: 200,
    images: 1,
    costUsdMicros: 30_000,
    safe: true,
    promptLength: 12,
  });
  const received = (await gateway.received()).at(-1);
  expect(received?.headers).toContainEqual(['api-key', FAKE_KEYS.write]);
  expect(JSON.stringify(received)).not.toContain(writer);
});

test('a call whose scope is missing is refused with the scope and the rule, and nothing goes out', async () => {
  const before = (await gateway.received()).length;
  const response = await fetch(
    `${gateway.url}/v1/ideogram-v3/generate`,
    json(reader, { prompt: 'a lighthouse' }),
  );
  expect(response.status).toBe(403);
  expect(await response.json()).toMatchObject({ code: 'insufficient-scope', scope: 'write:generate' });
  expect(await gateway.call(response)).toMatchObject({
    state: 'refused',
    problem: 'insufficient-scope',
    subject: 'reader',
  });
  expect(await gateway.received()).toHaveLength(before);
});
