import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { beginUpload, callFrom, callIdOf } from './raw-caller.ts';

let gateway: TestGateway;
let token: string;
/** What is stopped now. */
let stopped: 'key' | 'caller' | 'environment' | null = null;
let heard = true;
const asked = vi.fn<(...call: unknown[]) => typeof stopped>(() => stopped);

beforeAll(async () => {
  gateway = await startTestGateway({
    kills: { stops: asked, active: () => [], ready: () => ({ ok: heard, detail: 'as told' }) },
  });
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

test('a gateway that does not hear of orders says that it is not ready, and goes on', async () => {
  const ready = async () => {
    const response = await fetch(`${gateway.url}/-/ready`);
    const { checks } = (await response.json()) as { checks: Record<string, object> }; // as: our own page
    return [response.status, checks['orders']];
  };
  expect(await ready()).toEqual([200, { ok: true, detail: 'as told' }]);
  heard = false;
  expect(await ready()).toEqual([503, { ok: false, detail: 'as told' }]);
  expect((await generate()).status).toBe(200);
  heard = true;
});

test.each([
  ['nothing of its body is there yet', 0],
  ['too little is there for a connection', 50_000],
  ['half of it went out', 100_000],
])('an upload of which %s when the order comes never comes to its end at Ideogram', async (_what, bytes) => {
  const size = 200_000;
  const whole = beginUpload('/v1/ideogram-v3/remix', await gateway.token('full'), size);
  const head = whole.slice(0, whole.indexOf('\r\n\r\n') + 4);
  const begun = whole.slice(head.length);
  const asks = asked.mock.calls.length;
  const caller = await callFrom(gateway.port, head);
  if (bytes > 0) caller.socket.write(begun + 'x'.repeat(bytes - begun.length));
  // Asked before the decision, before the first byte is let in, and again when the request gets its connection.
  const before = bytes === 0 ? 1 : bytes < 65_536 ? 2 : 3;
  await vi.waitUntil(() => asked.mock.calls.length >= asks + before, { timeout: 5000, interval: 5 });
  stopped = 'caller';
  const end = '\r\n--XXXX--\r\n';
  const sent = bytes === 0 ? begun : '';
  const left = size - Math.max(bytes, begun.length) - end.length;
  caller.socket.write(`${sent}${'x'.repeat(left)}${end}`);
  await caller.closed;
  stopped = null;
  expect(caller.heard()).toMatch(/^HTTP\/1\.1 403 /);
  expect(
    (await gateway.received()).filter(({ target, complete }) => target.includes('remix') && complete),
  ).toEqual([]);
  const call = await gateway.call(callIdOf(caller.heard()));
  expect(call).toMatchObject({ outcome: 'failed', reason: 'killed-caller' });
});
