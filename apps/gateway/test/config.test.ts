import { readdirSync, readFileSync } from 'node:fs';
import { readSettings, SETTINGS } from '@ideogate/config';
import { expect, test } from 'vitest';
import { ConfigError, PLAIN_HTTP_WORDS, readGatewayConfig } from '../src/config.ts';
import { PLACE } from './place.ts';

function faults(
  place: Partial<Parameters<typeof readGatewayConfig>[0]>,
  env: Record<string, string>,
): readonly string[] {
  const settings = readSettings(env);
  const told = settings.faults.map(({ words }) => words);
  try {
    readGatewayConfig({ ...PLACE, ...place }, settings.values);
    return told;
  } catch (error) {
    if (error instanceof ConfigError) return [...told, ...error.faults];
    throw error;
  }
}

test.each(['0.0.0.0', '::', '10.0.0.1', 'gateway.invalid', '127.0.0.1.invalid', '127.1'])(
  'plain http on %s is refused, and says which words would allow it',
  (host) => {
    expect(faults({ host }, {})).toEqual([
      expect.stringContaining(`IDEOGATE_PLAIN_HTTP=${PLAIN_HTTP_WORDS}`),
    ]);
    expect(faults({ host }, { IDEOGATE_PLAIN_HTTP: 'true' })).toHaveLength(1);
    expect(faults({ host }, { IDEOGATE_PLAIN_HTTP: PLAIN_HTTP_WORDS })).toEqual([]);
    expect(faults({ host }, { IDEOGATE_TLS_CERT: 'a.pem', IDEOGATE_TLS_KEY: 'a.key' })).toEqual([]);
  },
);

test.each(['127.0.0.1', '127.9.9.9', '::1', '[::1]', 'localhost'])(
  'plain http on %s needs no words',
  (host) => {
    expect(faults({ host }, {})).toEqual([]);
  },
);

test.each([
  ['http://api.ideogram.ai', /plain http only on loopback/],
  ['http://127.0.0.1.invalid', /plain http only on loopback/],
  ['https://api.ideogram.ai/v1', /without path/],
  ['https://user:fake@api.ideogram.ai', /credentials/],
  ['ftp://api.ideogram.ai', /must be an origin/],
  ['api.ideogram.ai', /must be an origin/],
])('the upstream %s is refused: the key goes nowhere else, and never in the clear', (upstream, said) => {
  expect(faults({ upstream }, {}).join('\n')).toMatch(said);
});

test('every fault is told at once, each with the variable and what it takes', () => {
  const told = faults(
    { host: '0.0.0.0', identifier: 'gateway' },
    {
      IDEOGATE_MAX_IN_FLIGHT: 'many',
      IDEOGATE_DRAIN_MS: '-1',
      IDEOGATE_TLS_CERT: 'a.pem',
      IDEOGATE_TRUSTED_PROXIES: '10.0.0.1/8=forwarded,10.0.0.0/8=xff',
      REDIS_URL: 'localhost:6379',
    },
  );
  expect(told).toHaveLength(8);
  expect(told.join('\n')).toMatch(/IDEOGATE_MAX_IN_FLIGHT must be a whole number of calls from 1 to 100000/);
});

test('no number outside its bounds is taken, and every default lies within its own', () => {
  for (const { variable, default: usual, min, max } of Object.values(SETTINGS.gateway)) {
    expect(usual).toBeGreaterThanOrEqual(min);
    expect(usual).toBeLessThanOrEqual(max);
    for (const text of [`${min - 1}`, `${max + 1}`, `${min}.5`, `0x10`, `1e3`, ' 5', 'NaN'])
      expect(faults({}, { [variable]: text })).toHaveLength(1);
  }
});

test('every number has a test that sets it and sees what it does', () => {
  // What is done for the record beside calls is the product's, and tested there.
  const folders = [new URL('./', import.meta.url), new URL('../../cli/test/', import.meta.url)];
  const tests = folders.flatMap((folder) => readdirSync(folder).map((name) => new URL(name, folder)));
  const others = tests.filter(({ pathname }) => /(?<!\/config)\.test\.ts$/.test(pathname));
  const text = others.map((file) => readFileSync(file, 'utf8')).join('\n');
  for (const { variable } of Object.values(SETTINGS.gateway)) expect(text).toContain(`${variable}: `);
});

test('a whole request with less time than its header section is a fault of the configuration', () => {
  expect(faults({}, { IDEOGATE_REQUEST_TIMEOUT_MS: '5000' })).toEqual([
    expect.stringMatching(/IDEOGATE_REQUEST_TIMEOUT_MS .*IDEOGATE_HEADERS_TIMEOUT_MS/),
  ]);
  expect(faults({}, { IDEOGATE_REQUEST_TIMEOUT_MS: '5000', IDEOGATE_HEADERS_TIMEOUT_MS: '1000' })).toEqual(
    [],
  );
});
