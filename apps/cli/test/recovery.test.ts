import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import {
  emulatorPid,
  freePorts,
  generate,
  newFolder,
  postgresPid,
  processesOf,
  type Product,
  start,
  stop,
  token,
} from './running-product.ts';

const NOBODY = 65_534;
const asRoot = process.getuid?.() === 0;

const users: readonly [string, number | undefined][] = asRoot
  ? [
      ['root', undefined],
      ['an ordinary user', NOBODY],
    ]
  : [['an ordinary user', undefined]];

describe.each(users)('run by %s', (_, uid) => {
  test('the database and the emulator come back by themselves when they are killed', async () => {
    const data = newFolder();
    if (uid !== undefined) chownSync(data, uid, uid);
    const product = await start({ data, ...(uid === undefined ? {} : { uid }) });
    const bearer = await token(product, 'writer');
    await succeeds(product, bearer);
    for (const victim of [postgresPid(product), emulatorPid(product)]) {
      process.kill(victim, 'SIGKILL');
      await succeeds(product, bearer);
    }
    await vi.waitUntil(() => /Postgres runs again/.test(product.stdout()), { timeout: 5000 });
    expect(product.stdout()).toContain('the emulator died; it is started again');
    expect(await stop(product)).toBe(0);
    expect(product.stderr()).toBe('');
    expect(processesOf(data)).toEqual([]);
  });
});

test('an emulator that was taken over from a killed run comes back as well, and what was killed leaves nothing', async () => {
  const data = newFolder();
  const port = await freePorts();
  const first = await start({ data, port });
  const emulator = emulatorPid(first);
  first.child.kill('SIGKILL');
  await first.ended;
  const second = await start({ data, port });
  expect(emulatorPid(second)).toBe(emulator);
  process.kill(emulator, 'SIGKILL');
  await vi.waitUntil(() => emulatorPid(second) !== emulator, { timeout: 5000, interval: 20 });
  await succeeds(second, await token(second, 'writer'));
  second.child.kill('SIGKILL');
  await second.ended;
  // The next run serves another environment, on other ports: what the killed one left is ended all the same.
  const left = [postgresPid(second), emulatorPid(second)];
  const third = await start({ data, env: { IDEOGATE_ENVIRONMENT: 'development' } });
  expect(
    left.filter(
      (pid) => existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '',
    ),
  ).toEqual([]);
  expect(await stop(third)).toBe(0);
  expect(processesOf(data)).toEqual([]);
});

test('below a folder that only its owner may pass it runs, and the banner says where the database is', async () => {
  const closed = newFolder(0o700);
  const data = join(closed, 'data');
  mkdirSync(data);
  chmodSync(closed, 0o700);
  const product = await start({ data });
  await succeeds(product, await token(product, 'writer'));
  if (asRoot)
    expect(product.stdout()).toMatch(
      / {2}note {6}The database lives in \/var\/lib\/ideogate\/\S+: Postgres runs as nobody/,
    );
  else expect(product.stdout()).not.toContain('  note ');
  expect(await stop(product)).toBe(0);
  const elsewhere = /\/var\/lib\/ideogate\/[0-9a-f-]+/.exec(product.stdout())?.[0];
  if (elsewhere !== undefined) rmSync(elsewhere, { recursive: true });
});

/** The next calls may meet the fault; soon one succeeds, and those before it were told to wait or to try again. */
async function succeeds(product: Product, bearer: string): Promise<void> {
  await vi.waitUntil(
    async () => {
      const response = await generate(product, bearer);
      await response.arrayBuffer();
      if (response.status !== 200) expect([502, 503]).toContain(response.status);
      if (response.status === 503) expect(response.headers.get('retry-after')).not.toBeNull();
      return response.status === 200;
    },
    { timeout: 15_000, interval: 50 },
  );
}
