import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEmulator, type Emulator } from '@ideogate/ideogram/emulator';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { cleanUp, generate, newFolder, type Product, start, token } from './running-product.ts';

const READ = 'fake-file-read-key-MARKED-1';
const [FIRST, SECOND] = ['fake-file-write-key-MARKED-1', 'fake-file-write-key-MARKED-2'];

let emulator: Emulator;
let product: Product;
let file: string;
beforeAll(async () => {
  emulator = await createEmulator({ keys: { read: [READ], write: [FIRST, SECOND] } });
  const folder = newFolder();
  file = join(folder, 'write-key');
  writeFileSync(join(folder, 'read-key'), `${READ}\n`);
  writeFileSync(file, `${FIRST}\n`);
  product = await start({
    env: {
      IDEOGRAM_BASE_URL: emulator.url,
      IDEOGRAM_READ_KEY_FILE: join(folder, 'read-key'),
      IDEOGRAM_WRITE_KEY_FILE: file,
    },
  });
}, 60_000);
afterAll(async () => {
  await cleanUp();
  await emulator?.close();
});

test('a key in a file is changed without a restart; content that is no key changes nothing (F.59)', async () => {
  const bearer = await token(product, 'writer');
  const says = (words: RegExp) => vi.waitUntil(() => words.test(product.stdout()), { timeout: 10_000 });
  const statuses = [(await generate(product, bearer)).status];
  writeFileSync(file, 'your-api-key');
  await says(/the new content of a file is no key/);
  statuses.push((await generate(product, bearer)).status);
  writeFileSync(file, `${SECOND}\n`);
  await says(/a file holds another key: it serves now/);
  statuses.push((await generate(product, bearer)).status);
  expect(statuses).toEqual([200, 200, 200]);
  const received = (await (await fetch(`${emulator.url}/-/received`)).json()) as {
    headers: [string, string][];
  }[]; // as: the emulator's own list
  const keys = received.map(({ headers }) => headers.find(([name]) => name.toLowerCase() === 'api-key')?.[1]);
  expect(keys).toEqual([FIRST, FIRST, SECOND]);
  expect(product.stdout()).not.toContain('MARKED');
});
