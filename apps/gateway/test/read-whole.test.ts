import { createServer, request as ask } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readWhole } from '../src/edge/read-whole.ts';
import type { Refusal } from '../src/refusal.ts';

const TOO_LARGE: Refusal = { problem: 'body-too-large', reason: 'json-size' };
const BROKEN: Refusal = { problem: 'invalid-body', reason: 'json-malformed' };

type Look = Parameters<typeof readWhole>[3];
let look: Look;

const server = createServer((request, response) => {
  readWhole(request, 200_000, TOO_LARGE, look).then(
    (body) => response.end(Buffer.isBuffer(body) ? body : body.reason),
    (error: unknown) => response.end(`failed: ${String(error)}`),
  );
});
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => server.close());

async function send(pieces: readonly string[]): Promise<string> {
  const { port } = server.address() as AddressInfo; // as: it listens on TCP
  const request = ask({ port, host: '127.0.0.1', method: 'POST' });
  for (const piece of pieces) {
    request.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  request.end();
  const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream]; // as: what the event brings
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return text;
}

/** Takes some turns of the loop for each chunk: all others, and the end, come meanwhile. */
const slowly = (answer: Refusal | null) => async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  return answer;
};

const bodies: readonly [what: string, pieces: readonly string[]][] = [
  ['one small piece', ['{"prompt":"a hen"}']],
  ['many pieces', Array.from({ length: 50 }, (_, at) => `${at},`)],
  ['large pieces', ['a'.repeat(90_000), 'b'.repeat(90_000)]],
  ['nothing', []],
];

test.each(bodies)(
  'nothing of a body is lost, whoever looks at it and for how long: %s',
  async (_, pieces) => {
    look = () => null;
    expect(await send(pieces)).toBe(pieces.join(''));
    look = slowly(null);
    expect(await send(pieces)).toBe(pieces.join(''));
  },
);

test('the first refusal ends it, also one that takes its time, and what is too large is not looked at', async () => {
  look = () => BROKEN;
  expect(await send(['a'])).toBe('json-malformed');
  look = slowly(BROKEN);
  expect(await send(['a', 'b'])).toBe('json-malformed');
  look = slowly(null);
  expect(await send(['a'.repeat(150_000), 'b'.repeat(150_000)])).toBe('json-size');
  look = () => Promise.reject(new Error('ours'));
  expect(await send(['a'])).toBe('failed: Error: ours');
});
