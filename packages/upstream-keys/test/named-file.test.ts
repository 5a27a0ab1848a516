import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readAtMost, readNamedFile } from '@ideogate/config';
import { readKeyFile } from '../src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'ideogate-named-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([0, 1, 65_535, 65_536, 65_537, 200_000])('a file of %i bytes is read whole', (size) => {
  const bytes = Buffer.alloc(size, 'ab');
  writeFileSync(join(folder, 'file'), bytes);
  expect(readNamedFile(join(folder, 'file'), size)).toEqual(bytes);
  if (size > 0) expect(() => readNamedFile(join(folder, 'file'), size - 1)).toThrow('too large');
});

test('a file without an end is no file, and where one may be given it is read no further than the bound', () => {
  expect(() => readNamedFile('/dev/zero')).toThrow('not a plain file');
  const zero = openSync('/dev/zero', 'r');
  expect(() => readAtMost(zero, 4096)).toThrow('too large');
  closeSync(zero);
});

test('a pipe that nobody writes into holds nobody up', () => {
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  expect(() => readNamedFile(join(folder, 'pipe'))).toThrow('not a plain file');
});

test.each(['/dev/zero', '/dev/null', tmpdir()])('%s is no key, and the error says what it is', (file) => {
  expect(() => readKeyFile(file, 'IDEOGRAM_API_KEY_FILE', 'fake-fingerprint-secret')).toThrow(
    `IDEOGRAM_API_KEY_FILE: ${file} cannot be read (not a plain file)`,
  );
});
