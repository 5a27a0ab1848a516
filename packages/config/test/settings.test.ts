import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { readSettings, requireSettings, SETTINGS, SettingsError, shownSettings } from '../src/index.ts';
import type { Setting } from '../src/setting.ts';

const all: readonly Setting[] = Object.values(SETTINGS).flatMap((group) => Object.values(group));
const folder = mkdtempSync(join(tmpdir(), 'ideogate-settings-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}
const wordsOf = (environment: Record<string, string>) =>
  readSettings(environment).faults.map(({ words }) => words);

describe('the table', () => {
  test('names each variable once, says who reads it, and what it means in a sentence', () => {
    expect(all.length).toBeGreaterThan(80);
    expect(new Set(all.map(({ variable }) => variable)).size).toBe(all.length);
    for (const { variable, meaning, readBy } of all)
      expect([variable, readBy.length > 0, /^.+\.$/.test(meaning)]).toEqual([variable, true, true]);
  });

  test('has no default that is a fault', () => {
    const defaults = all.flatMap((setting) =>
      setting.type === 'secret' || setting.default === null ? [] : [[setting.variable, `${setting.default}`]],
    );
    expect(wordsOf(Object.fromEntries(defaults))).toEqual([]);
    expect(wordsOf({})).toEqual([]);
  });
});

describe('settings', () => {
  test('are typed values, each with where it comes from', () => {
    const { values, faults, originOf } = readSettings({
      IDEOGATE_ENVIRONMENT: 'production',
      IDEOGATE_PORT: '9000',
      IDEOGATE_TLS_CERT: '',
      REDIS_URL_FILE: file('redis', 'redis://127.0.0.1\n'),
    });
    expect(faults).toEqual([]);
    expect(values.general.environment).toBe('production');
    expect(values.general.port).toBe(9000);
    expect(values.listen.tlsCert).toBeNull();
    expect(values.listen.host).toBe('127.0.0.1');
    expect(values.general.redisUrl?.reveal()).toBe('redis://127.0.0.1');
    expect(originOf('IDEOGATE_PORT')).toEqual({ kind: 'environment' });
    expect(originOf('IDEOGATE_TLS_CERT')).toEqual({ kind: 'default' });
    expect(originOf('REDIS_URL')).toEqual({ kind: 'file', path: join(folder, 'redis') });
  });

  test.each([
    [{ IDEOGATE_ENVIRONMENT: 'prod' }, 'IDEOGATE_ENVIRONMENT is none of development, staging, production'],
    [
      { IDEOGATE_PORT: '65532' },
      'IDEOGATE_PORT must be a port from 1 to 65531: the four above it are used too',
    ],
    [
      { IDEOGATE_KEYS: 'open' },
      'IDEOGATE_KEYS is sealed, for the sealed store, or not set, for variables and files',
    ],
    [{ IDEOGATE_ARCHIVE_FOLDER: 'archive' }, 'IDEOGATE_ARCHIVE_FOLDER must be an absolute path'],
    [{ REDIS_URL: 'localhost:6379' }, 'REDIS_URL must begin with redis:// or rediss://'],
    [
      { IDEOGATE_REQUEST_TIMEOUT_MS: '5000' },
      'IDEOGATE_REQUEST_TIMEOUT_MS (5000 ms) must not be shorter than IDEOGATE_HEADERS_TIMEOUT_MS (10000 ms)',
    ],
    [
      { IDEOGATE_KEYS_IDENTITY: 'fake', IDEOGATE_KEYS_IDENTITY_FILE: '/nowhere' },
      'IDEOGATE_KEYS_IDENTITY and IDEOGATE_KEYS_IDENTITY_FILE are both set: which of them holds? Unset one',
    ],
    [
      { IDEOGATE_KEY_SET_TRUST_SECONDS: '299' },
      'IDEOGATE_KEY_SET_TRUST_SECONDS (299 s) must not be shorter than IDEOGATE_KEY_SET_FRESH_SECONDS (300 s)',
    ],
    [
      { IDEOGATE_KEY_SET_COOLDOWN_SECONDS: '301' },
      'IDEOGATE_KEY_SET_FRESH_SECONDS (300 s) must not be shorter than IDEOGATE_KEY_SET_COOLDOWN_SECONDS (301 s)',
    ],
  ] as readonly [Record<string, string>, string][])('%j is told in words', (environment, words) => {
    expect(wordsOf(environment)).toEqual([words]);
  });

  test('are told of all their faults at once, in the order of the table', () => {
    const environment = { DATABASE_URL: 'none', IDEOGATE_MAX_PARTS: '0', IDEOGATE_PORT: '0' };
    expect(readSettings(environment).faults.map(({ variable }) => variable)).toEqual([
      'IDEOGATE_PORT',
      'DATABASE_URL',
      'IDEOGATE_MAX_PARTS',
    ]);
    expect(() => requireSettings(environment)).toThrow(SettingsError);
  });

  test('show no secret when they are printed', () => {
    const settings = readSettings({
      DATABASE_URL: 'postgres://u:MARKED@127.0.0.1/x',
      IDEOGRAM_API_KEY: 'MARKED',
      IDEOGATE_EXPORT_TO: 'https://u:MARKED@evidence.example/?token=MARKED',
    });
    const { databaseUrl } = settings.values.record;
    const { record, upstreamKeys } = settings.values;
    for (const text of [
      JSON.stringify({ ...settings, values: { databaseUrl, upstreamKeys } }),
      inspect({ databaseUrl, upstreamKeys, named: settings.named }, { depth: 9, showHidden: true }),
      String(databaseUrl),
      JSON.stringify(shownSettings(settings)),
    ])
      expect(text).not.toContain('MARKED');
    expect(record.databaseUrl?.reveal()).toContain('MARKED');
    expect(shownSettings(settings)).toContainEqual(
      expect.objectContaining({
        variable: 'DATABASE_URL',
        value: '(hidden)',
        origin: { kind: 'environment' },
      }),
    );
    expect(shownSettings(settings)).toContainEqual(
      expect.objectContaining({ variable: 'IDEOGATE_EXPORT_TO', value: 'https://…@evidence.example/?…' }),
    );
  });
});

describe('a secret may be in a file', () => {
  const secrets = all.filter((setting) => setting.type === 'secret');

  test('which a variable with _FILE names, for every secret there is', () => {
    const files = secrets.map(({ variable }) => `${variable}_FILE`);
    for (const variable of files.filter((each) => all.some((setting) => setting.variable === each))) {
      // Whoever uses it opens it: it is followed, or made.
      expect(readSettings({ [variable]: '/nowhere' }).faults).toEqual([]);
    }
    const readHere = files.filter((each) => !all.some((setting) => setting.variable === each));
    expect(readHere).toEqual([
      'REDIS_URL_FILE',
      'DATABASE_URL_FILE',
      'IDEOGATE_EXPORT_AUTHORIZATION_FILE',
      'IDEOGATE_EGRESS_PROXY_FILE',
    ]);
    for (const variable of readHere)
      expect(wordsOf({ [variable]: '/nowhere' })).toEqual([`${variable}: /nowhere cannot be read (ENOENT)`]);
  });

  test.each([
    ['a line end at its end is not part of it', 'Bearer fake\n', 'Bearer fake'],
    ['nor is that of another system', 'Bearer fake\r\n', 'Bearer fake'],
  ])('%s', (_, text, secret) => {
    const environment = { IDEOGATE_EXPORT_AUTHORIZATION_FILE: file('authorization', text) };
    expect(readSettings(environment).values.record.exportAuthorization?.reveal()).toBe(secret);
  });

  test.each([
    [0o644, false],
    [0o604, false],
    [0o602, false],
    [0o601, false],
    [0o600, true],
    [0o440, true],
    [0o400, true],
  ])('with mode %o, others may use it: it is refused; owner and group alone: it is taken', (mode, taken) => {
    const path = file(`mode-${mode}`, 'redis://fake', mode);
    const octal = mode.toString(8).padStart(4, '0');
    expect(wordsOf({ REDIS_URL_FILE: path })).toEqual(
      taken ? [] : [`REDIS_URL_FILE: ${path} has mode ${octal}, so others may use its secret: chmod 600 it`],
    );
  });

  test('a variable and a file at once are a fault, whatever they hold', () => {
    expect(wordsOf({ DATABASE_URL: 'postgres://fake', DATABASE_URL_FILE: '/nowhere' })).toEqual([
      'DATABASE_URL and DATABASE_URL_FILE are both set: which of them holds? Unset one',
    ]);
  });

  test('a file that holds something else is named, and nothing of it shown', () => {
    const path = file('database', 'mysql://u:MARKED@127.0.0.1/x');
    expect(wordsOf({ DATABASE_URL_FILE: path })).toEqual([
      `DATABASE_URL_FILE: what ${path} holds must look like postgres://user:password@host:5432/database`,
    ]);
  });

  test('an empty file, a folder, a pipe and a file without an end are no secrets, and nobody waits for them', () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', ['-m', '600', pipe]);
    const [empty, large] = [file('empty', '\n'), file('large', 'x'.repeat(65_537))];
    const told = [empty, folder, pipe, large].map((path) => wordsOf({ REDIS_URL_FILE: path })[0]);
    expect(told).toEqual([
      `REDIS_URL_FILE: ${empty} is empty`,
      `REDIS_URL_FILE: ${folder} cannot be read (not a plain file)`,
      `REDIS_URL_FILE: ${pipe} cannot be read (not a plain file)`,
      `REDIS_URL_FILE: ${large} cannot be read (too large)`,
    ]);
  });
});

describe('a variable that is no setting', () => {
  test('is told, with the setting that was most likely meant', () => {
    const { unknown, faults } = readSettings({
      IDEOGATE_PROT: '1',
      IDEOGATE_MAX_INFLIGHT: '1',
      IDEOGATE_COFFEE: '1',
      IDEOGATE_EXPORT_AUTHORIZATION_FILE: '',
      IDEOGATE_EMPTY: '',
      PATH: '/bin',
    });
    expect(unknown()).toEqual([
      { variable: 'IDEOGATE_PROT', meant: 'IDEOGATE_PORT' },
      { variable: 'IDEOGATE_MAX_INFLIGHT', meant: 'IDEOGATE_MAX_IN_FLIGHT' },
      { variable: 'IDEOGATE_COFFEE', meant: null },
    ]);
    expect(faults).toEqual([]);
  });

  test('is none of them when policy or the file of webhooks names it', () => {
    const settings = readSettings({ IDEOGATE_PARTNER_SECRET: 'fake' });
    expect(settings.named('IDEOGATE_PARTNER_SECRET')).toBe('fake');
    expect(settings.unknown()).toEqual([]);
  });
});
