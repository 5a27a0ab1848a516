import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  DataDirError,
  findLogin,
  makeInstallationKeys,
  readClients,
  readInstallationKey,
  readLogin,
  readOldSecrets,
  readRuntimeFile,
  removeLogin,
  writeLogin,
} from '../src/index.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ideogate-data-dir-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const modeOf = (name: string) => (statSync(join(dir, name)).mode & 0o777).toString(8);

test('each login is in a file of its own, for its owner alone', () => {
  writeLogin(dir, 'read', 'postgres://reader:fake-a@127.0.0.1/record');
  writeLogin(dir, 'append', 'postgres://writer:fake-b@127.0.0.1/record');
  expect(readLogin(dir, 'read')).toBe('postgres://reader:fake-a@127.0.0.1/record');
  expect([modeOf('logins'), modeOf('logins/read'), modeOf('logins/append')]).toEqual(['700', '600', '600']);
  expect(findLogin(dir, 'owner')).toBeNull();
  removeLogin(dir, 'read');
  expect(() => readLogin(dir, 'read')).toThrow(/logins\/read cannot be read \(ENOENT\)/);
});

test('an installation has all of its secrets or none, and keeps those it has', () => {
  makeInstallationKeys(dir, { prompt: 'fake-prompt-secret' });
  const fingerprint = readInstallationKey(dir, 'fingerprint');
  expect([readInstallationKey(dir, 'prompt'), fingerprint.length]).toEqual(['fake-prompt-secret', 32]);
  expect(readdirSync(join(dir, 'keys')).map((name) => modeOf(`keys/${name}`))).toEqual(
    Array.from({ length: 4 }, () => '600'),
  );
  makeInstallationKeys(dir);
  expect(readInstallationKey(dir, 'fingerprint')).toBe(fingerprint);
  expect(readdirSync(dir)).toEqual(['keys']);
});

test('what a start that was killed had made of the secrets is no copy that stays', () => {
  mkdirSync(join(dir, 'keys.tmp'), { mode: 0o700 });
  writeFileSync(join(dir, 'keys.tmp/prompt'), 'fake-prompt-secret\n', { mode: 0o600 });
  makeInstallationKeys(dir, { prompt: 'fake-prompt-secret' });
  expect(readdirSync(dir)).toEqual(['keys']);
  expect(readdirSync(join(dir, 'keys')).map((name) => modeOf(`keys/${name}`))).toEqual(
    Array.from({ length: 4 }, () => '600'),
  );
});

test('a secret that is lost later is not made anew: it is asked for', () => {
  makeInstallationKeys(dir);
  rmSync(join(dir, 'keys/prompt'));
  makeInstallationKeys(dir);
  expect(() => readInstallationKey(dir, 'prompt')).toThrow(
    /keys\/prompt cannot be read \(ENOENT\): restore it from a copy/,
  );
});

test.each([
  ['that is no JSON', '{"appendPassword": "MARKED"', /secrets\.json cannot be read/],
  ['that lacks one', '{"appendPassword": "MARKED"}', /secrets\.json lacks one of appendPassword, /],
])('an old file of secrets %s is named, without what is in it, and left as it is', (_, text, said) => {
  writeFileSync(join(dir, 'secrets.json'), text);
  const refusal = attempt(() => readOldSecrets(dir));
  expect(refusal).toBeInstanceOf(DataDirError);
  expect(String(refusal)).toMatch(said);
  expect(String(refusal)).not.toContain('MARKED');
  expect(readFileSync(join(dir, 'secrets.json'), 'utf8')).toBe(text);
  expect(existsSync(join(dir, 'keys'))).toBe(false);
});

test('clients are those that policy grants anything; the others are kept, and not told', () => {
  const clients = [
    { client_id: 'reader', client_secret: 'fake-a', scopes: ['read:*'] },
    { client_id: 'gone', client_secret: 'fake-b', scopes: [] },
    { client_id: 'older', client_secret: 'fake-c' },
  ];
  writeFileSync(join(dir, 'clients.json'), JSON.stringify({ clients }));
  expect(readClients(dir)).toEqual(clients.slice(0, 1));
});

test('where nothing runs, that is what is said', () => {
  expect(attempt(() => readRuntimeFile(dir))).toMatchObject({
    fault: 'not-running',
    message: expect.stringMatching(/ready\.json is not there: is Ideogate running\?/),
  });
});

function attempt(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
