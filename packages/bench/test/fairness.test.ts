import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { AnswerReader } from '../src/fairness/answers.ts';
import { allowedP99, faultsOf, latenciesOf, type Pair, type Strain } from '../src/fairness/judge.ts';
import { tableOf } from '../src/fairness/report.ts';
import { forged, heldJson, requestBytes } from '../src/fairness/requests.ts';
import { spokenCounts, Tally } from '../src/fairness/tally.ts';

const MB = 1024 * 1024;
const BOUNDS = { rss: 512 * MB, healthMs: 50 };
const CALM: Strain = { stallMs: 8, cpuShare: 0.2, peakRss: 250 * MB };

describe('the verdict on a cell', () => {
  test.each<[string, Pair, Strain | null, readonly string[]]>([
    ['is green when nobody noticed', pair('models', 10, 12), CALM, []],
    ['is green at twice of what it was', pair('models', 60, 120), CALM, []],
    ['is green at 25 ms more', pair('models', 4, 29), CALM, []],
    [
      'is red above both',
      pair('models', 10, 36),
      CALM,
      ['models: p99 36.0 ms, alone 10.0 ms, so 35.0 ms is allowed'],
    ],
    [
      'is red when one request was answered otherwise',
      pair('generate', 10, 10, { 503: 1 }),
      CALM,
      ['generate: of 101 not answered as they should be: 1 × 503'],
    ],
    [
      'is red when nothing was answered at all',
      { ...pair('models', 10, 10), beside: latenciesOf(observed('models', [], { timeout: 20 })) },
      CALM,
      [
        'models: of 20 not answered as they should be: 20 × timeout',
        'models: p99 never, alone 10.0 ms, so 35.0 ms is allowed',
      ],
    ],
    [
      'is red when there were errors without the attacker already',
      { ...pair('models', 10, 10), alone: latenciesOf(observed('models', [10], { 500: 1 })) },
      CALM,
      ['models: alone already of 2 not answered as they should be: 1 × 500'],
    ],
    [
      'holds health to its own bound, however slow it was alone',
      pair('health', 40, 60),
      CALM,
      ['health: p99 60.0 ms, and 50.0 ms is the bound'],
    ],
    [
      'holds health on a port of its own to the same bound',
      pair('health, own port', 40, 60),
      CALM,
      ['health, own port: p99 60.0 ms, and 50.0 ms is the bound'],
    ],
    ['holds readiness to its answers, not to their time', pair('ready', 10, 400), CALM, []],
    [
      'and to each of its answers',
      pair('ready', 10, 400, { 503: 1 }),
      CALM,
      ['ready: of 101 not answered as they should be: 1 × 503'],
    ],
    [
      'is red over the bound of memory',
      pair('models', 10, 10),
      { ...CALM, peakRss: 513 * MB },
      ['memory: 513 MB, and 512 MB is the bound'],
    ],
    [
      'is red when the gateway is gone',
      pair('models', 10, 10),
      null,
      ['the gateway ended, or said nothing any more'],
    ],
  ])('%s', (_what, measured, beside, faults) => {
    expect(faultsOf([measured], { beside }, BOUNDS)).toEqual(faults);
  });

  test('allows the larger of twice and 25 ms more', () => {
    expect([1, 25, 100].map(allowedP99)).toEqual([26, 50, 200]);
  });
});

test('percentiles are of what was answered, and what was not is counted beside them', () => {
  const milliseconds = Array.from({ length: 300 }, (_, at) => 300 - at);
  expect(latenciesOf(observed('models', milliseconds, { 503: 3, timeout: 1 }))).toEqual({
    asked: 304,
    p50: 151,
    p99: 298,
    worst: 300,
    errors: { 503: 3, timeout: 1 },
  });
});

test('the table has a line a cell, with the kind that fared worst, health apart', () => {
  const pairs = [pair('models', 10, 30), pair('generate', 10, 20), pair('health', 1, 40)];
  const refused = [...pairs, pair('ready', 10, 10, { 503: 7 })];
  const table = tableOf([
    { cell: 'a cell', attack: '', pairs, strain: { alone: CALM, beside: CALM }, seen: {}, faults: ['one'] },
    { cell: 'gone', attack: '', pairs: refused, strain: { alone: CALM, beside: null }, seen: {}, faults: [] },
  ]);
  expect(table.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
    ['cell', 'p99 alone', 'p99 beside', 'errors', 'health p99', 'loop late', 'memory'],
    ['a cell', 'models 10.0 ms', '30.0 ms', '0 of 300', '40.0 ms', '8.0 ms', '250 MB', 'FAILED'],
    ['gone', 'ready 10.0 ms', '10.0 ms', '7 of 407', '40.0 ms', 'gone', 'gone', 'ok'],
  ]);
});

describe('answers are read', () => {
  const LENGTH = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
  const CHUNKED =
    'HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
  const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
  const EMPTY = 'HTTP/1.1 204 No Content\r\n\r\n';

  test.each([1, 2, 7, 1000])('in pieces of %i bytes, each once it is whole', (size) => {
    const reader = new AnswerReader();
    const bytes = Buffer.from(CONTINUE + LENGTH + CHUNKED + EMPTY + LENGTH);
    const seen = [];
    for (let at = 0; at < bytes.length; at += size) seen.push(...reader.take(bytes.subarray(at, at + size)));
    expect(seen).toEqual([
      { status: 200, closes: false },
      { status: 400, closes: true },
      { status: 204, closes: false },
      { status: 200, closes: false },
    ]);
  });

  test('but not one whose body is cut short', () => {
    expect(new AnswerReader().take(Buffer.from(LENGTH.slice(0, -1)))).toEqual([]);
    expect(new AnswerReader().take(Buffer.from(CHUNKED.slice(0, -1)))).toEqual([]);
  });
});

test('a held body lacks its last byte, and says that it comes', () => {
  const [head = '', body = ''] = requestBytes('127.0.0.1:1', heldJson('token')).toString().split('\r\n\r\n');
  expect(head).toContain(`Content-Length: ${body.length + 1}`);
  expect(body.length + 1).toBe(MB);
});

test('a forged token differs from the genuine one in its signature alone, and is spelled as a token is', () => {
  const signature = Buffer.from(Array.from({ length: 64 }, (_, at) => at)).toString('base64url');
  const [header, claims, other = ''] = forged(`head.claims.${signature}`).split('.');
  expect([header, claims]).toEqual(['head', 'claims']);
  expect(other).not.toBe(signature);
  expect(Buffer.from(other, 'base64url').toString('base64url')).toBe(other);
});

test('what was seen is told with the most frequent first', () => {
  const tally = new Tally();
  for (const what of ['503', '200', '503']) tally.add(what);
  expect(spokenCounts(tally.counts())).toBe('2 × 503, 1 × 200');
  expect(spokenCounts({})).toBe('nothing');
});

test('a cell that there is not is refused with those there are', () => {
  const main = fileURLToPath(new URL('../src/fairness/main.ts', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, '--only', 'kindness'], {
    encoding: 'utf8',
  });
  expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
  expect(stderr).toMatch(/^no cell has "kindness" in its name; these there are:\n {2}dripping JSON\n/);
});

function pair(kind: string, alone: number, beside: number, errors: Record<string, number> = {}): Pair {
  const of = (p99: number) => Array.from({ length: 100 }, () => p99);
  return {
    kind,
    alone: latenciesOf(observed(kind, of(alone))),
    beside: latenciesOf(observed(kind, of(beside), errors)),
  };
}

function observed(kind: string, milliseconds: readonly number[], errors: Record<string, number> = {}) {
  return { kind, milliseconds, errors };
}
