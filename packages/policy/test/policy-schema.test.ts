import { readFileSync } from 'node:fs';
import { OPERATIONS } from '@ideogate/ideogram';
import { Check } from 'typebox/schema';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parsePolicy } from '../src/index.ts';
import { publishedSchema } from '../src/parse/policy-schema.ts';

const policies = new URL('../../../infra/policies/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, policies), 'utf8');
const published: object = JSON.parse(read('policy.schema.json'));

/** What an editor says of a file, and what the product says. */
const verdicts = (text: string) => ({
  editor: Check(published, parse(text)),
  product: parsePolicy([{ name: 'a.yaml', text }], OPERATIONS).ok,
});

describe('the schema that editors complete policy files by', () => {
  it('is the one that policies are read by (written anew by vitest run -u and the name of this file)', async () => {
    const text = `${JSON.stringify(publishedSchema(OPERATIONS), null, 2)}\n`;
    await expect(text).toMatchFileSnapshot(new URL('policy.schema.json', policies).pathname);
  });

  it.each(['default.yaml', 'example/environments.yaml', 'example/callers.yaml'])(
    'finds nothing wrong with %s, which names it',
    (name) => {
      const text = read(name);
      expect(Check(published, parse(text))).toBe(true);
      const [, schema = ''] = /^# yaml-language-server: \$schema=(\S+)$/m.exec(text) ?? [];
      expect(new URL(schema, new URL(name, policies)).href).toBe(
        new URL('policy.schema.json', policies).href,
      );
    },
  );

  it.each([
    'environments: {staging: }',
    'environments: {staging: {identifier: https://gateway.example, upstream: "http://127.0.0.1:8789"}}',
    'environments: {staging: {keys: {read: A_KEY, write: B_KEY, max_age_days: 30, at_max_age: refuse}}}',
    'environments: {staging: {retention: {months: 2, in_database: 1, shorter_because: only tests}}}',
    'environments: {staging: {record: {prompts: keep}}}',
    'environments: {production: {ceiling: [read:models, write:generate]}}',
    'environments: {staging: }\ncallers: [{subject: a, issuer: https://i.example, description: b, grants: {staging: ["read:*"]}}]',
    'environments: {staging: }\noperations: {v3.layerize-text: {scope: write:edit}}',
  ])('finds nothing wrong with what the product takes: %s', (text) => {
    expect(verdicts(text)).toEqual({ editor: true, product: true });
  });

  it.each([
    ['a setting that nobody knows', 'environments: {staging: {colour: red}}'],
    ['an environment that nobody knows', 'environments: {stagin: }'],
    [
      'an operation that nobody knows',
      'environments: {staging: }\noperations: {v3.generat: {scope: write:edit}}',
    ],
    ['a closed operation', `environments: {staging: }\noperations: {${closed()}: {scope: write:edit}}`],
    [
      'a paid operation under a read scope',
      'environments: {staging: }\noperations: {v3.generate: {scope: read:models}}',
    ],
    ['an operation without a scope', 'environments: {staging: }\noperations: {v3.generate: {}}'],
    ['a scope that nobody knows', 'environments: {staging: {ceiling: [write:generat]}}'],
    ['a scope twice', 'environments: {staging: {ceiling: [read:models, read:models]}}'],
    ['a wildcard in production', 'environments: {production: {ceiling: ["read:*"]}}'],
    ['production without a ceiling', 'environments: {production: {record: {prompts: digest}}}'],
    ['a path in an origin', 'environments: {staging: {identifier: https://gateway.example/x}}'],
    ['a key for its name', 'environments: {staging: {keys: {read: FAKEfakeFAKEfake-notakey}}}'],
    ['no days', 'environments: {staging: {keys: {max_age_days: 0}}}'],
    ['another word', 'environments: {staging: {keys: {at_max_age: ignore}}}'],
    ['too many months', 'environments: {staging: {retention: {months: 601}}}'],
    ['a reason that says nothing', 'environments: {staging: {retention: {shorter_because: "-"}}}'],
    ['a word for prompts that nobody knows', 'environments: {staging: {record: {prompts: keeep}}}'],
    ['a caller without a subject', 'environments: {staging: }\ncallers: [{grants: {}}]'],
    ['a caller without grants', 'environments: {staging: }\ncallers: [{subject: a}]'],
    ['space around a subject', 'environments: {staging: }\ncallers: [{subject: " a", grants: {}}]'],
    ['a number for text', 'environments: {staging: }\ncallers: [{subject: 1, grants: {}}]'],
    ['a list for a map', 'environments: []'],
    ['a map for a list', 'environments: {staging: }\ncallers: {}'],
  ])('finds what the product finds: %s', (_, text) => {
    expect(verdicts(text)).toEqual({ editor: false, product: false });
  });
});

function closed(): string {
  return OPERATIONS.find((operation) => operation.closed !== null)?.id ?? '';
}
