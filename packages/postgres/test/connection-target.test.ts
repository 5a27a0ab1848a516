import { expect, test } from 'vitest';
import { connectionTarget } from '../src/index.ts';

test.each([
  ['postgres://u@db.example/x', 'db.example', 'none'],
  ['postgres://u@db.example/x?sslmode=disable', 'db.example', 'none'],
  ['postgres://u@db.example/x?sslmode=no-verify', 'db.example', 'unverified'],
  ['postgres://u@db.example/x?sslmode=verify-full', 'db.example', 'verified'],
  ['postgres://u@%2Fvar%2Frun%2Fpostgresql/x', '/var/run/postgresql', 'none'],
] as const)('%s is read as the driver reads it', (url, host, tls) => {
  expect(connectionTarget(url)).toEqual({ host, tls });
});
