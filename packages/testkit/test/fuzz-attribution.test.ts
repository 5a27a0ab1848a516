import { expect, test } from 'vitest';
import { attribute, couldHaveSent, type Scene } from '../src/fuzz/attribution.ts';
import { type Played, type Playing, prepare } from '../src/fuzz/caller.ts';
import type { ReadAnswer } from '../src/fuzz/http-reader.ts';
import { readRequest } from '../src/fuzz/http-reader.ts';
import type { Row, RowsOfCase } from '../src/fuzz/ledger.ts';
import { judge, type World } from '../src/fuzz/oracle.ts';
import type { Arrived } from '../src/fuzz/upstream.ts';

const KEYS = { read: 'fake-read-key', write: 'fake-write-key' };
const SCOPES = new Set(['read:models']);
const TOKENS = ['reader', 'full', 'stranger'];
const WORLD: World = {
  keys: KEYS,
  known: (token) => {
    const subject = TOKENS.find((one) => token === `fake-token-of-${one}`);
    return subject === undefined ? undefined : { subject, scopes: SCOPES, honest: subject !== 'stranger' };
  },
};
const MINT = {
  keySet: '',
  token: (subject: string) => `fake-token-of-${subject}`,
  known: WORLD.known,
};

const call = (subject: string, mark = '') =>
  `GET /models HTTP/1.1\r\nHost: gateway.test\r\n${mark}Api-Key: {{${subject}::1}}\r\n\r\n`;
const MARK = 'User-Agent: fuzz-{{case}}-{{case}}\r\n';

function playing(number: number, bytes: string): Playing {
  const one = prepare({ bytes, cuts: [], leave: 'reset' }, number, `127.1.1.${number}`, MINT);
  return { ...one, began: number };
}

/** A case whose caller is gone, and heard at most the answers given: number of the upstream's answer, and call id. */
function ended(number: number, bytes: string, heard: readonly (readonly [number, string])[] = []): Played {
  const answers: readonly ReadAnswer[] = heard.map(([answer, id]) => ({
    status: 200,
    fields: new Map([
      ['ideogate-call-id', id],
      ['x-request-id', `fuzz-upstream-${answer}`],
    ]),
    body: '',
    end: 0,
  }));
  return {
    ...playing(number, bytes),
    answers,
    heard: heard
      .map(([answer]) => `HTTP/1.1 200 OK\r\nx-request-id: fuzz-upstream-${answer}\r\n\r\n`)
      .join(''),
    surplus: '',
    left: true,
    hung: false,
    endedAt: 90,
  };
}

/** What the upstream got as its first, second, … request, at 50 of a clock on which case n begins at n. */
function arrival(number: number, mark = ''): Arrived {
  const raw = `GET /models HTTP/1.1\r\nhost: 127.0.0.1:9\r\n${mark}api-key: ${KEYS.read}\r\n\r\n`;
  const request = readRequest(raw, 0);
  if (typeof request === 'string') throw new Error(`the request is ${request}`);
  return { request, raw, number, at: 50 };
}

function callId(number: number): string {
  return `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`;
}

/** Rows of allowed calls, all ended, by the subjects that made them. */
function allowed(...subjects: readonly string[]): RowsOfCase {
  const row = {
    address: null,
    method: 'GET',
    resource: '/models',
    operation: 'models.list',
    level: 'full',
    scope_needed: 'read:models',
    problem: null,
    reason: null,
    status: null,
  };
  return new Map(
    subjects.map((subject, index) => {
      const call_id = callId(index);
      const decision: Row = { ...row, seq: '1', kind: 'decision', call_id, subject, result: 'allowed' };
      return [
        call_id,
        { decisions: [decision], outcomes: [{ ...decision, kind: 'outcome', result: 'aborted' }] },
      ];
    }),
  );
}

/** A moment at which all is read, and the cases were allowed so much. */
function scene(rows: readonly (readonly [Played, RowsOfCase])[], more: Partial<Scene> = {}): Scene {
  const byAddress = new Map(rows.map(([played, its]) => [played.address, its]));
  return {
    ended: rows.map(([played]) => played),
    playing: [],
    allowedFrom: (address) => [...(byAddress.get(address)?.values() ?? [])].flatMap((one) => one.decisions),
    readUntil: 100,
    ...more,
  };
}

test('a request belongs to the caller that heard the answer to it, though others sent the same', () => {
  const silent = ended(1, call('full'));
  const hearer = ended(2, call('full'), [[7, callId(0)]]);
  const one = arrival(7);
  const { of } = attribute(
    [one],
    scene([
      [silent, allowed('full')],
      [hearer, allowed('full')],
    ]),
  );
  expect([...of]).toEqual([[hearer, [one]]]);
});

test('a request with a mark belongs to the case of that mark', () => {
  const other = ended(1, call('full', MARK));
  const marked = ended(2, call('full', MARK));
  const one = arrival(7, 'user-agent: fuzz-2-2\r\n');
  const { of } = attribute(
    [one],
    scene([
      [other, allowed('full')],
      [marked, allowed('full')],
    ]),
  );
  expect([...of]).toEqual([[marked, [one]]]);
});

test('without mark and hearer it belongs to an alike case that was allowed, not to one that was refused', async () => {
  const refused = ended(1, call('stranger'));
  const sender = ended(2, call('full'));
  const one = arrival(7);
  const { of } = attribute(
    [one],
    scene([
      [refused, new Map()],
      [sender, allowed('full')],
    ]),
  );
  expect([...of]).toEqual([[sender, [one]]]);
  expect(await judge(sender, allowed('full'), [one], WORLD)).toEqual([]);
});

test('a decision that a case has used up explains no second request', async () => {
  const once = ended(1, call('full', MARK) + call('stranger'));
  const sender = ended(2, call('full'));
  const marked = arrival(6, 'user-agent: fuzz-1-1\r\n');
  const one = arrival(7);
  const all = scene([
    [once, allowed('full')],
    [sender, allowed('full')],
  ]);
  expect(attribute([one, marked], all).of.get(sender)).toEqual([one]);
  const alone = attribute([one, marked], scene([[once, allowed('full')]])).of.get(once) ?? [];
  expect(await judge(once, allowed('full'), alone, WORLD)).toContain('forwarded: 2 of 1 decided calls');
});

test('nothing is said of it while a case that may have sent it is still there, or the record is not read so far', () => {
  const guest = playing(1, call('full'));
  const gone = ended(2, call('full'));
  const late = playing(60, call('full'));
  const one = arrival(7);
  const rows = [[gone, allowed('full')]] as const;
  expect(attribute([one], scene(rows, { playing: [guest] }))).toEqual({ of: new Map(), open: [one] });
  expect(attribute([one], scene(rows, { readUntil: 50 }))).toEqual({ of: new Map(), open: [one] });
  expect(attribute([one], scene(rows, { playing: [late] })).of.get(gone)).toEqual([one]);
  expect([guest, gone, late].map((played) => couldHaveSent(played, one))).toEqual([true, true, false]);
});

test('a request that was refused and went out all the same is found with the case that sent it', async () => {
  const refused = ended(1, call('stranger'));
  const one = arrival(7);
  const { of } = attribute([one], scene([[refused, new Map()]]));
  expect([...of]).toEqual([[refused, [one]]]);
  const faults = await judge(refused, new Map(), [one], WORLD);
  expect(faults).toContain('forwarded: 1 of 0 decided calls');
  expect(faults).toContain('forwarded: for a token that no issuer makes');
});

test('a request that no case sent is with none of them, now and later', () => {
  const other = ended(1, call('full').replace('/models', '/datasets'));
  const marked = ended(2, call('full', MARK));
  const rows = [
    [other, allowed('full')],
    [marked, allowed('full')],
  ] as const;
  expect(attribute([arrival(7)], scene(rows))).toEqual({ of: new Map(), open: [] });
});

test('an answer that another caller hears is found there', async () => {
  const robbed = ended(1, call('full', MARK));
  const hearer = ended(2, call('full', MARK), [[7, callId(0)]]);
  const one = arrival(7, 'user-agent: fuzz-1-1\r\n');
  const { of } = attribute(
    [one],
    scene([
      [robbed, allowed('full')],
      [hearer, allowed('full')],
    ]),
  );
  const faults = await judge(hearer, allowed('full'), of.get(hearer) ?? [], WORLD);
  expect(faults).toEqual(['forwarded: GET /models, which the caller did not send so']);
});

test('two calls of one connection that differ only in who makes them have a decision each', async () => {
  const both = [
    [7, callId(0)],
    [8, callId(1)],
  ] as const;
  const played = ended(1, call('reader') + call('full'), both);
  const arrived = [arrival(8), arrival(7)];
  expect(await judge(played, allowed('reader', 'full'), arrived, WORLD)).toEqual([]);
  expect(await judge(played, allowed('reader', 'reader'), arrived, WORLD)).toContain(
    'forwarded: without its decision',
  );
});

test('an answer that comes back with the id of another call is found', async () => {
  const played = ended(1, call('reader') + call('full'), [
    [7, callId(0)],
    [8, callId(0)],
  ]);
  expect(await judge(played, allowed('reader', 'full'), [arrival(7), arrival(8)], WORLD)).toContain(
    'forwarded: without its decision',
  );
});

test('a decision for one caller does not cover the second request of another', async () => {
  const played = ended(1, call('reader') + call('reader'));
  expect(await judge(played, allowed('reader', 'full'), [arrival(7), arrival(8)], WORLD)).toEqual([
    'forwarded: without its decision',
  ]);
});
