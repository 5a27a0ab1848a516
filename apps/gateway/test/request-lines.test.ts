import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { collectGarbage } from '@ideogate/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { UNKNOWN_ORIGIN } from '../src/edge/caller-address.ts';
import { connectionOf, openConnection } from '../src/edge/connection.ts';
import { requestLineFault } from '../src/edge/request-lines.ts';

/** The lines of a connection that is followed. */
const linesOf = (socket: Socket) => connectionOf(socket)?.requestLines;
const followRequestLines = (socket: Socket) => void openConnection(socket, UNKNOWN_ORIGIN);
const takeRequestLine = (request: IncomingMessage) => linesOf(request.socket)?.take(request) ?? null;
const holdBack = (socket: Socket) => linesOf(socket)?.holdBack();
const goOn = (socket: Socket) => linesOf(socket)?.goOn();

/*
 * Node's own parser on a socket, and the reader beside it: whatever the messages are, and wherever the network breaks
 * them, each request has the line that it was sent with.
 */

let server: Server;
let seen: (string | null)[] = [];
let faults: (string | null)[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    const line = takeRequestLine(request);
    seen.push(line);
    faults.push(requestLineFault(line, request));
    request.resume().once('end', () => response.end());
  });
  server.on('connection', followRequestLines);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => server.close());

/** Writes the pieces one by one, and waits until the server has ended the connection or answered that often. */
async function send(pieces: readonly string[], answers: number): Promise<void> {
  seen = [];
  faults = [];
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1'); // as: it listens on a port
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  let heard = '';
  const done = new Promise<void>((resolve) => {
    socket.on('close', () => resolve());
    socket.on('data', (piece: Buffer) => {
      heard += piece.toString('latin1');
      if (heard.split('HTTP/1.1 200').length > answers) resolve();
    });
  });
  await once(socket, 'connect');
  for (const piece of pieces) {
    await new Promise<void>((resolve) => socket.write(piece, 'latin1', () => resolve()));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await done;
  socket.destroy();
}

/** The text, broken at the given places. */
function broken(text: string, places: readonly number[]): string[] {
  const cuts = [...new Set(places.map((place) => place % text.length))].sort((a, b) => a - b);
  return [...cuts, text.length]
    .map((cut, index) => text.slice(cuts[index - 1] ?? 0, cut))
    .filter((piece) => piece !== '');
}

const BODIES = [
  '',
  'Content-Length: 0\r\n\r\n',
  'Content-Length: 25\r\n\r\n\r\n\r\nGET /no HTTP/1.1\r\n\r\n\r',
  'Content-Length: 31\r\n\r\nGET /no RTSP/1.1\r\nHost: a\r\n\r\n..',
  'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'Transfer-Encoding: chunked\r\n\r\n1A\r\nGET /no HTTP/1.1\r\nA: b\r\n\r\n\r\n2;ext=a\r\n\r\n\r\n0\r\nTrailer: a\r\n\r\n',
];

const message = fc
  .record({
    blank: fc.constantFrom('', '\r\n', '\r\n\r\n'),
    target: fc.stringMatching(/^\/[a-z?=]{0,8}$/),
    fields: fc.array(fc.constantFrom('X-A: GET /no RTSP/1.1\r\n', 'B:\r\n', 'C: d\r\n'), { maxLength: 3 }),
    body: fc.constantFrom(...BODIES),
  })
  .map(({ blank, target, fields, body }) => {
    const line = `${body === '' ? 'GET' : 'POST'} ${target} HTTP/1.1`;
    const end = body === '' ? '\r\n' : body;
    return { line, text: `${blank}${line}\r\nHost: a\r\n${fields.join('')}${end}` };
  });

describe('the line of each request (STACK trap 40)', () => {
  test('is seen as it was sent, whatever comes before it and wherever it is broken', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        async (messages, places) => {
          const text = messages.map((one) => one.text).join('');
          await send(broken(text, places), messages.length);
          expect(seen).toEqual(messages.map(({ line }) => line));
          expect(faults).toEqual(messages.map(() => null));
        },
      ),
      { numRuns: 150 },
    );
  });

  test('of another protocol is known for it behind any message, wherever it is broken', async () => {
    const foreign = fc.constantFrom(
      'GET / RTSP/1.1',
      'DESCRIBE / RTSP/1.0',
      'POST / RTSP/1.1',
      'SOURCE / ICE/1.1',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { maxLength: 3 }),
        foreign,
        fc.array(fc.nat(), { maxLength: 12 }),
        async (messages, line, places) => {
          const text = `${messages.map((one) => one.text).join('')}${line}\r\nHost: a\r\nConnection: close\r\n\r\n`;
          await send(broken(text, places), messages.length + 1);
          expect(faults).toEqual([...messages.map(() => null), 'protocol']);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('is the only one that the parser is given, however many came with it, once the connection is held back (H.62)', async () => {
    let begun = 0;
    const inOneGo: number[] = [];
    const pausing = createServer((request, response) => {
      takeRequestLine(request);
      begun++;
      const { socket: connection } = request;
      holdBack(connection);
      setImmediate(() => {
        inOneGo.push(begun);
        begun = 0;
        response.end();
        goOn(connection);
      });
    });
    pausing.on('connection', followRequestLines);
    pausing.listen(0, '127.0.0.1');
    await once(pausing, 'listening');
    const socket = connect((pausing.address() as AddressInfo).port, '127.0.0.1'); // as: it listens on a port
    const COUNT = 500;
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(COUNT));
    let heard = '';
    for await (const piece of socket) {
      heard += String(piece);
      if (heard.split('HTTP/1.1 200').length > COUNT) break;
    }
    pausing.close();
    expect(inOneGo).toEqual(Array.from({ length: COUNT }, () => 1));
  });

  /** A server whose connections are followed, and a peer of it. */
  async function peerOf(onRequest: RequestListener): Promise<{ peer: Socket; close: () => void }> {
    const followed = createServer(onRequest);
    followed.on('connection', followRequestLines);
    followed.listen(0, '127.0.0.1');
    await once(followed, 'listening');
    const peer = connect((followed.address() as AddressInfo).port, '127.0.0.1'); // as: it listens on a port
    peer.on('error', () => undefined);
    await once(peer, 'connect');
    const close = () => {
      peer.destroy();
      followed.close();
    };
    return { peer, close };
  }

  const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
  const MEBIBYTE = 1_048_576;

  /** Writes so many mebibytes of the text, then a request, and waits for its answer. */
  async function flood(text: string, mebibytes: number): Promise<number> {
    let ended = 0;
    let connection: Socket | null = null;
    const { peer, close } = await peerOf((request, response) => {
      takeRequestLine(request);
      connection = request.socket;
      response.end();
      ended++;
    });
    try {
      peer.resume().write(GET);
      await expect.poll(() => ended).toBe(1);
      collectGarbage();
      const before = process.memoryUsage().heapUsed;
      const block = Buffer.alloc(MEBIBYTE, text);
      for (let count = 0; count < mebibytes; count++)
        await new Promise<void>((resolve) => peer.write(block, () => resolve()));
      await expect
        .poll(() => connection?.bytesRead, { timeout: 20_000 })
        .toBe(GET.length + mebibytes * MEBIBYTE);
      collectGarbage();
      return process.memoryUsage().heapUsed - before;
    } finally {
      close();
    }
  }

  test('is not kept while it has no end, however many returns a peer sends', async () => {
    expect(await flood('\r', 32)).toBeLessThan(8 * MEBIBYTE);
  });

  test.each(['\n', '\r\n', '\r\r\n'])(
    'costs no text while there is none, however many of %j a peer sends',
    async (text) => {
      let connection: Socket | null = null;
      const { peer, close } = await peerOf((request, response) => {
        takeRequestLine(request);
        connection = request.socket;
        response.end();
      });
      peer.resume().write(GET);
      const socket = await vi.waitUntil(() => connection);
      const texts = vi.spyOn(Buffer.prototype, 'toString');
      for (let count = 0; count < 8; count++) socket.emit('data', Buffer.alloc(65_536, text));
      const made = texts.mock.calls.length;
      texts.mockRestore();
      close();
      expect(made).toBeLessThan(20);
    },
  );

  test('with a return before it that ends no line is no such line, wherever it is broken', async () => {
    for (const pieces of [
      ['\r', GET],
      ['\r\r\n', GET],
      ['\r', '\r', `\n${GET}`],
      ['\r\n\r', `\r\n\r\n${GET}`],
    ]) {
      await send(pieces, 1);
      expect(faults).toEqual(['request-line']);
    }
    await send(['\r', '\n\n', '\r', `\n${GET}`], 1);
    expect(faults).toEqual([null]);
  });

  test('is the last that the parser is given once it sees another head than we do', async () => {
    let begun = 0;
    const { peer, close } = await peerOf(({ socket }) => {
      // Nobody takes its line, as if the parser had told of it at another place.
      begun++;
      socket.once('end', () => (begun = begun === 1 ? -1 : begun));
    });
    peer.end(GET.repeat(500));
    await expect.poll(() => begun).toBe(-1);
    close();
  });

  test('and what comes while it is held back takes as much memory as it has bytes, however small the pieces are', async () => {
    let connection: Socket | null = null;
    const { peer, close } = await peerOf((request) => {
      takeRequestLine(request);
      connection = request.socket;
      holdBack(request.socket);
    });
    peer.write(GET);
    const socket = await vi.waitUntil(() => connection);
    collectGarbage();
    const { heapUsed, external } = process.memoryUsage();
    for (let count = 0; count < 60_000; count++) socket.emit('data', Buffer.alloc(1));
    collectGarbage();
    const now = process.memoryUsage();
    close();
    expect(now.heapUsed + now.external - heapUsed - external).toBeLessThan(MEBIBYTE);
  });

  test('is dropped with all that was held back when its peer has ended the connection meanwhile', async () => {
    const errors: unknown[] = [];
    let closed = false;
    const { peer, close } = await peerOf((request) => {
      takeRequestLine(request);
      const { socket } = request;
      holdBack(socket);
      socket.on('error', (error) => errors.push(error));
      socket.once('end', () => goOn(socket)).once('close', () => (closed = true));
    });
    peer.resume().end(GET + GET);
    await expect.poll(() => closed).toBe(true);
    expect(errors).toEqual([]);
    close();
  });

  test.each([
    ['GET /a HTTP/1.1', null],
    ['GET  /a HTTP/1.1', 'request-line'],
    ['GET /a  HTTP/1.1', 'request-line'],
    ['GET /b HTTP/1.1', 'request-line'],
    ['GET /a HTTP/1.0', 'request-line'],
    ['GET /a RTSP/1.1', 'protocol'],
    ['', 'protocol'],
    [null, 'request-line'],
  ])('%j for GET /a of HTTP/1.1 is %s', (line, fault) => {
    const request = { method: 'GET', url: '/a', httpVersion: '1.1' } as Parameters<
      typeof requestLineFault
    >[1]; // as: it reads no more
    expect(requestLineFault(line, request)).toBe(fault);
  });
});
