import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Relay, startRelay } from '@ideogate/testkit';

let server: Server;
let relay: Relay;
/** What the far side has heard, and its answer to everything: the same in capitals. */
let heard: string;

beforeEach(async () => {
  heard = '';
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      heard += bytes.toString();
      socket.write(bytes.toString().toUpperCase());
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // as: it listens on TCP
  relay = await startRelay({ host: '127.0.0.1', port });
});
afterEach(async () => {
  await relay.close();
  await new Promise((resolve) => server.close(resolve));
});

async function caller(): Promise<Socket> {
  const socket = connect(relay.port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

async function answer(socket: Socket): Promise<string> {
  const [bytes] = (await once(socket, 'data')) as [Buffer]; // as: no encoding is set
  return bytes.toString();
}

test('a question that is swallowed never arrives, and nothing after it on that connection', async () => {
  const socket = await caller();
  const swallowed = relay.atNext(Buffer.from('buy'), 'swallow-question');
  socket.write('ask ');
  expect(await answer(socket)).toBe('ASK ');
  socket.write('buy ');
  await swallowed;
  socket.write('ask again');
  const other = await caller();
  other.write('buy from another');
  expect(await answer(other)).toBe('BUY FROM ANOTHER');
  expect(heard).toBe('ask buy from another');
});

test('an answer that is swallowed belongs to a question that arrived', async () => {
  const socket = await caller();
  socket.on('data', () => expect.unreachable('the answer was swallowed'));
  const swallowed = relay.atNext(Buffer.from('buy'), 'swallow-answer');
  socket.write('buy');
  await swallowed;
  expect(heard).toBe('buy');
});

test('a reset is an error to both sides, and new connections are let through', async () => {
  const socket = await caller();
  socket.write('ask');
  await answer(socket);
  const closed = once(socket, 'close');
  relay.reset();
  await expect(closed).rejects.toMatchObject({ code: 'ECONNRESET' });
  const other = await caller();
  other.write('ask');
  expect(await answer(other)).toBe('ASK');
});
