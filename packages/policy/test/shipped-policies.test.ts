import { readFileSync } from 'node:fs';
import { isReadScope, type Operation } from '@ideogate/contract';
import { OPERATIONS } from '@ideogate/ideogram';
import { describe, expect, it } from 'vitest';
import { decide, formatFault, grantedScopes, grantOf, parsePolicy, type Release } from '../src/index.ts';

function load(...names: readonly string[]): Release {
  const files = names.map((name) => ({
    name,
    text: readFileSync(new URL(`../../../infra/policies/${name}`, import.meta.url), 'utf8'),
  }));
  const parsed = parsePolicy(files, OPERATIONS);
  if (!parsed.ok) throw new Error(parsed.faults.map(formatFault).join('\n'));
  return parsed.release;
}

function operation(id: string): Operation {
  const found = OPERATIONS.find((one) => one.id === id);
  if (found === undefined) throw new Error(`no operation ${id}`);
  return found;
}

const reader = { issuer: 'http://127.0.0.1:8788', subject: 'reader' };
const writer = { ...reader, subject: 'writer' };

describe('the policy that start runs with', () => {
  const release = load('default.yaml');

  it('words the grants of reader and writer as the product announces them', () => {
    expect(grantOf(release, 'staging', reader)?.patterns).toEqual(['read:*']);
    expect(grantOf(release, 'staging', writer)?.patterns).toEqual(['read:*', 'write:limited']);
    expect(grantOf(release, 'development', reader)?.patterns).toEqual(['read:*']);
    expect(grantOf(release, 'development', writer)).toBeNull();
    expect(grantOf(release, 'production', writer)?.patterns).toContain('write:generate');
    expect(grantOf(release, 'production', writer)?.patterns).not.toContain('write:limited');
    const inProduction = grantOf(release, 'production', reader)?.patterns ?? [];
    expect(inProduction.filter((one) => one === 'read:*' || !one.startsWith('read:'))).toEqual([]);
    expect(inProduction).toContain('read:models');
  });

  it('lets the reader list models and price a call, and refuses it an image, naming scope and rule', () => {
    const scopes = grantedScopes(release, 'staging', reader);
    const ask = { environment: 'staging', caller: reader, scopes, quote: false } as const;
    const quoted = operation('v2.image.generate.ideogram-4');
    expect(decide(release, { ...ask, operation: quoted, quote: true })).toMatchObject({
      allow: true,
      scope: 'read:quote',
    });
    const refused = decide(release, { ...ask, operation: operation('v3.generate') });
    expect(refused).toMatchObject({ allow: false, reason: 'grant-lacks-scope', scope: 'write:generate' });
    expect(refused.rule).toMatch(/^default\.yaml:\d+$/);
  });

  it('opens every operation with bounds to the writer in staging, limited, and no other write', () => {
    const scopes = grantedScopes(release, 'staging', writer);
    for (const one of OPERATIONS) {
      const decision = decide(release, {
        environment: 'staging',
        caller: writer,
        scopes,
        operation: one,
        quote: false,
      });
      const writes = one.scope !== null && !isReadScope(one.scope);
      const expected =
        one.closed !== null || (writes && one.limited === null) ? null : writes ? 'limited' : 'full';
      expect([one.id, decision.allow ? decision.level : null]).toEqual([one.id, expected]);
    }
  });

  it('opens no write at all in development', () => {
    const opened = [reader, writer].flatMap((caller) =>
      OPERATIONS.map((one) =>
        decide(release, {
          environment: 'development',
          caller,
          scopes: grantedScopes(release, 'development', caller),
          operation: one,
          quote: false,
        }),
      ),
    );
    const scopes = opened.flatMap((decision) => (decision.allow ? [decision.scope] : []));
    expect(scopes).toContain('read:models');
    expect(scopes.filter((scope) => !isReadScope(scope))).toEqual([]);
  });
});

describe('the example policy', () => {
  it('is valid, and its two callers of one name are told apart by issuer', () => {
    const release = load('example/environments.yaml', 'example/callers.yaml');
    const subject = 'image-service';
    expect(grantOf(release, 'production', { subject, issuer: 'https://idp.example' })).not.toBeNull();
    expect(grantOf(release, 'production', { subject, issuer: 'https://ci.example' })).toBeNull();
    expect(release.operationsById.get('v3.layerize-text')?.scope).toBe('write:edit');
  });
});
