import { describe, expect, it } from 'vitest';
import { expandPattern, grantedScopes, grantOf, parsePolicy } from '../src/index.ts';
import { faultsOf, releaseOf, STAGING } from './read-files.ts';
import { SAMPLE } from '@ideogate/testkit/sample-operations';

const READS = [
  'read:account',
  'read:datasets',
  'read:generations',
  'read:models',
  'read:provenance',
  'read:quote',
  'read:webhook-keys',
];

describe('a policy that says what it means', () => {
  const release = releaseOf(
    `environments:
  development:
  staging:
    identifier: https://ideogate.staging.example
    upstream: https://api.ideogram.ai
    keys: { read: IDEOGRAM_READ_KEY, write: IDEOGRAM_WRITE_KEY }
  production:
    identifier: https://ideogate.example
    ceiling: ["read:models", "write:generate"]
operations:
  upscale: { scope: write:edit }
`,
    `callers:
  - subject: image-service
    issuer: https://idp.example
    description: Makes pictures.
    grants:
      staging: ["read:*", "write:limited"]
      production: ["write:generate"]
  - subject: image-service
    issuer: http://127.0.0.1:8788
    grants:
      development: ["read:models"]
`,
  );

  it('has the ceilings of the rule by default where it sets none', () => {
    expect(release.environments.get('development')?.ceiling.patterns).toEqual(['read:*']);
    expect(release.environments.get('staging')?.ceiling.patterns).toEqual(['read:*', 'write:limited']);
    expect(release.environments.get('production')?.ceiling.patterns).toEqual([
      'read:models',
      'write:generate',
    ]);
  });

  it('keeps where environments are, and the names of their keys', () => {
    expect(release.environments.get('staging')).toMatchObject({
      identifier: 'https://ideogate.staging.example',
      upstream: 'https://api.ideogram.ai',
      keys: { read: 'IDEOGRAM_READ_KEY', write: 'IDEOGRAM_WRITE_KEY' },
    });
    expect(release.environments.get('development')).toMatchObject({
      identifier: null,
      upstream: null,
      keys: { read: null, write: null },
    });
  });

  it('changes the scope of an operation, and nothing else about it', () => {
    const before = SAMPLE.find((operation) => operation.id === 'upscale');
    expect(release.operationsById.get('upscale')).toEqual({ ...before, scope: 'write:edit' });
    expect(release.operations.filter((operation) => !SAMPLE.includes(operation))).toHaveLength(1);
  });

  it('expands read:* to every read scope, and write:limited to scopes with an operation that has bounds', () => {
    expect(expandPattern(release, 'read:*')).toEqual(READS);
    expect(expandPattern(release, 'write:limited')).toEqual(['write:edit', 'write:generate']);
    expect(expandPattern(release, 'write:train')).toEqual(['write:train']);
  });

  it('lets the issuer give what both ceiling and grant hold, to this issuer’s caller only', () => {
    const idp = { issuer: 'https://idp.example', subject: 'image-service' };
    expect([...grantedScopes(release, 'staging', idp)]).toEqual([...READS, 'write:edit', 'write:generate']);
    expect([...grantedScopes(release, 'production', idp)]).toEqual(['write:generate']);
    expect([...grantedScopes(release, 'development', idp)]).toEqual([]);
    const local = { issuer: 'http://127.0.0.1:8788', subject: 'image-service' };
    expect([...grantedScopes(release, 'development', local)]).toEqual(['read:models']);
    expect([...grantedScopes(release, 'staging', local)]).toEqual([]);
    expect([...grantedScopes(release, 'staging', { ...idp, issuer: 'https://other.example' })]).toEqual([]);
    expect([...grantedScopes(release, 'staging', { ...idp, subject: 'Image-Service' })]).toEqual([]);
  });

  it('tells a grant in its own words, with the line it is on', () => {
    const idp = { issuer: 'https://idp.example', subject: 'image-service' };
    expect(grantOf(release, 'staging', idp)).toEqual({
      patterns: ['read:*', 'write:limited'],
      rule: 'b.yaml:6',
    });
    expect(grantOf(release, 'development', idp)).toBeNull();
  });
});

describe('how old keys may be', () => {
  const keysOf = (text: string) =>
    releaseOf(`environments: {staging: {keys: ${text}}}\n`).environments.get('staging')?.keys;

  it('ninety days, and then it is said, unless policy says otherwise', () => {
    expect(keysOf('{}')).toMatchObject({ maxAgeDays: 90, atMaxAge: 'warn' });
    expect(keysOf('{max_age_days: 30, at_max_age: refuse}')).toMatchObject({
      maxAgeDays: 30,
      atMaxAge: 'refuse',
    });
  });

  it.each(['max_age_days: 0', 'max_age_days: 4000', 'max_age_days: soon', 'at_max_age: ignore'])(
    '%s is a fault',
    (setting) => {
      expect(faultsOf(`environments:\n  staging:\n    keys: {${setting}}\n`)).toEqual([
        expect.stringMatching(/must be/),
      ]);
    },
  );
});

describe('how long the record is kept', () => {
  const retentionOf = (text: string) =>
    releaseOf(`environments: {staging: {retention: ${text}}}\n`).environments.get('staging')?.retention;
  const faultsIn = (text: string) => faultsOf(`environments:\n  staging:\n    retention: ${text}\n`);

  it('is twelve months, the last three in the database, unless the policy says otherwise', () => {
    expect(releaseOf(STAGING).environments.get('staging')?.retention).toEqual({ months: 12, inDatabase: 3 });
    expect(retentionOf('{months: 84, in_database: 13}')).toEqual({ months: 84, inDatabase: 13 });
    expect(retentionOf('{in_database: 6}')).toEqual({ months: 12, inDatabase: 6 });
  });

  it('may be shorter only where the policy says why in words', () => {
    const because = 'shorter_because: nothing but test calls';
    expect(retentionOf(`{months: 2, in_database: 1, ${because}}`)).toEqual({ months: 2, inDatabase: 1 });
    expect(faultsIn('{months: 11, in_database: 2}')).toEqual([
      'a.yaml:3:25: months is 11, and PCI DSS 10.5.1 asks for at least 12: if less is right here, say why in shorter_because',
      'a.yaml:3:42: in_database is 2, and PCI DSS 10.5.1 asks for at least 3: if less is right here, say why in shorter_because',
    ]);
    expect(faultsIn('{months: 11, shorter_because: "-"}')).toContain(
      'a.yaml:3:46: shorter_because must say why, for the auditor who reads it',
    );
  });

  it.each([
    ['0', 'months must be a number of months from 1 to 600'],
    ['1e2', 'months must be a number of months from 1 to 600'],
    ['0x20', 'months must be a number of months from 1 to 600'],
    ['601', 'months must be a number of months from 1 to 600'],
    ['"24"', 'months must be a number of months from 1 to 600'],
    ['.inf', 'months must be a number of months from 1 to 600'],
  ])('is not %s months', (written, fault) => {
    expect(faultsIn(`{months: ${written}}`)).toEqual([`a.yaml:3:25: ${fault}`]);
  });

  it('is never shorter in all than in the database', () => {
    expect(faultsIn('{in_database: 13}')).toEqual([
      'a.yaml:3:5: in_database is 13, more than the 12 months kept in all',
    ]);
  });

  it('knows its words', () => {
    expect(faultsIn('{month: 12}')).toEqual([
      'a.yaml:3:17: unknown setting in retention: "month" (did you mean months?)',
    ]);
  });
});

describe('what the record keeps of prompts', () => {
  const promptsOf = (settings: string) =>
    releaseOf(`environments: {staging: {${settings}}}\n`).environments.get('staging')?.prompts;

  it('is a digest, and the text only where the policy says so', () => {
    expect(promptsOf('')).toBe('digest');
    expect(promptsOf('record: {}')).toBe('digest');
    expect(promptsOf('record: {prompts: digest}')).toBe('digest');
    expect(promptsOf('record: {prompts: keep}')).toBe('keep');
  });

  it.each([
    ['{prompts: keeep}', 'a.yaml:3:23: unknown word for prompts: "keeep" (did you mean keep?)'],
    ['{prompts: yes}', 'a.yaml:3:23: unknown word for prompts: "yes"'],
    ['{prompts: true}', 'a.yaml:3:23: prompts must be text, found a boolean (put it in quotes)'],
    ['{prompt: keep}', 'a.yaml:3:14: unknown setting in record: "prompt" (did you mean prompts?)'],
    ['keep', 'a.yaml:3:13: record must be a map, found text'],
  ])('knows its words: %s', (written, fault) => {
    expect(faultsOf(`environments:\n  staging:\n    record: ${written}\n`)).toEqual([fault]);
  });
});

describe('the id of a release', () => {
  const one = { name: 'one.yaml', text: STAGING };
  const two = { name: 'two.yaml', text: 'operations: {upscale: {scope: write:edit}}\n' };
  const idOf = (...files: readonly { name: string; text: string }[]) => {
    const parsed = parsePolicy(files, SAMPLE);
    return parsed.ok ? parsed.release.id : parsed.faults;
  };

  it('is the same for the same files in any order', () => {
    expect(idOf(one, two)).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(idOf(two, one)).toBe(idOf(one, two));
  });

  it.each([
    ['a changed comment', [{ ...one, text: `${STAGING}# seen\n` }, two]],
    ['another file name', [{ ...one, name: 'uno.yaml' }, two]],
    ['one file less', [one]],
  ])('is another one after %s', (_, files) => {
    expect(idOf(...files)).not.toEqual(idOf(one, two));
    expect(idOf(...files)).toMatch(/^sha256:/);
  });
});

describe('the framing of a release id', () => {
  it('sees text that moved from the end of one file to the start of the next', () => {
    const idOf = (first: string, second: string) => releaseOf(first, second).id;
    const rest = 'operations: {}\n';
    expect(idOf(`${STAGING}# x\n`, rest)).not.toBe(idOf(STAGING, `# x\n${rest}`));
  });
});
