import { beforeAll, describe, expect, test } from 'vitest';
import {
  type AgeIdentity,
  ageIdentity,
  ageSealer,
  type KeyBinding,
  KeyError,
  keyIdOf,
  newAgeIdentity,
  sealKey,
} from '../src/index.ts';
import { openKey, resealKey } from '../src/sealing.ts';

const KEY = 'fake-write-key-MARKED-0001';
const SECRET = 'fake-fingerprint-secret';
const BINDING: KeyBinding = { environment: 'staging', slot: 'write', id: keyIdOf(Buffer.from(KEY), SECRET) };

let identity: AgeIdentity;
let other: AgeIdentity;
let sealed: Buffer;

beforeAll(async () => {
  identity = await ageIdentity(await newAgeIdentity(), 'a test file');
  other = await ageIdentity(await newAgeIdentity(), 'a test file');
  sealed = await sealKey(ageSealer(identity.recipients), BINDING, Buffer.from(KEY));
});

async function opened(opener: AgeIdentity, bytes: Uint8Array, binding = BINDING, secret = SECRET) {
  const key = await openKey(opener, binding, bytes, secret);
  const headers: Record<string, string> = {};
  key.setHeader(headers);
  return headers['api-key'];
}

test('what is sealed to a recipient opens with its identity, and does not show the key', async () => {
  expect(await opened(identity, sealed)).toBe(KEY);
  expect(sealed.includes('MARKED')).toBe(false);
});

test('sealing the same key twice gives two texts, and overwrites what it was given', async () => {
  const bytes = Buffer.from(KEY);
  const again = await sealKey(ageSealer(identity.recipients), BINDING, bytes);
  expect(again.equals(sealed)).toBe(false);
  expect(bytes.every((byte) => byte === 0)).toBe(true);
});

describe('a sealed key that is somewhere else than it was put opens for nobody (F.57, F.60):', () => {
  test.each<[string, Partial<KeyBinding>, RegExp]>([
    ['in another environment', { environment: 'production' }, /another place than write in production/],
    ['in the other slot', { slot: 'read' }, /another place than read in staging/],
    ['under another id', { id: 'key_0123456789abcdef' }, /another place/],
  ])('%s', async (_, change, message) => {
    const elsewhere = { ...BINDING, ...change };
    await expect(opened(identity, sealed, elsewhere)).rejects.toThrow(KeyError);
    await expect(opened(identity, sealed, elsewhere)).rejects.toThrow(message);
  });

  test('under the fingerprint secret of another installation', async () => {
    await expect(opened(identity, sealed, BINDING, 'fake-other')).rejects.toThrow(/key of another id/);
  });
});

test('another identity opens nothing, and a changed byte is noticed (F.60)', async () => {
  await expect(opened(other, sealed)).rejects.toThrow(/cannot be opened/);
  const changed = Buffer.from(sealed);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  await expect(opened(identity, changed)).rejects.toThrow(/cannot be opened/);
});

test('resealed to others, it opens for them and for those before no more', async () => {
  const again = await resealKey(identity, ageSealer(other.recipients), BINDING, sealed);
  expect(await opened(other, again)).toBe(KEY);
  await expect(opened(identity, again)).rejects.toThrow(/cannot be opened/);
});

test.each([
  ['an identity in a recipient’s place', () => ageSealer(['AGE-SECRET-KEY-1FAKE'])],
  ['no recipient', () => ageSealer([])],
  ['no identity', () => ageIdentity('# nothing\n', 'a test file')],
  ['what is no identity', () => ageIdentity('fake-MARKED-secret', 'a test file')],
])('%s is refused, and not shown', async (_, make) => {
  const failed = Promise.resolve().then((): unknown => make());
  await expect(failed).rejects.toThrow(KeyError);
  await expect(failed).rejects.not.toThrow(/MARKED|1FAKE/);
});
