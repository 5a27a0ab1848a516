import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  followRequestLines,
  goOn,
  holdBack,
  requestLineFault,
  takeRequestLine,
} from '../src/edge/request-lines.ts';

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
