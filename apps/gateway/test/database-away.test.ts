import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { beginUpload, callFrom } from './raw-caller.ts';

const GENERATE = '/v1/ideogram-v3/generate';
const PAID = { prompt: 'a lighthouse', rendering_speed: 'TURBO' };
/** A call that cannot be recorded is answered within this, milliseconds. */
const BOUND = 3500;

let gateway: TestGateway;
let writer: string;
let reader: string;

beforeAll(async () => {
  gateway = await startTestGateway();
  writer = await gateway.token('writer');
  reader = await gateway.token('reader');
});
afterEach(async () => {
  gateway.relay.restore();
  gateway.relay.delayAnswers(0);
  await vi.waitUntil(async () => (await generate()).status === 200, { timeout: 10_000, interval: 100 });
});
afterAll(() => gateway?.close());

interface Answered {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: Record<string, unknown>;
  readonly callId: string;
  readonly milliseconds: number;
}

async function ask(path: string, token: string | null): Promise<Answered> {
  const began = performance.now();
  const response = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === null ? {} : { 'api-key': token }),
    },
    body: JSON.stringify(PAID),
  });
  return {
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    body: (await response.json()) as Record<string, unknown>, // as: problems and answers are JSON objects
    callId: response.headers.get('ideogate-call-id') ?? '',
    milliseconds: performance.now() - began,
  };
}

const generate = () => ask(GENERATE, writer);

async function metric(name: string, labels = ''): Promise<number> {
  const line = (await gateway.metrics()).split('\n').find((one) => one.startsWith(`${name}${labels} `));
  return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ') + 1));
}

async function refusalsNotWritten(): Promise<number> {
  const counts = [
    ...(await gateway.metrics()).matchAll(/^ideogate_rows_not_written\{reason="(.*)"\} (\d+)$/gm),
  ];
  return counts
    .filter(([, reason]) => reason !== 'record-unavailable')
    .reduce((sum, [, , count]) => sum + Number(count), 0);
}

const notWritten = (reason: string) => metric('ideogate_rows_not_written', `{reason="${reason}"}`);

describe.each([
  ['cut off', () => gateway.relay.cut()],
  ['silent', () => gateway.relay.freeze()],
])('while the database is %s', (_, takeAway) => {
  test('allowed calls get 503 in time and nothing goes out; refusals are answered as what they are (E.50)', async () => {
    const before = (await gateway.received()).length;
    const counted = await notWritten('record-unavailable');
    takeAway();
    const [allowed, refused] = await Promise.all([
      Promise.all(Array.from({ length: 5 }, () => generate())),
      Promise.all([
        ask(GENERATE, null),
        ask(GENERATE, 'not-a-token'),
        ask(GENERATE, reader),
        ask('/v1/nothing-here', writer),
        ask('/manage/api/keys', writer),
      ]),
    ]);
    for (const answer of allowed) {
      expect(answer).toMatchObject({ status: 503, retryAfter: '1' });
      expect(answer.body).toMatchObject({ code: 'record-unavailable' });
    }
    expect(refused.map((one) => one.body['code'])).toEqual([
      'authentication-required',
      'invalid-token',
      'insufficient-scope',
      'unknown-operation',
      expect.stringMatching(/^(?:operation-closed|unknown-operation)$/),
    ]);
    for (const one of [...allowed, ...refused]) expect(one.milliseconds).toBeLessThan(BOUND);
    expect(await gateway.received()).toHaveLength(before);
    expect(await metric('ideogate_refusals_total', '{reason="record-unavailable"}')).toBeGreaterThanOrEqual(
      5,
    );
    expect(await refusalsNotWritten()).toBe(refused.length);

    gateway.relay.restore();
    for (const one of refused) {
      expect(await gateway.call(one.callId)).toMatchObject({ state: 'refused', status: one.status });
    }
    // What proved committed after all comes off the count, and each of the allowed is in one place: row or count.
    expect(await refusalsNotWritten()).toBe(0);
    const ids = new Set(allowed.map((answer) => answer.callId));
    await vi.waitUntil(
      async () => {
        const rows = (await gateway.calls()).filter((call) => ids.has(call.callId)).length;
        return (await notWritten('record-unavailable')) - counted + rows === allowed.length;
      },
      { timeout: 10_000, interval: 50 },
    );
  });

  test('a call that is waiting when it comes back succeeds, without a restart', async () => {
    takeAway();
    const waiting = generate();
    await vi.waitUntil(async () => (await metric('ideogate_rows_waiting')) > 0, {
      timeout: 5000,
      interval: 10,
    });
    gateway.relay.restore();
    expect(await waiting).toMatchObject({ status: 200 });
  });
});

test('the database goes while calls run: what went out has its decision, and every outcome comes in the end', async () => {
  const before = (await gateway.received()).length;
  const rows = (await gateway.calls()).length;
  await gateway.fault({ latencyMs: 200 });
  let asked = 0;
  const answers: Answered[] = [];
  const load = async () => {
    while (asked < 60) {
      asked++;
      answers.push(await generate());
    }
  };
  const loads = Array.from({ length: 8 }, load);
  await vi.waitUntil(() => answers.length >= 12, { timeout: 10_000, interval: 5 });
  gateway.relay.cut();
  await vi.waitUntil(() => answers.some((one) => one.status === 503), { timeout: 10_000, interval: 5 });
  gateway.relay.restore();
  await Promise.all(loads);
  await gateway.fault({});

  expect(new Set(answers.map((one) => one.status))).toEqual(new Set([200, 503]));
  for (const one of answers) expect(one.milliseconds).toBeLessThan(BOUND + 500);
  const calls = (await gateway.ended(rows + 1)).slice(rows);
  const forwarded = calls.filter((call) => call.outcome !== null && call.outcome !== 'not-forwarded');
  const passed = answers.filter((one) => one.status === 200);
  expect(forwarded.map((call) => call.callId).sort()).toEqual(passed.map((one) => one.callId).sort());
  expect(await gateway.received()).toHaveLength(before + passed.length);
});

test('a decision that commits after its caller was told 503 is on record as not forwarded', async () => {
  // What is delayed is to be the answer to this decision's commit, and no other.
  expect((await generate()).status).toBe(200);
  await vi.waitUntil(async () => (await metric('ideogate_rows_waiting')) === 0, {
    timeout: 5000,
    interval: 10,
  });
  const before = (await gateway.received()).length;
  // Postgres hears and commits; its answers take longer than a caller waits.
  gateway.relay.delayAnswers(2300);
  const answer = await generate();
  expect(answer.status).toBe(503);
  gateway.relay.delayAnswers(0);
  const call = await gateway.call(answer.callId);
  expect(call).toMatchObject({
    state: 'done',
    outcome: 'not-forwarded',
    result: 'failure',
    upstreamStatus: null,
  });
  expect(await gateway.received()).toHaveLength(before);
});

test('a caller who leaves while the database is silent is told of once', async () => {
  const traceId = 'c'.repeat(32);
  const counted = await notWritten('record-unavailable');
  const refused = await metric('ideogate_refusals_total', '{reason="record-unavailable"}');
  gateway.relay.freeze();
  const request = beginUpload('/v1/ideogram-v3/remix', writer, 100_000);
  const at = request.indexOf('\r\n') + 2;
  const field = `traceparent: 00-${traceId}-00000000000000ab-01\r\n`;
  const caller = await callFrom(gateway.port, request.slice(0, at) + field + request.slice(at));
  await vi.waitUntil(async () => (await metric('ideogate_rows_waiting')) > 0, {
    timeout: 5000,
    interval: 10,
  });
  caller.socket.destroy();
  await vi.waitUntil(
    async () => (await metric('ideogate_refusals_total', '{reason="record-unavailable"}')) > refused,
    { timeout: 5000, interval: 20 },
  );
  gateway.relay.restore();
  const rows = async () => (await gateway.calls()).filter((call) => call.traceId === traceId);
  await vi.waitUntil(
    async () =>
      (await metric('ideogate_rows_waiting')) === 0 &&
      (await rows()).length + (await notWritten('record-unavailable')) - counted === 1,
    { timeout: 10_000, interval: 20 },
  );
  for (const row of await rows()) expect(row).toMatchObject({ outcome: 'not-forwarded' });
});

test('ready says that the record cannot be written, without an address, and is ready again afterwards', async () => {
  gateway.relay.cut();
  const away = await fetch(`${gateway.url}/-/ready`);
  const text = await away.text();
  expect(away.status).toBe(503);
  expect(JSON.parse(text)).toMatchObject({ checks: { record: { ok: false } } });
  expect(text).not.toMatch(/ECONN|127\.0\.0\.1|postgres:/);
  expect((await fetch(`${gateway.url}/-/health`)).status).toBe(200);
  gateway.relay.restore();
  await vi.waitUntil(async () => (await fetch(`${gateway.url}/-/ready`)).status === 200, {
    timeout: 10_000,
    interval: 100,
  });
});

test('after all this, what the emulator received is exactly what the record says was forwarded (E.50, E.51)', async () => {
  const calls = await gateway.ended(1);
  const forwarded = calls.filter((call) => call.outcome !== null && call.outcome !== 'not-forwarded');
  expect(await gateway.received()).toHaveLength(forwarded.length);
});
