import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { KeyError, readKeyFile, watchKeyFile } from '../src/index.ts';

const FIRST = 'fake-first-key-MARKED-1';
const SECOND = 'fake-second-key-MARKED-2';
const SECRET = 'fake-fingerprint-secret';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ideogate-key-file-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const read = (file: string) => readKeyFile(file, 'IDEOGRAM_READ_KEY_FILE', SECRET);

function follow(file: string) {
  const ids: string[] = [];
  const faults: string[] = [];
  const watch = watchKeyFile({
    file,
    name: 'IDEOGRAM_READ_KEY_FILE',
    fingerprintSecret: SECRET,
    id: read(file).id,
    onKey: (key) => void ids.push(key.id),
    onFault: (fault) => void faults.push(fault.message),
  });
  return { ids, faults, ...watch };
}

test.each([
  ['', FIRST],
  ['a line end', `${FIRST}\n`],
  ['a line end of Windows', `${FIRST}\r\n`],
])('a key is read without what ends its line: %s', (_, content) => {
  writeFileSync(join(folder, 'key'), content);
  writeFileSync(join(folder, 'plain'), FIRST);
  expect(read(join(folder, 'key')).id).toBe(read(join(folder, 'plain')).id);
});

test.each([
  ['missing', null, /cannot be read \(ENOENT\)/],
  ['empty', '\n', /is missing/],
  ['of two lines', `${FIRST}\n${SECOND}\n`, /printable ASCII/],
  ['large', 'MARKED'.repeat(1000), /too large/],
  ['a token', 'eyJhbGciOiJub25lIn0.MARKED.', /is a token/],
])('a file that is %s stops the start, by name and without its content (F.57)', (_, content, message) => {
  const file = join(folder, 'key');
  if (content !== null) writeFileSync(file, content);
  expect(() => read(file)).toThrow(KeyError);
  expect(() => read(file)).toThrow(/^IDEOGRAM_READ_KEY_FILE: /);
  expect(() => read(file)).toThrow(message);
  expect(() => read(file)).not.toThrow(/MARKED/);
});

/** As Kubernetes does: `key` points into `..data`, which points to a folder that is swapped. */
function swapSymlink(content: string, generation: string): void {
  mkdirSync(join(folder, generation));
  writeFileSync(join(folder, generation, 'key'), content);
  symlinkSync(generation, join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
}

test.each([
  ['written in place', (file: string) => writeFileSync(file, SECOND)],
  [
    'replaced by another file',
    (file: string) => {
      writeFileSync(`${file}.new`, SECOND);
      renameSync(`${file}.new`, file);
    },
  ],
])('a key that is %s is taken without a restart (F.59)', async (_, change) => {
  const file = join(folder, 'key');
  writeFileSync(file, FIRST);
  const followed = follow(file);
  change(file);
  await vi.waitUntil(() => followed.ids.length > 0, { timeout: 5000 });
  expect([followed.ids, followed.faults]).toEqual([[read(file).id], []]);
  followed.stop();
});

test('a secret whose symlink Kubernetes swaps is taken without a restart (F.59)', async () => {
  swapSymlink(FIRST, 'one');
  const file = join(folder, 'key');
  symlinkSync(join('..data', 'key'), file);
  const followed = follow(file);
  swapSymlink(SECOND, 'two');
  await vi.waitUntil(() => followed.ids.length > 0, { timeout: 5000 });
  expect(followed.ids).toEqual([read(file).id]);
  followed.stop();
});

test('content that is no key is told of once, and nothing of it is taken; the next good one is', async () => {
  const file = join(folder, 'key');
  writeFileSync(file, FIRST);
  const followed = follow(file);
  writeFileSync(file, 'your-api-key');
  await vi.waitUntil(() => followed.faults.length > 0, { timeout: 5000 });
  expect([followed.ids, followed.faults]).toEqual([
    [],
    [`IDEOGRAM_READ_KEY_FILE: the content of ${file} is a placeholder`],
  ]);
  writeFileSync(file, SECOND);
  await vi.waitUntil(() => followed.ids.length > 0, { timeout: 5000 });
  expect(followed.faults).toHaveLength(1);
  followed.stop();
});
