import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OPERATIONS } from '@ideogate/ideogram';
import { parsePolicy } from '@ideogate/policy';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readTrustedIssuers, requireNamedIssuers } from '../src/startup/trusted-issuers.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ideogate-issuers-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(text: string): { issuers: ReturnType<typeof readTrustedIssuers>; faults: string[] } {
  const file = join(folder, 'issuers.json');
  writeFileSync(file, text);
  const faults: string[] = [];
  return { issuers: readTrustedIssuers(file, faults), faults };
}

test('issuers are trusted by discovery, by key set address, and by file', () => {
  const list = [
    { issuer: 'https://one.example', algorithms: ['ES256'], keys: { discovery: true } },
    {
      issuer: 'https://two.example',
      algorithms: ['EdDSA', 'PS256'],
      keys: { jwksUri: 'https://two.example/jwks' },
    },
    { issuer: 'https://three.example', algorithms: ['ES384'], keys: { file: 'keys.json' } },
  ];
  expect(read(JSON.stringify(list))).toEqual({ issuers: list, faults: [] });
});

test('without a file, no other issuer is trusted', () => {
  const faults: string[] = [];
  expect(readTrustedIssuers(null, faults)).toEqual([]);
  expect(faults).toEqual([]);
});

test.each([
  ['not JSON', '{', /cannot be read as JSON/],
  [
    'a member twice',
    '[{"issuer":"https://a.example","issuer":"https://b.example"}]',
    /cannot be read as JSON/,
  ],
  ['no list', '{"issuer":"https://a.example"}', /must hold a list/],
  [
    'an unknown algorithm',
    '[{"issuer":"https://a.example","algorithms":["none"],"keys":{"discovery":true}}]',
    /entry 1/,
  ],
  [
    'two sources of keys',
    '[{"issuer":"https://a.example","algorithms":["ES256"],"keys":{"discovery":true,"file":"x"}}]',
    /entry 1/,
  ],
  [
    'a word nobody knows',
    '[{"issuer":"https://a.example","algorithms":["ES256"],"keys":{"discovery":true},"trust":"all"}]',
    /entry 1/,
  ],
])('a file with %s trusts nobody, and says why', (_what, text, fault) => {
  const { issuers, faults } = read(text);
  expect(issuers).toEqual([]);
  expect(faults).toEqual([expect.stringMatching(fault)]);
});

test('where several issuers are trusted, a caller that does not name its own is a fault: either could mint it', () => {
  const text = `
environments: { staging: { ceiling: ["read:*"] } }
callers:
  - subject: anyone
    grants: { staging: ["read:*"] }
  - subject: ours
    issuer: https://one.example
    grants: { staging: ["read:*"] }
`;
  const parsed = parsePolicy([{ name: 'policy.yaml', text }], OPERATIONS);
  if (!parsed.ok) throw new Error('the policy of this test is valid');
  const alone: string[] = [];
  requireNamedIssuers(parsed.release, 1, alone);
  const several: string[] = [];
  requireNamedIssuers(parsed.release, 2, several);
  expect({ alone, several }).toEqual({
    alone: [],
    several: [expect.stringMatching(/^policy\.yaml:4: caller anyone/)],
  });
});
