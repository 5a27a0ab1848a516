import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { loadOrCreateClients, loadOrCreateIssuerKeys } from '../src/index.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'secrets-'));
  return () => rm(folder, { recursive: true });
});

const modeOf = async (file: string) => (await stat(file)).mode & 0o777;

const kinds = [
  ['issuer keys', (file: string) => loadOrCreateIssuerKeys(file)],
  ['client secrets', (file: string) => loadOrCreateClients(file, ['reader'])],
] as const;

describe.each(kinds)('%s', (_, load) => {
  it('are made at the first start, for the owner alone, and nothing lies beside them', async () => {
    const file = join(folder, 'new', 'secrets.json');
    await load(file);
    expect(await modeOf(file)).toBe(0o600);
    expect(await modeOf(join(folder, 'new'))).toBe(0o700);
    expect(await readdir(join(folder, 'new'))).toEqual(['secrets.json']);
  });

  it('are the same at the second start', async () => {
    const file = join(folder, 'secrets.json');
    const first = await load(file);
    const text = await readFile(file, 'utf8');
    expect(await load(file)).toEqual(first);
    expect(await readFile(file, 'utf8')).toBe(text);
  });

  it.each([0o644, 0o640, 0o604, 0o620])(
    'that others may use (mode %o) are refused, in words that say what to do',
    async (mode) => {
      const file = join(folder, 'secrets.json');
      await load(file);
      await chmod(file, mode);
      await expect(load(file)).rejects.toThrow(`${file}: has mode 0${mode.toString(8)}`);
      await expect(load(file)).rejects.toThrow('chmod 600');
    },
  );

  it.each([
    '',
    'garbage',
    '{}',
    '{"keys":[],"clients":[{}]}',
    '{"keys":[{"kty":"EC"}],"clients":7}',
    '{"a":1,"a":1}',
  ])('that hold %j are refused and left as they are', async (text) => {
    const file = join(folder, 'secrets.json');
    await writeFile(file, text, { mode: 0o600 });
    await expect(load(file)).rejects.toMatchObject({
      name: 'SecretFileError',
      message: expect.stringContaining(file),
    });
    expect(await readFile(file, 'utf8')).toBe(text);
  });

  it('a folder in their place is refused', async () => {
    await expect(load(folder)).rejects.toThrow('is not a plain file');
  });
});

it('two first starts at once end with the same issuer keys', async () => {
  const file = join(folder, 'keys.json');
  const [first, second] = await Promise.all([loadOrCreateIssuerKeys(file), loadOrCreateIssuerKeys(file)]);
  expect(first).toEqual(second);
  expect(await readdir(folder)).toEqual(['keys.json']);
});

it('an issuer key that says another algorithm than its curve, or has no private part, is refused', async () => {
  const file = join(folder, 'keys.json');
  const { jwks } = await loadOrCreateIssuerKeys(file);
  for (const change of [{ alg: 'RS256' }, { d: undefined }, { kid: '' }, { crv: 'P-384' }, { x: 'AAAA' }]) {
    await writeFile(file, JSON.stringify({ keys: [{ ...jwks[0], ...change }] }));
    await expect(loadOrCreateIssuerKeys(file)).rejects.toThrow('key 1 is no private ES256 or EdDSA key');
  }
  await writeFile(file, JSON.stringify({ keys: [jwks[0], jwks[0]] }));
  await expect(loadOrCreateIssuerKeys(file)).rejects.toThrow('two keys have one kid');
});

it('clients added later get a secret; those there before keep theirs, also when left out for a while', async () => {
  const file = join(folder, 'clients.json');
  const [reader] = await loadOrCreateClients(file, ['reader']);
  const [writer] = await loadOrCreateClients(file, ['writer']);
  expect(await loadOrCreateClients(file, ['writer', 'reader'])).toEqual([writer, reader]);
  expect(reader?.client_secret).toMatch(/^[\w-]{43}$/);
  expect(reader?.client_secret).not.toBe(writer?.client_secret);
});
