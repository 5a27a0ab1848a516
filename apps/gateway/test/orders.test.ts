import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

let gateway: TestGateway;
let token: string;
/** What is stopped now. */
let stopped: 'key' | 'caller' | 'environment' | null = null;
const asked = vi.fn<(...call: unknown[]) => typeof stopped>(() => stopped);

beforeAll(async () => {
  gateway = await startTestGateway({ kills: { stops: asked, inForce: () => [] } });
  token = await gateway.token('writer');
});
afterAll(() => gateway?.close());

const generate = () =>
  fetch(`${gateway.url}/v1/ideogram-v3/generate`, {
    method: 'POST',
    headers: { 'api-key': token, 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'a lighthouse', rendering_speed: 'TURBO' }),
  });

test.each(['key', 'caller', 'environment'] as const)(
  'a call whose %s is killed is refused, on record',
  async (kind) => {
    stopped = kind;
    const response = await generate();
    stopped = null;
    expect([response.status, await response.json()]).toMatchObject([
      403,
      { type: expect.stringMatching(/stopped-by-order$/) },
    ]);
    expect(await gateway.call(response)).toMatchObject({ state: 'refused', reason: `killed-${kind}` });
    const [environment, key, subject] = asked.mock.calls.at(-1) ?? [];
    expect([environment, key, subject]).toEqual(['staging', expect.stringMatching(/^key_/), 'writer']);
  },
);

test('a call that waits for its commit when the order comes is not forwarded either', async () => {
  const before = (await gateway.received()).length;
  // Its decision is on its way to the database, and the answer is held back.
  gateway.relay.delayAnswers(400);
  const call = generate();
  const asks = asked.mock.calls.length;
  await vi.waitUntil(() => asked.mock.calls.length > asks, { timeout: 5000 });
  stopped = 'caller';
  const response = await call;
  gateway.relay.delayAnswers(0);
  stopped = null;
  expect(response.status).toBe(403);
  expect(await gateway.call(response)).toMatchObject({
    decision: 'allowed',
    outcome: 'failed',
    reason: 'killed-caller',
    costUsdMicros: 0,
  });
  expect(await gateway.received()).toHaveLength(before);
});
