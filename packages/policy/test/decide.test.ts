import { type EnvironmentName, type Operation, type ScopeName, SCOPE_NAMES } from '@ideogate/contract';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide, grantedScopes, parsePolicy, type Release } from '../src/index.ts';
import {
  createKey,
  generate,
  listModels,
  quoted,
  SAMPLE,
  train,
  upscale,
} from '@ideogate/testkit/sample-operations';

const TEXT = `environments:
  development:
  staging:
  production:
    ceiling:
      - read:quote
      - write:generate
      - write:upscale
callers:
  - subject: reader
    grants:
      development: ["read:*"]
      staging: ["read:*"]
  - subject: writer
    issuer: https://idp.example
    grants:
      staging: ["read:*", "write:limited"]
      production:
        - write:generate
  - subject: plain
    grants:
      staging: [write:generate]
`;

function load(text: string): Release {
  const parsed = parsePolicy([{ name: 'p.yaml', text }], SAMPLE);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.release;
}

const release = load(TEXT);
const ALL: ReadonlySet<ScopeName> = new Set(SCOPE_NAMES);

function ask(
  subject: string,
  environment: EnvironmentName,
  operation: Operation,
  more: { scopes?: readonly ScopeName[]; quote?: boolean; issuer?: string } = {},
) {
  return decide(release, {
    environment,
    caller: { issuer: more.issuer ?? 'https://idp.example', subject },
    scopes: more.scopes === undefined ? ALL : new Set(more.scopes),
    operation,
    quote: more.quote ?? false,
  });
}

describe('a call is allowed at the smallest level of token, ceiling and grant', () => {
  it.each([
    [
      'a reader lists models in development',
      ask('reader', 'development', listModels),
      'full',
      'read:models',
      'p.yaml:12',
    ],
    [
      'a writer under write:limited makes an image in staging',
      ask('writer', 'staging', generate),
      'limited',
      'write:generate',
      'p.yaml:17',
    ],
    [
      'a plain grant under a ceiling of write:limited stays limited',
      ask('plain', 'staging', generate),
      'limited',
      'write:generate',
      'default ceiling of staging',
    ],
    [
      'a writer with the full grant makes images in production',
      ask('writer', 'production', generate),
      'full',
      'write:generate',
      'p.yaml:19',
    ],
    [
      'a reader prices a call',
      ask('reader', 'staging', quoted, { quote: true }),
      'full',
      'read:quote',
      'p.yaml:13',
    ],
    [
      'a token with just the scope',
      ask('writer', 'staging', upscale, { scopes: ['write:upscale'] }),
      'limited',
      'write:upscale',
      'p.yaml:17',
    ],
  ] as const)('%s', (_, decision, level, scope, rule) => {
    expect(decision).toEqual({ allow: true, level, scope, rule });
  });
});

describe('a call is refused with the scope it needs and the rule that refuses it', () => {
  it.each([
    [
      'a reader who tries to make an image',
      ask('reader', 'staging', generate),
      'grant-lacks-scope',
      'write:generate',
      'p.yaml:13',
    ],
    [
      'a call that only looks like a quote',
      ask('reader', 'staging', generate, { quote: true }),
      'grant-lacks-scope',
      'write:generate',
      'p.yaml:13',
    ],
    [
      'a quote not sent as one',
      ask('reader', 'staging', quoted),
      'grant-lacks-scope',
      'write:generate',
      'p.yaml:13',
    ],
    [
      'an operation without bounds under write:limited',
      ask('writer', 'staging', train),
      'not-limited',
      'write:train',
      'default ceiling of staging',
    ],
    [
      'a scope the token lacks',
      ask('writer', 'staging', generate, { scopes: ['read:models'] }),
      'scope-not-in-token',
      'write:generate',
      'token',
    ],
    [
      'a token without scopes',
      ask('reader', 'development', listModels, { scopes: [] }),
      'scope-not-in-token',
      'read:models',
      'token',
    ],
    [
      'a scope the ceiling lacks',
      ask('writer', 'production', listModels),
      'ceiling-lacks-scope',
      'read:models',
      'p.yaml:5',
    ],
    [
      'a scope the grant lacks',
      ask('writer', 'production', upscale),
      'grant-lacks-scope',
      'write:upscale',
      'p.yaml:18',
    ],
    [
      'a caller nobody named',
      ask('stranger', 'staging', listModels),
      'unknown-caller',
      'read:models',
      'policy',
    ],
    [
      'a subject in another letter case',
      ask('Reader', 'staging', listModels),
      'unknown-caller',
      'read:models',
      'policy',
    ],
    [
      'a caller of another issuer',
      ask('writer', 'staging', generate, { issuer: 'https://other.example' }),
      'unknown-caller',
      'write:generate',
      'policy',
    ],
    [
      'a caller without a grant here',
      ask('reader', 'production', listModels),
      'no-grant',
      'read:models',
      'p.yaml:10',
    ],
    [
      'a subject named like a built-in property',
      ask('__proto__', 'staging', listModels),
      'unknown-caller',
      'read:models',
      'policy',
    ],
  ] as const)('%s', (_, decision, reason, scope, rule) => {
    expect(decision).toMatchObject({ allow: false, problem: 'insufficient-scope', reason, scope, rule });
    expect(decision).toHaveProperty('detail', expect.stringContaining(scope));
  });

  it('a closed operation, whatever the token says', () => {
    expect(ask('writer', 'production', createKey)).toMatchObject({
      problem: 'operation-closed',
      reason: 'operation-closed',
      scope: null,
    });
  });

  it('a closed operation handed in as an open one', () => {
    const forged = { ...createKey, closed: null, scope: 'write:generate' } as const;
    expect(ask('writer', 'production', forged)).toMatchObject({ reason: 'operation-closed' });
  });

  it('an operation that the release does not know', () => {
    expect(ask('writer', 'production', { ...generate, id: 'v3.other' })).toMatchObject({
      reason: 'operation-unknown',
    });
  });

  it('an environment that the policy does not declare', () => {
    const other = load('environments: {staging: }\n');
    const decision = decide(other, {
      environment: 'production',
      caller: { issuer: 'https://idp.example', subject: 'writer' },
      scopes: ALL,
      operation: generate,
      quote: false,
    });
    expect(decision).toMatchObject({ allow: false, reason: 'unknown-environment' });
  });

  it('the scope an operation had before the policy changed it', () => {
    const changed = load(`${TEXT}operations: {upscale: {scope: write:train}}\n`);
    const decision = decide(changed, {
      environment: 'staging',
      caller: { issuer: 'https://idp.example', subject: 'writer' },
      scopes: new Set(['write:upscale']),
      operation: upscale,
      quote: false,
    });
    expect(decision).toMatchObject({ allow: false, scope: 'write:train', reason: 'scope-not-in-token' });
  });
});

describe('whatever is asked', () => {
  const asks = fc.record({
    environment: fc.constantFrom<EnvironmentName>('development', 'staging', 'production'),
    caller: fc.record({
      issuer: fc.constantFrom('https://idp.example', 'https://other.example'),
      subject: fc.constantFrom('reader', 'writer', 'plain', 'stranger'),
    }),
    scopes: fc.subarray([...SCOPE_NAMES]).map((scopes) => new Set(scopes)),
    operation: fc.constantFrom(...SAMPLE),
    quote: fc.boolean(),
  });

  it('nothing is allowed that the token or the issuer’s own answer lacks, and a limited level has bounds', () => {
    fc.assert(
      fc.property(asks, (one) => {
        const decision = decide(release, one);
        if (!decision.allow) return;
        const { scope, level } = decision;
        const granted = grantedScopes(release, one.environment, one.caller);
        const reads =
          one.operation.scope?.startsWith('read:') === true || (one.quote && one.operation.dryRun);
        expect({
          inToken: one.scopes.has(scope),
          granted: granted.has(scope),
          bounded: level === 'full' || one.operation.limited !== null,
          readOnly: !scope.startsWith('read:') || reads,
        }).toEqual({ inToken: true, granted: true, bounded: true, readOnly: true });
      }),
      { numRuns: 1000 },
    );
  });

  it('a larger token never loses a right', () => {
    const lost = fc.check(
      fc.property(asks, (one) => {
        const decision = decide(release, one);
        return !decision.allow || decide(release, { ...one, scopes: ALL }).allow;
      }),
    );
    expect(lost.counterexample).toBeNull();
  });
});

describe('who is off by a few letters is told what is near', () => {
  const detail = (decision: ReturnType<typeof decide>) => (decision.allow ? 'allowed' : decision.detail);
  const withText = (scopeText: string) =>
    detail(
      decide(release, {
        environment: 'staging',
        caller: { issuer: 'https://idp.example', subject: 'writer' },
        scopes: new Set(),
        scopeText,
        operation: generate,
        quote: false,
      }),
    );

  it('in the name of the caller, among those of its issuer', () => {
    expect(detail(ask('wrtier', 'staging', generate))).toMatch(/Did you mean writer\?$/);
    expect(detail(ask('Writer', 'staging', generate))).toMatch(/Did you mean writer\?$/);
    expect(detail(ask('wrtier', 'staging', generate, { issuer: 'https://other.example' }))).not.toMatch(
      /writer/,
    );
    expect(detail(ask('somebody-else', 'staging', generate))).not.toMatch(/Did you mean/);
  });

  it('in a scope of the token, which is not shown', () => {
    expect(withText('read:models write:genrate')).toMatch(
      /spelled nearly so: did you mean write:generate\?$/,
    );
    expect(withText('Write:Generate')).toMatch(/did you mean write:generate\?$/);
    expect(withText('write:genrate')).not.toMatch(/genrate/);
    expect(withText('read:models')).not.toMatch(/did you mean/);
  });
});
