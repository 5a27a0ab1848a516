import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { expect, test } from 'vitest';
import { isLoopback, NotLoopbackError, requireLoopback } from '../src/index.ts';

const HOSTS: readonly [host: string, loopback: boolean][] = [
  ['127.0.0.1', true],
  ['127.1.2.3', true],
  ['localhost', true],
  ['issuer.localhost', true],
  ['::1', true],
  ['[::1]', true],
  ['::ffff:127.0.0.1', true],
  ['api.ideogram.ai', false],
  ['127.0.0.1.example.com', false],
  ['localhost.example.com', false],
  ['0.0.0.0', false],
  ['128.0.0.1', false],
  ['169.254.169.254', false],
  ['::', false],
  ['::ffff:10.0.0.1', false],
  ['', false],
];

test.each(HOSTS)('%s as loopback: %s', (host, loopback) => {
  expect(isLoopback(host)).toBe(loopback);
});

test('trap 39: a test that is given the real Ideogram as upstream stops before it starts', () => {
  expect(() => requireLoopback('https://api.ideogram.ai')).toThrow(NotLoopbackError);
  expect(requireLoopback('http://127.0.0.1:8790/v1').port).toBe('8790');
});

const WAYS: Readonly<Record<string, () => Promise<unknown>>> = {
  fetch: () => fetch('https://api.ideogram.ai/v1'),
  'net with options': () => failure(connect({ host: 'api.ideogram.ai', port: 443 })),
  'net with port and host': () => failure(connect(443, 'api.ideogram.ai')),
  tls: () => failure(connectTls({ host: 'api.ideogram.ai', port: 443 })),
};

test.each(Object.keys(WAYS))(
  'a connection to another machine by %s fails without leaving this one',
  async (way) => {
    const error: unknown = await WAYS[way]?.().catch((caught: unknown) => caught);
    const cause = error instanceof TypeError ? error.cause : error;
    expect(cause).toBeInstanceOf(NotLoopbackError);
  },
);

function failure(socket: ReturnType<typeof connect>): Promise<never> {
  return new Promise((_, reject) => {
    socket.once('error', reject);
  });
}
