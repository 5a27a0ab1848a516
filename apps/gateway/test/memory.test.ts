import type { Socket } from 'node:net';
import { collectGarbage, type TestGateway } from '@ideogate/testkit';
import { beforeAll, expect, test, vi } from 'vitest';
import { beginUpload, callFrom, callIdOf, type RawCaller } from './raw-caller.ts';
import { type RawUpstream, startBeforeRaw } from './raw-upstream.ts';

const REMIX = '/v1/ideogram-v3/remix';
const MEGABYTE = 1024 * 1024;
const SIZE = 45 * MEGABYTE;
/** Far more than the system's socket buffers take on both hops (`net.ipv4.tcp_rmem`, `tcp_wmem`: some 75 MB at most). */
const BEYOND_BUFFERS = 512 * MEGABYTE;
/** What is on the way through the gateway, and garbage that is not swept yet. */
const ON_THE_WAY = 4 * MEGABYTE;
const END = '\r\n--XXXX--\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}';

/** One chunk for all uploads: what grows is the gateway's, not the test's. */
const CHUNK = Buffer.alloc(64 * 1024);

/** Bytes in buffers that are still in use. */
function bytesHeld(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

let gateway: TestGateway;
let upstream: RawUpstream;
let token: string;

beforeAll(async () => {
  const started = await startBeforeRaw({ IDEOGATE_MAX_BODY_BYTES: String(BEYOND_BUFFERS) });
  ({ gateway, upstream, token } = started);
  return started.close;
});

/** Sends the rest of an upload as fast as it is taken, and says how much that was. */
function pour(caller: RawCaller, bytes: number): { readonly sent: () => number } {
  let sent = 0;
  const more = () => {
    while (sent < bytes && !caller.socket.destroyed) {
      const piece = CHUNK.subarray(0, Math.min(CHUNK.length, bytes - sent));
      sent += piece.length;
      if (!caller.socket.write(piece)) {
        caller.socket.once('drain', more);
        return;
      }
    }
    caller.socket.write(END);
  };
  more();
  return { sent: () => sent - caller.socket.writableLength };
}

async function upload(size: number): Promise<{ readonly caller: RawCaller; readonly sent: () => number }> {
  const head = beginUpload(REMIX, token, size);
  const begun = head.length - head.indexOf('\r\n\r\n') - 4;
  const caller = await callFrom(gateway.port, head);
  return { caller, ...pour(caller, size - begun - END.length) };
}

test('an upload of 45 MB is nowhere held: just before its end, only what is on the way is in memory', async () => {
  const before = bytesHeld();
  let paused: Socket | undefined;
  upstream.behave((socket) => {
    if (upstream.bytes() > SIZE - MEGABYTE) paused ??= socket.pause();
    if (upstream.bytes() >= SIZE) socket.write(OK);
  });
  const { caller } = await upload(SIZE);
  await vi.waitUntil(() => paused !== undefined, { timeout: 10_000, interval: 5 });
  // Garbage is swept in its own time; what is held stays held.
  await vi.waitUntil(() => bytesHeld() - before < ON_THE_WAY, { timeout: 5000, interval: 50 });
  paused?.resume();
  const answer = await caller.closed;
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(await gateway.call(callIdOf(answer))).toMatchObject({ outcome: 'completed', bytesSent: SIZE });
});

test('a slow Ideogram slows its caller down: the gateway does not read what it cannot send', async () => {
  const before = bytesHeld();
  let stuck: Socket | undefined;
  upstream.behave((socket, all) => {
    // Not on a connection that still brings the rest of an upload before this one.
    if (all.startsWith('POST ')) stuck ??= socket.pause();
  });
  const { caller, sent } = await upload(BEYOND_BUFFERS);
  await vi.waitUntil(() => stuck !== undefined, { timeout: 5000, interval: 5 });
  // It stands still: the same number at two looks.
  let last = -1;
  await vi.waitUntil(
    () => {
      const still = sent() === last;
      last = sent();
      return still;
    },
    { timeout: 30_000, interval: 200 },
  );
  // How much the system's buffers took is the system's affair; the gateway took none of it.
  await vi.waitUntil(() => bytesHeld() - before < ON_THE_WAY, { timeout: 5000, interval: 50 });
  expect(sent()).toBeLessThan(BEYOND_BUFFERS / 2);
  caller.socket.destroy();
  stuck?.resume();
  const { length } = await gateway.calls();
  const calls = await gateway.ended(length);
  expect(calls.at(-1)).toMatchObject({ outcome: 'aborted', reason: 'caller-left' });
});
