import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { PROBLEMS, type ProblemCode } from '@ideogate/contract';
import { type Fault, FAULT_NAMES, faultNames } from '@ideogate/ideogram/emulator';
import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

/** Every fault of the emulator, met by every kind of call: what the caller gets, and what the record says. */

interface Fate {
  readonly status: number;
  /** Ours; null: the answer is Ideogram's. */
  readonly problem: ProblemCode | null;
  readonly reason: string | null;
  readonly outcome: 'completed' | 'failed' | 'cut';
  /** What a paid call is said to have cost; a read costs nothing, whatever happens. */
  readonly cost: 'its price' | 'nothing' | 'unknown';
  /** Whether the answer came to its end, so that the connection serves the next call. */
  readonly whole: boolean;
}

const passes = (status: number, reason: string | null = null): Fate => ({
  status,
  problem: null,
  reason,
  outcome: 'completed',
  cost: status < 300 ? 'its price' : 'nothing',
  whole: true,
});

/** Nothing of Ideogram's answer came through: the caller has a problem document in its place. */
const replaced = (problem: ProblemCode, reason: string, cost: Fate['cost']): Fate => ({
  status: PROBLEMS[problem].status,
  problem,
  reason,
  outcome: 'failed',
  cost,
  whole: true,
});

/** The caller has the beginning of a good answer, and sees that it is one. */
const brokenOff = (problem: ProblemCode, reason: string): Fate => ({
  status: 200,
  problem,
  reason,
  outcome: 'cut',
  cost: 'its price',
  whole: false,
});

interface Sent {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly type?: string;
  readonly body: readonly Buffer[];
  /** Known to its sender before it is sent; else it goes in chunks. */
  readonly length?: number;
}

const FORM = 'multipart/form-data; boundary=b0';
const REMIX = { method: 'POST', path: '/v1/ideogram-v3/remix', type: FORM } as const;
const JSON_BODY = Buffer.from(JSON.stringify({ prompt: 'a lighthouse', rendering_speed: 'TURBO' }));
const READ: Sent = { method: 'GET', path: '/models', body: [] };
const CALLS = {
  'a read': READ,
  'a JSON body': {
    method: 'POST',
    path: '/v1/ideogram-v3/generate',
    type: 'application/json',
    body: [JSON_BODY],
    length: JSON_BODY.length,
  },
  'a form': { ...REMIX, body: [formOf(1000)], length: formOf(1000).length },
  'an upload in chunks': { ...REMIX, body: inPieces(formOf(300_000), 64 * 1024) },
} satisfies Record<string, Sent>;
type Kind = keyof typeof CALLS;
const KINDS = Object.keys(CALLS) as Kind[]; // as: its own keys
const isUpload = (kind: Kind) => 'type' in CALLS[kind] && CALLS[kind].type === FORM;

function formOf(bytes: number): Buffer {
  const part = (name: string, content: string) =>
    `--b0\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${content}\r\n`;
  const image = `--b0\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n`;
  return Buffer.from(`${part('prompt', 'a lighthouse')}${image}${'x'.repeat(bytes)}\r\n--b0--\r\n`);
}

function inPieces(bytes: Buffer, size: number): readonly Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  );
}

const ELSEWHERE = 'https://a.example/x';
const redirected = (status: number) => replaced('upstream-redirect', `status-${status}`, 'nothing');
const keyRefused = (status: number) => replaced('upstream-key-refused', `status-${status}`, 'nothing');
const tooLate = replaced('upstream-timeout', 'first-byte', 'unknown');

/** Where more than one may come of it, or not the same for every kind, a function says which. */
type Row = readonly [sentence: string, fault: Fault, fate: Fate | ((kind: Kind) => readonly Fate[])];

const TABLE: readonly Row[] = [
  ['late, but in time', { latencyMs: 50 }, passes(200)],
  ['too late', { latencyMs: 5000 }, tooLate],
  ['silence', { neverAnswer: true }, tooLate],
  [
    'a reset before the answer',
    { reset: 'before' },
    replaced('upstream-ended-early', 'connection-lost', 'unknown'),
  ],
  ['a reset within the answer', { reset: 'within' }, brokenOff('upstream-ended-early', 'answer-ended-early')],
  ['drop by drop', { drip: { bytes: 50, everyMs: 5 } }, passes(200)],
  ['without end', { neverEnd: true }, brokenOff('upstream-timeout', 'answer-too-slow')],
  ['answered before the body is read, and closed', { earlyClose: { status: 429 } }, closedEarly],
  ['the key in a header', { echoKey: 'header' }, replaced('upstream-leak', 'key-in-header', 'its price')],
  [
    'the key in the body',
    { echoKey: 'body' },
    { ...replaced('upstream-leak', 'key-in-body', 'its price'), outcome: 'cut' },
  ],
  [
    'the key in the body, in two pieces',
    { echoKey: 'split-body' },
    brokenOff('upstream-leak', 'key-in-body'),
  ],
  ['a redirect', { redirect: ELSEWHERE }, redirected(302)],
  ...[300, 301, 303, 304, 307, 308].map(
    (status): Row => [`a ${status}`, { redirect: ELSEWHERE, status }, redirected(status)],
  ),
  ['a cookie', { setCookie: true }, passes(200)],
  [
    'headers beyond all measure',
    { hugeHeaders: true },
    replaced('upstream-invalid', 'headers-too-large', 'unknown'),
  ],
  ['compressed', { compress: true }, passes(200)],
  ['other JSON', { body: { odd: true } }, passes(200)],
  ['no JSON', { body: 'odd' }, passes(200, 'answer-not-json')],
  ['our key refused by 401', { status: 401 }, keyRefused(401)],
  [
    '403, by which some operations refuse our key',
    { status: 403 },
    (kind) => [isUpload(kind) ? keyRefused(403) : passes(403)],
  ],
  ...[402, 422, 429, 500, 503].map((status): Row => [`a ${status}`, { status }, passes(status)]),
];

/** Of an upload that was still under way its status is had where it can be (trap 29). */
function closedEarly(kind: Kind): readonly Fate[] {
  if (!isUpload(kind)) return [passes(429)];
  const lost = ['closed-during-upload', 'connection-lost'].map((reason) =>
    replaced('upstream-ended-early', reason, 'nothing'),
  );
  return [passes(429), ...lost, ...lost.map((fate) => ({ ...fate, cost: 'unknown' as const }))];
}

let gateway: TestGateway;
let token: string;

beforeAll(async () => {
  gateway = await startTestGateway({
    settings: { IDEOGATE_UPSTREAM_FIRST_BYTE_MS: '600', IDEOGATE_UPSTREAM_WHOLE_MS: '1200' },
  });
  token = await gateway.token('full');
});
beforeEach(() => fetch(`${gateway.upstream}/-/received`, { method: 'DELETE' }));
afterAll(() => gateway?.close());

test('every fault that the emulator has is in the table', () => {
  expect([...new Set(TABLE.flatMap(([, fault]) => faultNames(fault)))].sort()).toEqual(
    [...FAULT_NAMES].sort(),
  );
});

describe.each(TABLE)('Ideogram answers: %s', (_, fault, expected) => {
  test.each(KINDS)(
    '%s has its answer and its row; asked once, no secret anywhere, and the next call is served (B.26, D.43, D.45, F.58)',
    async (kind) => {
      // Only once: another try of the gateway's would meet a good answer.
      await gateway.fault({ ...fault, times: 1 });
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const { fields, text, ...answer } = await send(agent, CALLS[kind]);
      const row = await gateway.call(String(fields['ideogate-call-id']));
      const next = await send(agent, READ);
      agent.destroy();

      const fates = typeof expected === 'function' ? expected(kind) : [expected];
      const fate =
        fates.find(({ reason, cost }) => reason === row.reason && cost === costIn(row)) ?? fates[0];
      if (fate === undefined) throw new Error('a fault without a fate');
      const { status, problem, reason, outcome, cost, whole } = fate;
      expect(answer).toEqual({ status, whole, connection: whole ? 'kept' : 'closed', reused: false });
      expect(fields['content-type'] === 'application/problem+json').toBe(problem !== null && whole);
      if (problem !== null && whole) {
        expect(JSON.parse(text)).toMatchObject({ code: problem, status });
        expect(text).not.toContain(`:${new URL(gateway.upstream).port}`);
      }
      expect(row).toMatchObject({
        state: 'done',
        outcome,
        result: outcome === 'completed' && status < 400 ? 'success' : 'failure',
        problem,
        reason,
        status,
      });
      expect(costIn(row)).toBe(kind === 'a read' ? 'nothing' : cost);

      expect(Object.keys(fields).filter((name) => /^(location|set-cookie|x-)/.test(name))).toEqual([]);
      const said = JSON.stringify([fields, text, row, gateway.log, await gateway.metrics()]);
      for (const secret of ['MARKED', token, ELSEWHERE]) expect(said).not.toContain(secret);
      // Nor the beginning of a key.
      expect(text).not.toContain('fake-');

      expect(next).toMatchObject({ status: 200, whole: true, reused: whole });
      const asked = (await gateway.received()).map(({ method, target }) => `${method} ${target}`);
      expect(asked).toEqual([`${CALLS[kind].method} ${CALLS[kind].path}`, 'GET /models']);
    },
  );
});

interface Answered {
  readonly status: number | undefined;
  readonly fields: IncomingHttpHeaders;
  /** In Latin-1. */
  readonly text: string;
  /** It came to its end, as far as its framing says. */
  readonly whole: boolean;
  /** What became of the caller's connection. */
  readonly connection: 'kept' | 'closed';
  /** The call came on the connection of the one before. */
  readonly reused: boolean;
}

async function send(agent: Agent, { method, path, type, body, length }: Sent): Promise<Answered> {
  const request = httpRequest(gateway.url + path, {
    agent,
    method,
    headers: {
      'api-key': token,
      ...(type === undefined ? {} : { 'content-type': type }),
      ...(length === undefined ? {} : { 'content-length': length }),
    },
  });
  const left = new Promise<'kept' | 'closed'>((resolve) => {
    agent.once('free', () => resolve('kept'));
    request.once('socket', (socket) => socket.once('close', () => resolve('closed')));
  });
  Readable.from(body).pipe(request);
  const [response] = await once(request, 'response');
  let text = '';
  response.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
  // A break shows as an error as well; `complete` is what is asked.
  response.on('error', () => undefined);
  await new Promise((resolve) => response.once('close', resolve));
  return {
    status: response.statusCode,
    fields: response.headers,
    text,
    whole: response.complete,
    connection: await left,
    reused: request.reusedSocket,
  };
}

function costIn({ costUsdMicros }: { readonly costUsdMicros: number | null }): Fate['cost'] {
  if (costUsdMicros === null) return 'unknown';
  return costUsdMicros === 0 ? 'nothing' : 'its price';
}
