import { randomUUID } from 'node:crypto';
import { type ChainedEvent, hashEvent } from '@ideogate/audit';
import { expect, test } from 'vitest';
import type { MadeCall } from '../src/faults/callers.ts';
import { type Evidence, judge } from '../src/faults/judge.ts';

const WRITER = '11111111-1111-4111-8111-111111111111';
const CALL = '01890000-0000-7000-8000-000000000001';
const MARKER = 'a'.repeat(32);

const NOTHING = {
  kind: 'notice',
  callId: null,
  environment: 'staging',
  issuer: null,
  subject: null,
  clientId: null,
  tokenId: null,
  actor: null,
  result: 'writer-opened',
  problem: null,
  reason: null,
  status: null,
  address: null,
  proxy: null,
  method: null,
  resource: null,
  operation: null,
  scopeNeeded: null,
  scopeHeld: null,
  level: null,
  rule: null,
  release: null,
  keyId: null,
  traceId: null,
  upstreamStatus: null,
  bytesSent: null,
  bytesReceived: null,
  firstByteMs: null,
  durationMs: null,
  images: null,
  costUsdMicros: null,
  safe: null,
  made: null,
  promptDigest: null,
  promptLength: null,
  promptSealed: null,
  detail: null,
} as const;

type Said = Partial<Omit<ChainedEvent, 'writer' | 'seq' | 'prevHash' | 'hash'>>;

const OPENED: Said = { result: 'writer-opened' };
const CLOSED: Said = { result: 'writer-closed' };
const DECISION: Said = { kind: 'decision', callId: CALL, result: 'allowed', traceId: MARKER };
const OUTCOME: Said = { kind: 'outcome', callId: CALL, result: 'completed', status: 200 };

const GAP: Said = { ...OUTCOME, result: 'unknown', status: null };
const SUMMED: Said = { result: 'refusals-summed', detail: '{"count":"1"}' };

function chainOf(said: readonly Said[]): ChainedEvent[] {
  let prevHash = '0'.repeat(64);
  return said.map((one, index) => {
    const event = {
      ...NOTHING,
      ...one,
      writer: WRITER,
      seq: BigInt(index + 1),
      atMicros: BigInt(index + 1),
      prevHash,
    };
    const hash = hashEvent(event);
    prevHash = hash;
    return { ...event, hash };
  });
}

const SERVED: MadeCall = {
  marker: MARKER,
  kind: 'paid',
  writer: WRITER,
  answer: { status: 200, callId: CALL, problem: null, whole: true },
  left: false,
  durationMs: 5,
};
const told = (status: number, problem: string, durationMs = 5): MadeCall => ({
  ...SERVED,
  answer: { status, callId: CALL, problem, whole: true },
  durationMs,
});

interface Tale extends Partial<Omit<Evidence, 'events'>> {
  readonly said?: readonly Said[];
}

/** One call, served and recorded as it should be, but for the changes. */
function judged({ said = [OPENED, DECISION, OUTCOME, CLOSED], ...changes }: Tale) {
  return judge({
    calls: [SERVED],
    arrivals: [{ marker: MARKER }],
    early: [],
    events: chainOf(said),
    gateways: [{ writer: WRITER, killed: false }],
    commitMs: 500,
    ...changes,
  });
}

const KILLED = [{ writer: WRITER, killed: true }] as const;

test('a call that is recorded as it was is no fault', () => {
  expect(judged({})).toEqual({ lost: [], double: [], wrong: [] });
});

test('a call closed as a gap, or without anything, is none either once its gateway was killed', () => {
  expect(judged({ gateways: KILLED, said: [OPENED, DECISION, GAP] })).toEqual({
    lost: [],
    double: [],
    wrong: [],
  });
  const unanswered = { ...SERVED, answer: null };
  expect(judged({ gateways: KILLED, said: [OPENED], calls: [unanswered], arrivals: [] })).toEqual({
    lost: [],
    double: [],
    wrong: [],
  });
});

test('a refusal without a row that was counted and summed is none', () => {
  const calls = [told(403, 'insufficient-scope', 900)];
  expect(judged({ said: [OPENED, SUMMED, CLOSED], arrivals: [], calls })).toEqual({
    lost: [],
    double: [],
    wrong: [],
  });
});

const REFUSED: Said = { ...DECISION, result: 'refused', status: 403 };
const ELSEWHERE = { marker: 'b'.repeat(32) };

test.each<[string, keyof ReturnType<typeof judge>, RegExp, Tale]>([
  ['an upstream request without a decision', 'lost', /without a decision/, { arrivals: [ELSEWHERE] }],
  [
    'an upstream request whose decision was committed only later',
    'lost',
    /before its decision was committed/,
    { early: [MARKER] },
  ],
  [
    'an upstream request whose decision was a refusal',
    'lost',
    /without a decision/,
    { said: [OPENED, REFUSED, CLOSED], calls: [told(403, 'insufficient-scope')] },
  ],
  [
    'an upstream request of a call said not to be forwarded',
    'wrong',
    /wasn't forwarded/,
    {
      said: [OPENED, DECISION, { ...OUTCOME, result: 'not-forwarded', status: null }, CLOSED],
      calls: [],
    },
  ],
  ['a call that went out twice', 'double', /2 times/, { arrivals: [{ marker: MARKER }, { marker: MARKER }] }],
  [
    'an answered call without a row',
    'lost',
    /answered 200 and has no row/,
    { gateways: KILLED, said: [OPENED], arrivals: [] },
  ],
  [
    'a refusal answered at once without a row, though its gateway was killed',
    'lost',
    /answered 403 and has no row/,
    { gateways: KILLED, said: [OPENED], arrivals: [], calls: [told(403, 'insufficient-scope')] },
  ],
  [
    'a refusal without a row that nobody counted',
    'lost',
    /sums up 0 calls/,
    { said: [OPENED, CLOSED], arrivals: [], calls: [told(403, 'insufficient-scope', 900)] },
  ],
  [
    'a sum of calls without a row that callers know nothing of',
    'lost',
    /sums up 1 calls/,
    { said: [OPENED, DECISION, OUTCOME, SUMMED, CLOSED] },
  ],
  [
    'an outcome that is missing though the gateway stopped in order',
    'lost',
    /no outcome/,
    { said: [OPENED, DECISION, CLOSED] },
  ],
  ['a gap that nobody closed', 'lost', /no gap was closed/, { gateways: KILLED, said: [OPENED, DECISION] }],
  [
    'a gap closed twice',
    'double',
    /unknown 2 times/,
    { gateways: KILLED, said: [OPENED, DECISION, GAP, GAP] },
  ],
  [
    'a gap in the chain of a gateway that stopped in order',
    'lost',
    /stopped in order/,
    { said: [OPENED, DECISION, GAP, CLOSED] },
  ],
  [
    'a loss that the record itself tells of',
    'lost',
    /tells of a loss: outcome/,
    { said: [OPENED, DECISION, OUTCOME, { result: 'events-lost', reason: 'outcome' }, CLOSED] },
  ],
  ['an outcome without a decision', 'lost', /no decision/, { said: [OPENED, OUTCOME, CLOSED], calls: [] }],
  ['two decisions', 'double', /2 decisions/, { said: [OPENED, DECISION, DECISION, OUTCOME, CLOSED] }],
  ['two outcomes', 'double', /2 outcomes/, { said: [OPENED, DECISION, OUTCOME, OUTCOME, CLOSED] }],
  [
    'a 503 of a call that the record says was served',
    'wrong',
    /told 503/,
    { calls: [told(503, 'record-unavailable')] },
  ],
  [
    'another status than was answered',
    'wrong',
    /answered 200, and the record says 502/,
    { said: [OPENED, DECISION, { ...OUTCOME, status: 502 }, CLOSED] },
  ],
  [
    'another call id than was told',
    'wrong',
    /was told the id/,
    { calls: [{ ...SERVED, answer: { status: 200, callId: randomUUID(), problem: null, whole: true } }] },
  ],
  ['a chain without its beginning', 'lost', /does not begin/, { said: [DECISION, OUTCOME, CLOSED] }],
  ['a chain that is not closed', 'lost', /is not closed/, { said: [OPENED, DECISION, OUTCOME] }],
])('the judge sees %s', (_, kind, sentence, tale) => {
  expect(judged(tale)[kind].join('\n')).toMatch(sentence);
});

test('the judge sees a row that is gone from the middle of a chain, and one that was changed', () => {
  const events = chainOf([OPENED, DECISION, OUTCOME, CLOSED]);
  const evidence = { calls: [], arrivals: [], early: [], gateways: [], commitMs: 500 };
  expect(judge({ ...evidence, events: events.toSpliced(1, 1) }).lost.join('\n')).toMatch(/is hole at 3/);
  const changed = events.map((event) => (event.seq === 3n ? { ...event, status: 201 } : event));
  expect(judge({ ...evidence, events: changed }).wrong.join('\n')).toMatch(/is altered at 3/);
});
