import { createHash, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  deflateRawSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  zstdCompressSync,
} from 'node:zlib';
import { FAKE_KEYS, type TestGateway } from '@ideogate/testkit';
import { beforeAll, describe, expect, test } from 'vitest';
import { bodyOf, callFrom, callIdOf, postJson } from './raw-caller.ts';
import { type RawUpstream, startBeforeRaw } from './raw-upstream.ts';

const GENERATE = '/v1/ideogram-v3/generate';
const ANSWER = JSON.stringify({
  data: [{ url: 'https://example.com/a.png', is_image_safe: false, seed: 1 }],
});

let gateway: TestGateway;
let upstream: RawUpstream;
let token: string;

beforeAll(async () => {
  const started = await startBeforeRaw({ IDEOGATE_MAX_ANSWER_BYTES: '8388608' });
  ({ gateway, upstream, token } = started);
  return started.close;
});

type Encode = (bytes: Buffer) => Buffer;

const CODINGS: readonly [coding: string, encode: Encode][] = [
  ['gzip', gzipSync],
  ['x-gzip', gzipSync],
  ['GZip', gzipSync],
  ['deflate', deflateSync],
  ['deflate', deflateRawSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
  ['identity, gzip', gzipSync],
  ['gzip, br', (bytes) => brotliCompressSync(gzipSync(bytes))],
  ['br, gzip', (bytes) => gzipSync(brotliCompressSync(bytes))],
  ['zstd, deflate, gzip', (bytes) => gzipSync(deflateSync(zstdCompressSync(bytes)))],
  ['gzip, gzip, gzip, gzip', (bytes) => gzipSync(gzipSync(gzipSync(gzipSync(bytes))))],
  ['gzip\r\nContent-Encoding: br', (bytes) => brotliCompressSync(gzipSync(bytes))],
  ['gzip', (bytes) => gzipSync(bytes, { level: 0 })],
  ['gzip', (bytes) => Buffer.concat([gzipSync(bytes.subarray(0, 20)), gzipSync(bytes.subarray(20))])],
];

/** Answers with these fields and these pieces of a body, each in a packet of its own. */
function answerWith(coding: string, pieces: readonly Buffer[], more = ''): void {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const answered = new WeakSet();
  upstream.behave((socket, all) => {
    if (!all.includes('\r\n\r\n') || answered.has(socket)) return;
    answered.add(socket);
    socket.setNoDelay(true);
    socket.write(
      `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: ${coding}\r\n${more}Content-Length: ${length}\r\n\r\n`,
    );
    const next = (at: number) => {
      const piece = pieces[at];
      if (piece !== undefined && !socket.destroyed) socket.write(piece, () => setImmediate(next, at + 1));
    };
    next(0);
  });
}

function inPieces(bytes: Buffer, size: number): readonly Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  );
}

async function ask() {
  const caller = await callFrom(gateway.port, postJson(GENERATE, token, { prompt: 'a lighthouse' }));
  const answer = await caller.closed;
  const body = Buffer.from(bodyOf(answer), 'latin1');
  return { answer, body, status: Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]), id: callIdOf(answer) };
}

describe.each(CODINGS)('an answer in %s that nobody asked for', (coding, encode) => {
  test.each([1, 7, 100_000])(
    'passes byte for byte and is read for the record, in pieces of %i (D.45)',
    async (size) => {
      const bytes = encode(Buffer.from(ANSWER));
      answerWith(coding, inPieces(bytes, size));
      const { status, body, answer, id } = await ask();
      expect(status).toBe(200);
      expect(answer.toLowerCase()).toContain(
        `content-encoding: ${coding.toLowerCase().replace('\r\ncontent-encoding: ', ', ')}\r\n`,
      );
      expect(body.equals(bytes)).toBe(true);
      expect(await gateway.call(id)).toMatchObject({
        outcome: 'completed',
        reason: null,
        images: 1,
        safe: false,
        bytesReceived: bytes.length,
      });
    },
  );

  test.each([1, 7, 100_000])(
    'is cut before a key in it is complete, in pieces of %i (F.58)',
    async (size) => {
      const key = Buffer.from(FAKE_KEYS.write).toString('hex');
      const bytes = encode(
        Buffer.from(`{"data":[],"a":"${key}","b":"${randomBytes(99).toString('base64')}"}`),
      );
      answerWith(coding, inPieces(bytes, size));
      const { body, id, status } = await ask();
      expect(await gateway.call(id)).toMatchObject({ outcome: 'cut', reason: 'key-in-body' });
      if (status === 502) expect(body.toString()).toContain('"code":"upstream-leak"');
      else expect(body.length).toBeLessThan(bytes.length);
      // Who decodes what did come finds no beginning of it.
      expect(decodedSoFar(coding, body)).not.toContain(key.slice(0, 4));
      if (coding.includes('zstd')) expect(status).toBe(502);
    },
  );
});

/** What a reader makes of the first part of an answer in one coding. */
function decodedSoFar(coding: string, body: Buffer): string {
  if (body.includes('"code":"upstream-leak"')) return '';
  if (coding === 'gzip') return gunzipSync(body, { finishFlush: constants.Z_SYNC_FLUSH }).toString();
  if (coding !== 'br') return '';
  return brotliDecompressSync(body, { finishFlush: constants.BROTLI_OPERATION_FLUSH }).toString();
}

test('a large answer in a coding passes byte for byte', async () => {
  const text = JSON.stringify({ data: [], more: randomBytes(2_000_000).toString('base64') });
  const bytes = gzipSync(text);
  answerWith('gzip', [bytes]);
  const { body, id } = await ask();
  const digest = (of: Buffer) => createHash('sha256').update(of).digest('hex');
  expect(digest(body)).toBe(digest(bytes));
  expect(await gateway.call(id)).toMatchObject({ outcome: 'completed', images: null });
});

test('an empty answer in a coding passes', async () => {
  answerWith('gzip', []);
  expect(await ask()).toMatchObject({ status: 200, body: Buffer.alloc(0) });
});

test.each<[string, string, string]>([
  ['compress', '', 'answer-coding-unknown'],
  ['aes128gcm', '', 'answer-coding-unknown'],
  ['gzip, dcb', '', 'answer-coding-unknown'],
  ['constructor', '', 'answer-coding-unknown'],
  ['gzip;q=1', '', 'answer-coding-unknown'],
  ['gzip, gzip, gzip, gzip, gzip', '', 'answer-coding-unknown'],
])(
  'an answer in %s, which nobody here can undo, is 502 before its first byte',
  async (coding, more, reason) => {
    answerWith(coding, [Buffer.from(ANSWER)], more);
    const { status, body, id } = await ask();
    expect(status).toBe(502);
    expect(body.toString()).toContain('"code":"upstream-invalid"');
    expect(await gateway.call(id)).toMatchObject({ outcome: 'failed', reason });
  },
);

test('sixteen codings are undone at a time, an answer that needs more is 502, and room comes back', async () => {
  const whole = gzipSync(gzipSync(gzipSync(gzipSync(ANSWER))));
  const waiting: Socket[] = [];
  upstream.behave((socket, all) => {
    if (!all.includes('\r\n\r\n') || waiting.includes(socket)) return;
    waiting.push(socket);
    socket.write(
      `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip, gzip, gzip, gzip\r\nContent-Length: ${whole.length}\r\n\r\n`,
    );
    // All but the last byte: the first of it goes out once the answer is being decoded.
    socket.write(whole.subarray(0, -1));
  });
  const held = await Promise.all(
    [1, 2, 3, 4].map(() => callFrom(gateway.port, postJson(GENERATE, token, { prompt: 'a lighthouse' }))),
  );
  await expect.poll(() => held.map((caller) => caller.heard())).not.toContain('');
  const { status, body, id } = await ask();
  expect([status, body.toString()]).toEqual([502, expect.stringContaining('"code":"upstream-invalid"')]);
  expect(await gateway.call(id)).toMatchObject({ outcome: 'failed', reason: 'coded-answers-full' });
  for (const socket of waiting) socket.write(whole.subarray(-1));
  for (const { closed } of held) expect(await closed).toContain('HTTP/1.1 200 OK');
  answerWith('br', [brotliCompressSync(ANSWER)]);
  expect(await ask()).toMatchObject({ status: 200 });
});

test('nothing passes of what follows after the end of a coded answer', async () => {
  const first = deflateSync(ANSWER);
  answerWith('deflate', inPieces(Buffer.concat([first, deflateSync(FAKE_KEYS.write)]), 7));
  const { body, id } = await ask();
  expect(body.length).toBeLessThanOrEqual(first.length);
  expect(await gateway.call(id)).toMatchObject({ outcome: 'cut', reason: 'answer-coding-broken' });
});

const ZEROS = Buffer.alloc(64 * 1024 * 1024);
test.each<[string, string, Buffer, string]>([
  ['is not what it says', 'gzip', Buffer.from(ANSWER), 'answer-coding-broken'],
  ['ends too soon', 'gzip', gzipSync(ANSWER).subarray(0, -9), 'answer-coding-broken'],
  [
    'goes on after its end',
    'deflate',
    Buffer.concat([deflateSync(ANSWER), deflateSync(ANSWER)]),
    'answer-coding-broken',
  ],
  [
    'goes on after its end',
    'br',
    Buffer.concat([brotliCompressSync(ANSWER), Buffer.from('x')]),
    'answer-coding-broken',
  ],
  [
    'has zeros after its end',
    'gzip',
    Buffer.concat([gzipSync(ANSWER), Buffer.alloc(9)]),
    'answer-coding-broken',
  ],
  [
    'wants a window that no decoder need take',
    'zstd',
    zstdCompressSync(ANSWER, {
      params: { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_contentSizeFlag]: 0 },
    }).fill(0x88, 5, 6),
    'answer-coding-broken',
  ],
  ['is a bomb', 'gzip', gzipSync(ZEROS), 'answer-too-large'],
  [
    'is a bomb',
    'br',
    brotliCompressSync(ZEROS, { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } }),
    'answer-too-large',
  ],
  ['is a bomb', 'zstd', zstdCompressSync(ZEROS), 'answer-too-large'],
  ['is a bomb in a bomb', 'gzip, gzip', gzipSync(gzipSync(ZEROS)), 'answer-too-large'],
  [
    'grows past the bound of answers',
    'gzip',
    gzipSync(Buffer.from(randomBytes(5_000_000).toString('hex'))),
    'answer-too-large',
  ],
])(
  'a coded answer that %s (%s) never looks whole, and is a failure on record (D.45)',
  async (_, coding, bytes, reason) => {
    answerWith(coding, inPieces(bytes, 16_384));
    let slowest = 0;
    let last = performance.now();
    const beat = setInterval(() => {
      slowest = Math.max(slowest, performance.now() - last);
      last = performance.now();
    }, 5);
    const before = process.memoryUsage().rss;
    const { body, id, status } = await ask();
    clearInterval(beat);
    if (status === 502) expect(body.toString()).toContain('"code":"upstream-invalid"');
    else expect(body.length).toBeLessThan(bytes.length);
    expect(await gateway.call(id)).toMatchObject({ result: 'failure', problem: 'upstream-invalid', reason });
    // Loop and memory are this process's, with gateway, caller and upstream in it.
    expect(slowest).toBeLessThan(250);
    expect(process.memoryUsage().rss - before).toBeLessThan(48 * 1024 * 1024);
  },
);
