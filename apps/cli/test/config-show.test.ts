import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSettings, type ShownSetting } from '@ideogate/config';
import { describe, expect, test, vi } from 'vitest';
import { configShow } from '../src/commands/config-show.ts';
import { newFolder, ran, start, stop } from './running-product.ts';

interface Shown {
  readonly settings: readonly ShownSetting[];
  readonly faults: readonly string[];
  readonly unknown: readonly unknown[];
}

/** `config show` with these variables, as JSON and as a person at a terminal gets it. */
function show(environment: Record<string, string>) {
  const stdout = collect(process.stdout);
  const json = configShow(readSettings(environment), { json: true });
  const shown = JSON.parse(stdout.end()) as Shown; // as: what --json prints
  const [out, err] = [collect(process.stdout), collect(process.stderr)];
  const isTTY = process.stdout.isTTY;
  process.stdout.isTTY = true;
  try {
    expect(configShow(readSettings(environment), {})).toBe(json);
  } finally {
    process.stdout.isTTY = isTTY;
  }
  return { code: json, shown, text: out.end(), stderr: err.end() };
}

function collect(stream: NodeJS.WriteStream): { end(): string } {
  let text = '';
  const spy = vi.spyOn(stream, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  return {
    end() {
      spy.mockRestore();
      return text;
    },
  };
}

describe('config show', () => {
  test('tells each setting, its value, and where it comes from', () => {
    const file = join(newFolder(), 'redis');
    writeFileSync(file, 'redis://:MARKED@127.0.0.1\n');
    chmodSync(file, 0o600);
    const { code, shown, text, stderr } = show({ IDEOGATE_PORT: '9000', REDIS_URL_FILE: file });
    expect({ code, faults: shown.faults, unknown: shown.unknown, stderr }).toEqual({
      code: 0,
      faults: [],
      unknown: [],
      stderr: '',
    });
    const told = (variable: string) => shown.settings.find((setting) => setting.variable === variable);
    expect(told('IDEOGATE_PORT')).toMatchObject({
      value: 9000,
      origin: { kind: 'environment' },
      secret: false,
    });
    expect(told('REDIS_URL')).toMatchObject({
      value: '(hidden)',
      origin: { kind: 'file', path: file },
      secret: true,
    });
    expect(told('IDEOGATE_DRAIN_MS')).toMatchObject({
      value: 15_000,
      unit: 'ms',
      origin: { kind: 'default' },
    });
    expect(text).toMatch(/^variable +value +from$/m);
    expect(text).toMatch(/^IDEOGATE_PORT +9000 +environment$/m);
    expect(text).toMatch(new RegExp(`^REDIS_URL +\\(hidden\\) +file ${file}$`, 'm'));
    expect(text).toMatch(/^IDEOGATE_DRAIN_MS +15000 ms +default$/m);
    expect(text).toMatch(/^IDEOGATE_TLS_CERT +- +default$/m);
    expect(text).toMatch(/^IDEOGATE_CONTROL_DIR +control in the data folder +default$/m);
  });

  test('hides every secret, whatever is wrong with it', () => {
    const { shown, text, stderr } = show({
      DATABASE_URL: 'mysql://u:MARKED@127.0.0.1/x',
      REDIS_URL: 'MARKED',
      IDEOGATE_EGRESS_PROXY: 'http://u:MARKED@proxy.example/path',
      IDEOGATE_EXPORT_AUTHORIZATION: 'MARKED\n',
      IDEOGATE_KEYS_IDENTITY: 'MARKED',
      IDEOGRAM_API_KEY: 'MARKED key',
      IDEOGATE_EXPORT_TO: 'https://u:MARKED@evidence.example/',
    });
    expect(shown.faults).toHaveLength(6);
    expect(JSON.stringify(shown) + text + stderr).not.toContain('MARKED');
  });

  test.each([
    'https://u:pa@MARKED@evidence.example/',
    'https://u:pa,MARKED@evidence.example/',
    'https://u:pa/MARKED@evidence.example/',
    'https://u:pa MARKED@evidence.example/',
    'https:u:MARKED@evidence.example/',
    'https:\\\\u:MARKED@evidence.example/',
    'https://a.example/,https://MARKED@evidence.example/,https://b.example/',
    'https://evidence.example/?token=a,MARKED',
  ])('shows nothing before the host of a URL, nor of its query: %s', (url) => {
    const { shown, text, stderr } = show({ IDEOGATE_CHECKPOINTS_TO: url, IDEOGRAM_BASE_URL: url });
    const [told] = shown.settings.filter(({ variable }) => variable === 'IDEOGATE_CHECKPOINTS_TO');
    expect(told?.value).toContain('.example/');
    expect(JSON.stringify(shown) + text + stderr).not.toContain('MARKED');
  });

  test('a password in an address for checkpoints is a fault: none would ever be sent there', () => {
    const faults = (url: string) => show({ IDEOGATE_CHECKPOINTS_TO: url }).shown.faults;
    expect(faults('https://evidence.example/checkpoints')).toEqual([]);
    expect(faults('https://u:MARKED@evidence.example/checkpoints')).toEqual([
      expect.stringMatching(/^IDEOGATE_CHECKPOINTS_TO is a list of .* https URLs without credentials/),
    ]);
  });

  test('names all that keeps the product from starting, files included, and is exit 3', () => {
    const { code, shown, stderr } = show({
      IDEOGATE_ENVIRONMENT: 'prod',
      IDEOGATE_MAX_PARTS: 'many',
      IDEOGATE_ISSUER_MAX_SOCKETS: '1',
      IDEOGATE_KEY_SET_FRESH_SECONDS: '7200',
      IDEOGATE_POLICY: '/no/where.yaml',
      DATABASE_URL_FILE: '/no/where',
      IDEOGATE_PROT: '9000',
    });
    expect(code).toBe(3);
    expect(shown.faults).toEqual([
      'IDEOGATE_ENVIRONMENT is none of development, staging, production.',
      'DATABASE_URL_FILE: /no/where cannot be read (ENOENT).',
      expect.stringMatching(/^The policy file \/no\/where\.yaml cannot be read/),
      'IDEOGATE_MAX_PARTS must be a whole number of parts from 1 to 10000.',
      'IDEOGATE_KEY_SET_TRUST_SECONDS (3600 s) must not be shorter than IDEOGATE_KEY_SET_FRESH_SECONDS (7200 s).',
      'IDEOGATE_ISSUER_MAX_SOCKETS must be a whole number of sockets from 16 to 100000.',
    ]);
    expect(shown.unknown).toEqual([{ variable: 'IDEOGATE_PROT', meant: 'IDEOGATE_PORT' }]);
    expect(stderr.trimEnd().split('\n')).toEqual([
      'IDEOGATE_PROT is no setting of Ideogate, and changes nothing: did you mean IDEOGATE_PORT?',
      ...shown.faults,
    ]);
  });

  test('is a command, and start too asks what a misspelt variable was meant to be', async () => {
    const env = { IDEOGATE_MAX_INFLIGHT: '5' };
    const { code, stdout } = await ran(['config', 'show'], { env });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      faults: [],
      unknown: [{ variable: 'IDEOGATE_MAX_INFLIGHT', meant: 'IDEOGATE_MAX_IN_FLIGHT' }],
    });
    const product = await start({ env });
    expect(product.stderr()).toBe(
      'IDEOGATE_MAX_INFLIGHT is no setting of Ideogate, and changes nothing: did you mean IDEOGATE_MAX_IN_FLIGHT?\n',
    );
    expect(await stop(product)).toBe(0);
  });
});
