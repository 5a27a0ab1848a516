import { expect, test } from 'vitest';
import { isLoopback } from '../src/index.ts';

test.each(['localhost', '127.0.0.1', '127.255.255.254', '::1', '[::1]', new URL('http://0x7f.1/').hostname])(
  '%s is this machine',
  (host) => {
    expect(isLoopback(host)).toBe(true);
  },
);

test.each([
  'localhost.example',
  'xlocalhost',
  '127.0.0.1.example',
  '127.0.0.256',
  '127.0.1',
  '128.0.0.1',
  '0.0.0.0',
  '::',
  '::ffff:127.0.0.1',
  '',
])('%j is not taken for this machine', (host) => {
  expect(isLoopback(host)).toBe(false);
});
