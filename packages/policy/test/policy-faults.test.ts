import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PolicyFault, parsePolicy } from '../src/index.ts';
import { faultsOf, STAGING } from './read-files.ts';
import { SAMPLE } from '@ideogate/testkit/sample-operations';

const production = (lines: string) => `environments:\n  production:\n${lines}`;
const caller = (lines: string) => `${STAGING}callers:\n  - subject: one\n${lines}`;

describe('a policy with a fault is refused, with the position and what was probably meant', () => {
  it.each<[string, readonly string[], string]>([
    [
      'a misspelt setting',
      ['environment: {}\n'],
      'a.yaml:1:1: unknown setting in a policy file: "environment" (did you mean environments?)',
    ],
    [
      'a misspelt environment',
      ['environments: {stagin: }\n'],
      'a.yaml:1:16: unknown environment "stagin" (did you mean staging?)',
    ],
    [
      'a misspelt scope',
      [caller('    grants: {staging: [write:generat]}\n')],
      'a.yaml:4:24: unknown scope "write:generat" (did you mean write:generate?)',
    ],
    [
      'a wildcard that does not exist',
      [caller('    grants: {staging: ["write:*"]}\n')],
      'a.yaml:4:24: unknown scope "write:*" (did you mean write:limited?)',
    ],
    [
      'a misspelt operation',
      [`${STAGING}operations: {v3.generat: {scope: write:edit}}\n`],
      'a.yaml:2:14: unknown operation "v3.generat" (did you mean v3.generate?)',
    ],
    [
      'production without a ceiling',
      [production('    upstream: https://api.example\n')],
      'a.yaml:2:3: production has no default ceiling: list the scopes it may ever grant',
    ],
    [
      'read:* in the ceiling of production',
      [production('    ceiling: ["read:*"]\n')],
      'a.yaml:3:15: read:* is not allowed in production: list the scopes one by one',
    ],
    [
      'write:limited granted in production',
      [
        production(
          '    ceiling: [write:generate]\ncallers:\n  - subject: one\n    grants: {production: ["write:limited"]}\n',
        ),
      ],
      'a.yaml:6:27: write:limited is not allowed in production: list the scopes one by one',
    ],
    [
      'two environments with one identifier',
      [
        'environments:\n  development: {identifier: https://one.example}\n  staging: {identifier: https://one.example}\n',
      ],
      'a.yaml:3:13: staging and development (a.yaml:2) have one identifier: a token for one would be good in the other',
    ],
    [
      'a grant outside its ceiling',
      [
        `environments: {development: }\ncallers:\n  - subject: one\n    grants: {development: [write:generate]}\n`,
      ],
      'a.yaml:4:28: write:generate is outside the ceiling of development (default ceiling of development), so it can never apply',
    ],
    [
      'a grant that the ceiling’s write:limited never covers',
      [caller('    grants: {staging: [write:train]}\n')],
      'a.yaml:4:24: write:train is outside the ceiling of staging (default ceiling of staging), so it can never apply',
    ],
    [
      'a grant in an environment nobody declared',
      [caller('    grants: {production: [write:train]}\n')],
      'a.yaml:4:14: environment production is not declared',
    ],
    [
      'a closed operation opened',
      [`${STAGING}operations: {manage.create-key: {scope: write:edit}}\n`],
      'a.yaml:2:14: manage.create-key is closed: no scope opens it',
    ],
    [
      'a paid operation under a read scope',
      [`${STAGING}operations: {v3.generate: {scope: read:models}}\n`],
      'a.yaml:2:35: v3.generate changes something or costs money, so it cannot need a read: scope',
    ],
    [
      'an operation that only reads under a write scope, with which no gateway starts',
      [`${STAGING}operations: {models.list: {scope: write:train}}\n`],
      'a.yaml:2:35: models.list only reads, so it cannot need a write: scope',
    ],
    [
      'an operation under a wildcard',
      [`${STAGING}operations: {v3.generate: {scope: write:limited}}\n`],
      'a.yaml:2:35: unknown scope "write:limited"',
    ],
    [
      'one subject twice',
      [
        caller(
          '    grants: {staging: ["read:*"]}\n  - subject: one\n    issuer: https://idp.example\n    grants: {staging: ["read:*"]}\n',
        ),
      ],
      'a.yaml:5:5: caller "one" is declared already for the same issuer, at a.yaml:3',
    ],
    [
      'one environment in two files',
      [STAGING, STAGING],
      'b.yaml:1:16: environment staging is declared already, at a.yaml:1',
    ],
    [
      'one operation in two files',
      [
        `${STAGING}operations: {upscale: {scope: write:edit}}\n`,
        'operations: {upscale: {scope: write:remix}}\n',
      ],
      'b.yaml:1:14: the scope of upscale is changed already, at a.yaml:2',
    ],
    [
      'a scope listed twice',
      [caller('    grants: {staging: ["read:*", "read:*"]}\n')],
      'a.yaml:4:34: read:* is listed twice',
    ],
    [
      'a number for a subject',
      [`${STAGING}callers: [{subject: 12, grants: {}}]\n`],
      'a.yaml:2:21: subject must be text, found a number (put it in quotes)',
    ],
    [
      'a caller without grants',
      [`${STAGING}callers: [{subject: one}]\n`],
      'a.yaml:2:11: a caller needs grants',
    ],
    [
      'a plain-http upstream',
      ['environments: {staging: {upstream: "http://api.example"}}\n'],
      'a.yaml:1:36: upstream must be an https:// URL (http:// only to a loopback address)',
    ],
    [
      'an identifier with a slash at its end',
      ['environments: {staging: {identifier: https://one.example/}}\n'],
      'a.yaml:1:38: identifier must be an origin, without path or trailing slash (did you mean https://one.example?)',
    ],
    [
      'a repeated key',
      ['environments: {staging: }\nenvironments: {}\n'],
      'a.yaml:2:1: this key is written twice in one map',
    ],
    [
      'an anchor',
      ['environments: &all {staging: }\n'],
      'a.yaml:1:20: anchors are not allowed: write the value out where it is needed',
    ],
    [
      'an alias',
      [caller('    description: &d x\n    issuer: *d\n    grants: {}\n')],
      'a.yaml:5:13: aliases are not allowed: write the value out',
    ],
    [
      'a merge key',
      [`environments: {staging: {"<<": {}}}\n`],
      'a.yaml:1:26: merge keys are not allowed: write the values out',
    ],
    ['a tag', ['environments: !!map {staging: }\n'], 'a.yaml:1:21: tags are not allowed'],
    [
      'a second document',
      [`${STAGING}---\n${STAGING}`],
      'a.yaml:2:1: a policy file holds one YAML document, this is a second one',
    ],
    ['an empty file', ['# nothing\n'], 'a.yaml:1:1: the file is empty'],
    [
      'a mark that turns text round',
      [`# \u202e\n${STAGING}`],
      'a.yaml:1:3: the file holds a hidden or control character here',
    ],
    [
      'a line end that an editor shows and YAML does not see, behind a comment',
      [caller('    # note\r    issuer: https://idp.example\n    grants: {staging: ["read:*"]}\n')],
      'a.yaml:4:11: the file holds a hidden or control character here',
    ],
    [
      'a line separator, behind a comment',
      [caller('    # note\u2028    issuer: https://idp.example\n    grants: {staging: ["read:*"]}\n')],
      'a.yaml:4:11: the file holds a hidden or control character here',
    ],
    [
      'a space of no width in a name',
      [`${STAGING}callers:\n  - subject: "one\u200b"\n    grants: {staging: ["read:*"]}\n`],
      'a.yaml:3:18: the file holds a hidden or control character here',
    ],
    [
      'a file past its size',
      [`#${'x'.repeat(262_144)}`],
      'a.yaml:1:1: the file is longer than 262144 characters',
    ],
    ['no environment at all', ['callers: []\n'], 'a.yaml:1:1: no environment is declared'],
  ])('%s', (_, texts, expected) => {
    expect(faultsOf(...texts)).toContain(expected);
  });

  it('names every fault of every file at once, in their order', () => {
    const faults = faultsOf(
      'environments:\n  stagin: \n  development: {colour: red}\n',
      'callers:\n  - subject: ""\n    grants: {staging: [nothing]}\n',
    );
    expect(faults.map((line) => line.split(':').slice(0, 2).join(':'))).toEqual([
      'a.yaml:2',
      'a.yaml:3',
      'b.yaml:2',
      'b.yaml:3',
    ]);
  });

  it('says nothing of missing parts when a file could not be read', () => {
    const faults = faultsOf(
      'environments: {staging: \n',
      caller('    grants: {staging: ["read:*"]}\n').replace(STAGING, ''),
    );
    expect(faults.length).toBeGreaterThan(0);
    expect(faults.filter((line) => !line.includes('not readable as YAML'))).toEqual([]);
  });

  it('survives nesting made to exhaust the stack', () => {
    expect(faultsOf('['.repeat(50_000)).length).toBeGreaterThan(0);
  });
});

describe('a key or a token written into a policy is a fault that does not repeat it', () => {
  it.each([
    ['keys: {read: FAKEfakeFAKEfake-notakey_0123456789}', 'FAKEfake'],
    ['keys: {write: FAKE0KEY1THAT2IS3ALL4CAPITALS5AND6LONG}', 'FAKE0KEY'],
    ['keys: {write: eyJmYWtlIjoxfQ.eyJmYWtlIjoxfQ.ZmFrZQ}', 'eyJ'],
    ['upstream: "Bearer fake-token-fake-token"', 'fake-token'],
    ['eyJmYWtlIjoxfQ.eyJmYWtlIjoxfQ.ZmFrZQ: x', 'eyJ'],
  ])('%s', (line, secret) => {
    const faults = faultsOf(`environments:\n  staging:\n    ${line}\n`);
    expect(faults.length).toBeGreaterThan(0);
    expect(faults.join('\n')).not.toContain(secret);
  });
});

describe('a token in a setting that takes any text is a fault', () => {
  it.each([
    'subject: eyJmYWtlIjoxfQ.eyJmYWtlIjoxfQ.ZmFrZQ',
    'subject: x\n    description: "Bearer fake-token-fake-token"',
  ])('%s', (line) => {
    const faults = faultsOf(`${STAGING}callers:\n  - ${line}\n    grants: {staging: ["read:*"]}\n`);
    expect(faults).toEqual([expect.stringContaining('this looks like a key or a token')]);
  });
});

describe('whatever the file', () => {
  const words = fc.constantFrom(
    'environments:',
    'callers:',
    'operations:',
    'staging',
    'production',
    ': ',
    '- ',
    '\n',
    '  ',
    '    ',
    '[',
    ']',
    '{',
    '}',
    '"',
    "'",
    ',',
    'ceiling',
    'grants',
    'subject',
    'read:*',
    'write:generate',
    'keys',
    '&a',
    '*a',
    '<<',
    '!!str',
    '---',
    '%YAML 1.1',
    '#',
    '|',
    '>',
    '__proto__',
    'constructor',
    '1',
    'null',
    '?',
  );

  it('is a release or faults with positions inside it, never an exception', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.string({ maxLength: 3 })), { maxLength: 40 }), (parts) => {
        const text = parts.join('');
        const parsed = parsePolicy([{ name: 'a.yaml', text }], SAMPLE);
        const lines = text.split(/\r\n|\r|\n/).length;
        const within = (fault: PolicyFault) =>
          fault.line >= 1 && fault.line <= lines + 1 && fault.column >= 1;
        if (parsed.ok) return;
        expect(parsed.faults).not.toEqual([]);
        expect(parsed.faults.filter((fault) => !within(fault))).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });
});
