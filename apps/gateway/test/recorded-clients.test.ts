import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { answerTo, plainRequest, recordedRequests, withToken } from '@ideogate/testkit/clients';
import { afterAll, beforeAll, expect, test } from 'vitest';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway?.close());

test.each(recordedRequests())(
  'what $client sends for $call under write:limited has the answer of the plainest request (I.67)',
  async ({ call, bytes }) => {
    const token = await gateway.token('writer');
    const host = `127.0.0.1:${gateway.port}`;
    const plain = await answerTo(gateway.port, plainRequest(call, token, host));
    expect(plain.status).toBe(200);
    expect(await answerTo(gateway.port, withToken(bytes, token, host))).toEqual(plain);
  },
);

test('@aigne/ideogram, whose error ends with the body of a refusal, says why the gateway refused', async () => {
  const token = await gateway.token('reader');
  const host = `127.0.0.1:${gateway.port}`;
  const generate = recordedRequests().find(
    ({ client, call }) => client === 'aigne-ideogram' && call === 'generate',
  );
  const { status, body } = await answerTo(
    gateway.port,
    withToken(generate?.bytes ?? Buffer.of(), token, host),
  );
  expect(status).toBe(403);
  const why: unknown = expect.stringContaining('write:generate');
  expect(JSON.parse(body)).toMatchObject({ detail: why, message: why, error: why });
});
