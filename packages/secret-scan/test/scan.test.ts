import { randomBytes } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { keyIdOf } from '@ideogate/upstream-keys';
import { describe, expect, test } from 'vitest';
import { sarifOf } from '../src/index.ts';
import { FINGERPRINT, finder, inOne, KEY, source } from './known.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void; // as: what the flag puts there

const findings = (text: string | Buffer, exact = finder(), more = {}) => inOne(source(text, more), exact);
const rulesIn = async (text: string) => (await findings(text)).map(({ rule }) => rule);

describe('a known key is found for certain, by its id alone:', () => {
  const places: readonly (readonly [string, (key: string) => string])[] = [
    ['by itself', (key) => key],
    ['in an assignment', (key) => `IDEOGRAM_API_KEY=${key}`],
    ['in a quoted one', (key) => `const key = "${key}";`],
    ['in JSON', (key) => JSON.stringify({ a: [key] })],
    ['in YAML', (key) => `key: ${key}\n`],
    ['in a header', (key) => `Api-Key:${key}`],
    ['in a command', (key) => `curl -H 'Api-Key: ${key}' https://api.ideogram.ai/`],
    ['in a query', (key) => `https://a.example/x?key=${key}&y=1`],
    ['in a path', (key) => `GET /keys/${key}/x HTTP/1.1`],
    ['in Markdown', (key) => `Use \`${key}\`, not another.`],
    ['at the end of a sentence', (key) => `It is ${key}.`],
    ['in brackets', (key) => `f(${key})`],
    ['in a log line', (key) => `2026-01-01 error {key=${key}, n=1}`],
    ['in a table', (key) => `a\t${key}\tb`],
    ['in something binary', (key) => `\0\x01\x02${key}\0\0`],
  ];
  const kinds = {
    'letters, digits and signs of base64url': KEY,
    'base64 with padding': 'MARKEDab+cd/efGH012345678901234567890Q==',
    'letters and digits': 'MARKED0123456789abcdefABCDEF',
  };
  test.each(places)('%s', async (_, put) => {
    for (const key of Object.values(kinds)) {
      // A slash in a path is none of the key: there it stands escaped, and is another text.
      if (key.includes('/') && put(key).startsWith('GET')) continue;
      const found = await findings(`first line\n${put(key)}\nlast line`, finder(key));
      const certain = found.filter(({ rule }) => rule === 'known-key');
      expect([key, certain]).toEqual([
        key,
        [
          {
            rule: 'known-key',
            keyId: keyIdOf(Buffer.from(key), FINGERPRINT),
            file: 'src/a.ts',
            object: null,
            line: 2,
            column: put(key).indexOf(key) + 1,
          },
        ],
      ]);
      expect(JSON.stringify([found, sarifOf(found, '0')])).not.toContain('MARKED');
    }
  });
  test('in UTF-16, as some tools write it', async () => {
    const bytes = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(`a\nkey ${KEY}`, 'utf16le')]);
    expect(await findings(bytes, finder(KEY))).toMatchObject([{ rule: 'known-key', line: 2 }]);
  });
  test.each([
    ['another key', `${KEY.slice(0, -1)}g`],
    ['a longer one', `${KEY}0`],
    ['a part of it', KEY.slice(1)],
    ['the same in capitals', KEY.toUpperCase()],
  ])('and %s is not', async (_, text) => {
    expect((await findings(`a ${text} b`, finder(KEY))).filter(({ keyId }) => keyId !== null)).toEqual([]);
  });
  test('with the fingerprint secret of another installation nothing is', async () => {
    const exact = finder(KEY);
    const other = new (exact.constructor as new (known: unknown) => typeof exact)([
      { fingerprintSecret: 'another', ids: new Set([keyIdOf(Buffer.from(KEY), FINGERPRINT)]) },
    ]); // as: the class of the finder
    expect(await findings(`x ${KEY}`, other)).toEqual([]);
  });
});

test('where windows meet nothing is missed and nothing told twice, however the bytes come', async () => {
  // Lines of many lengths: wherever a border falls, it falls into one of them.
  const lines = Array.from({ length: 10_000 }, (_, at) =>
    at % 2 === 0
      ? `IDEOGRAM_API_KEY=${' '.repeat(220)}fake0123456789abcdefgh${at} ${'.'.repeat(at % 7)}`
      : `${'.'.repeat(at % 11)} ${KEY} ${'.'.repeat(at % 5)}`,
  );
  const expected = lines.map((line, at) => [at + 1, line.search(/fake/) + 1]);
  for (const size of [65_536, 1_000_003]) {
    const found = await findings(lines.join('\n'), finder(KEY), { size });
    expect(found.map(({ line, column }) => [line, column])).toEqual(expected);
  }
});

test('a piece of a longer random text is no token, though it begins like one', async () => {
  const token = `vcp_${'aB3dE5gH7jK9'.repeat(2)}`;
  expect(await rulesIn(`const token = '${token}';`)).toEqual(['vercel']);
  expect(await rulesIn(`${'Zx9_Q2w-'.repeat(6)}${token}${'Zx9_Q2w-'.repeat(6)}`)).toEqual([]);
  expect(await rulesIn(`${'Zx9_Q2w-'.repeat(6)}${token}`)).toEqual([]);
});

const JWT = (header: object) =>
  [header, { sub: 'a-fake-subject', iss: 'https://issuer.example' }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .concat('A1'.repeat(43))
    .join('.');

describe('what looks like a secret is found:', () => {
  test.each<[string, string]>([
    ['ideogram-key', 'IDEOGRAM_API_KEY=fake0123456789abcdefgh'],
    ['ideogram-key', "IDEOGRAM_WRITE_KEY: 'fake-0123456789-abcdefgh'"],
    ['ideogram-key', '{"Api-Key": "fake0123456789abcdefgh"}'],
    ['ideogram-key', "headers.set('Api-Key', 'fake0123456789abcdefgh')"],
    ['ideogate-token', `Authorization: Bearer ${JWT({ alg: 'ES256', typ: 'at+jwt', kid: 'k' })}`],
    ['client-secret', '"client_secret": "fake0123456789abcdefghijklmnopqrstuvwxyz"'],
    ['webhook-secret', `whsec_${Buffer.from('a fake secret of thirty-two bytes').toString('base64')}`],
    ['webhook-secret', 'IDEOGRAM_SECRET=fake0123456789abcdefghijkl'],
    ['age-identity', `AGE-SECRET-KEY-1${'QPZRY9X8'.repeat(8)}`],
    ['checkpoint-key', `PRIVATE+KEY+ideogate-staging+0a1b2c3d+${'QUJD'.repeat(12)}`],
    ['database-connection-string', 'postgres://someone:fake-Passw0rd-1@db.internal:5432/records'],
  ])('%s in %s', async (rule, text) => {
    expect(await rulesIn(`const x = 1;\n${text}\n`)).toContain(rule);
  });
  test.each([
    'IDEOGRAM_API_KEY=',
    'IDEOGRAM_API_KEY=your-api-key-goes-here',
    'IDEOGRAM_API_KEY=$SECRET_OF_THE_PIPELINE',
    'IDEOGRAM_API_KEY=/run/secrets/ideogram-key-1',
    'const key = process.env.IDEOGRAM_API_KEY;',
    '-H "Api-Key: $TOKEN"',
    `Bearer ${JWT({ alg: 'ES256', typ: 'JWT' })}`,
    'client_secret: the secret of the client',
    'https://ideogram.ai/docs/api-key-management-in-2026',
    'key_0123456789abcdef is the id of a key',
    'integrity sha512-wKNGvUSXEfbmcPdBDDkT3VHVpGTKLDNw1tMP5JzH3tdUSVzHKPlBs9tSvMPB3PzCTxqHsGkSAkSmlxSeyPZtTg==',
  ])('and this is none: %s', async (text) => {
    expect(
      (await rulesIn(text)).filter((rule) => rule !== 'ideogate-token' || !text.includes('"JWT"')),
    ).toEqual([]);
  });
  test('a comment of secretlint’s lets a line pass, but never a known key', async () => {
    const text = `IDEOGRAM_API_KEY=${KEY} # secretlint-disable-line\n`;
    expect(await findings(text)).toEqual([]);
    expect(await findings(text, finder(KEY))).toMatchObject([{ rule: 'known-key' }]);
  });
});

describe('an environment file', () => {
  const SECRET = 'SOME_API_KEY=fake0123456789';
  const found = async (file: string, text: string, inGit = true) =>
    (await inOne(source(text, { file, inGit }), finder())).map(({ rule }) => rule);

  test.each([
    ['.env', SECRET],
    ['apps/web/.env.local', `# comment\nexport ${SECRET}`],
    ['.env.production', 'DATABASE_PASSWORD="fake-password"'],
  ])('%s that git has, and that holds a secret, is a finding', async (file, text) => {
    expect(await found(file, text)).toEqual(['env-file']);
  });
  test.each([
    ['.env.example', SECRET],
    ['.env', 'PORT=8787\nNAME=something-long'],
    ['.env', 'SOME_API_KEY=\nOTHER_KEY=your-key-here\nTHIRD_KEY=$FROM_ELSEWHERE'],
    ['environment.ts', SECRET],
  ])('%s with %j is none', async (file, text) => {
    expect(await found(file, text)).toEqual([]);
  });
  test('nor one that git ignores', async () => {
    expect(await found('.env', SECRET, false)).toEqual([]);
  });
});

test('nothing is found in random text of every kind, and memory is flat', async () => {
  const kinds = [
    () => randomBytes(786_432).toString('base64'),
    () => randomBytes(524_288).toString('hex'),
    () => randomBytes(786_432).toString('base64url'),
    () => randomBytes(1_048_576).toString('latin1'),
  ];
  let most = 0;
  async function* text() {
    for (let at = 0; at < 12; at++) {
      yield Buffer.from((kinds[at % kinds.length]?.() ?? '').replaceAll(/(.{76})/g, '$1\n'));
      collectGarbage();
      most = Math.max(most, process.memoryUsage().heapUsed);
    }
  }
  const before = process.memoryUsage().heapUsed;
  const chunks = text();
  expect(await inOne({ ...source(''), chunks }, finder(KEY))).toEqual([]);
  expect(most - before).toBeLessThan(60e6);
});

test('findings are written as SARIF 2.1.0', async () => {
  const found = await findings(`IDEOGRAM_API_KEY=fake0123456789abcdefgh\n${KEY}`, finder(KEY));
  expect(sarifOf(found, '1.2.3')).toMatchObject({
    $schema: expect.stringContaining('sarif-2.1.0'),
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'ideogate scan',
            version: '1.2.3',
            rules: [{ id: 'ideogram-key' }, { id: 'known-key' }],
          },
        },
        results: [
          {
            ruleId: 'ideogram-key',
            ruleIndex: 0,
            level: 'warning',
            locations: [
              {
                physicalLocation: {
                  artifactLocation: { uri: 'src/a.ts' },
                  region: { startLine: 1, startColumn: 18 },
                },
              },
            ],
          },
          {
            ruleId: 'known-key',
            ruleIndex: 1,
            level: 'error',
            message: { text: expect.stringMatching(/^key_/) },
          },
        ],
      },
    ],
  });
});
