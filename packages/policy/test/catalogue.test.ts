import { readFileSync } from 'node:fs';
import { isReadScope, type Operation } from '@ideogate/contract';
import { OPERATIONS } from '@ideogate/ideogram';
import { describe, expect, it } from 'vitest';
import {
  checkQuery,
  decide,
  formatFault,
  grantedScopes,
  grantOf,
  openBody,
  parsePolicy,
  type Release,
} from '../src/index.ts';
import { BOUNDARY, bytes, isReader, multipart, OPTIONS, type Part, verdict } from './bodies.ts';

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
const limitedOperations = OPERATIONS.filter((one) => one.limited !== null);

describe('the policy that start runs with', () => {
  const release = load('default.yaml');

  it('words the grants of reader and writer as the product announces them', () => {
    expect(grantOf(release, 'staging', reader)?.patterns).toEqual(['read:*']);
    expect(grantOf(release, 'staging', writer)?.patterns).toEqual(['read:*', 'write:limited']);
    expect(grantOf(release, 'development', reader)?.patterns).toEqual(['read:*']);
    expect(grantOf(release, 'development', writer)).toBeNull();
    expect(grantOf(release, 'production', writer)?.patterns).toContain('write:generate');
    expect(grantOf(release, 'production', writer)?.patterns).not.toContain('write:limited');
    expect(
      grantOf(release, 'production', reader)?.patterns.every(
        (one) => one !== 'read:*' && isReadScope(one as never),
      ),
    ).toBe(true); // as: wildcards were just ruled out
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
    for (const caller of [reader, writer]) {
      const scopes = grantedScopes(release, 'development', caller);
      for (const one of OPERATIONS) {
        const decision = decide(release, {
          environment: 'development',
          caller,
          scopes,
          operation: one,
          quote: false,
        });
        if (decision.allow) expect(isReadScope(decision.scope)).toBe(true);
      }
    }
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

describe('every operation of the catalogue', () => {
  it.each(
    OPERATIONS.filter((one) => one.contentTypes.includes('application/json')).map(
      (one) => [one.id, one] as const,
    ),
  )('refuses webhook_url in JSON, whatever the grant: %s', (_, one) => {
    expect(
      verdict(one, 'full', '{"webhook_url":"https://hook.example"}', { type: 'application/json' }),
    ).toMatchObject({ reason: 'webhook-url' });
    expect(checkQuery(one, 'full', 'webhook_url=x')).toMatchObject({ reason: 'webhook-url' });
  });

  it.each(
    OPERATIONS.filter((one) => one.contentTypes.includes('multipart/form-data')).map(
      (one) => [one.id, one] as const,
    ),
  )('refuses webhook_url in multipart, whatever the grant: %s', (_, one) => {
    expect(verdict(one, 'full', multipart([{ name: 'webhook_url', content: 'x' }]))).toMatchObject({
      reason: 'webhook-url',
    });
  });

  it.each(limitedOperations.map((one) => [one.id, one] as const))('holds its bounds: %s', (_, one) => {
    for (const bound of one.limited ?? []) {
      if (bound.field.includes('.')) continue;
      const content = 'max' in bound ? String(bound.max + 1) : 'oneOf' in bound ? 'FAKE_VALUE' : 'x';
      const field = one.fields?.find((known) => known.name === bound.field);
      expect([one.id, bound.field, field?.type]).not.toEqual([one.id, bound.field, undefined]);
      if (one.contentTypes.includes('multipart/form-data')) {
        const part: Part = field?.type.startsWith('file')
          ? { name: bound.field, content, filename: 'a.png' }
          : { name: bound.field, content };
        expect(verdict(one, 'limited', multipart([part]))).toMatchObject({
          problem: 'bound-exceeded',
          field: bound.field,
        });
      }
      if (one.contentTypes.includes('application/json')) {
        const value = 'max' in bound ? bound.max + 1 : 'FAKE_VALUE';
        const body = JSON.stringify({ [bound.field]: value });
        expect(verdict(one, 'limited', body, { type: 'application/json' })).toMatchObject({
          problem: 'bound-exceeded',
          field: bound.field,
        });
      }
    }
  });

  it.each(limitedOperations.map((one) => [one.id, one] as const))(
    'has bounds that some call can keep: %s',
    (_, one) => {
      const kept = (one.limited ?? []).flatMap((bound) =>
        'forbidden' in bound ? [] : [[bound.field, 'max' in bound ? bound.max : bound.oneOf[0]] as const],
      );
      const root: Record<string, unknown> = {};
      for (const [path, value] of kept) {
        const [first = '', second] = path.split('.');
        const typed =
          one.fields?.find((known) => known.name === first)?.type === 'integer' ? Number(value) : value;
        root[first] =
          second === undefined ? typed : { ...(root[first] as object | undefined), [second]: value }; // as: made just here
      }
      if (one.contentTypes.includes('application/json')) {
        expect(verdict(one, 'limited', JSON.stringify(root), { type: 'application/json' })).toBeNull();
      }
      if (one.contentTypes.includes('multipart/form-data')) {
        const parts = Object.entries(root).map(([name, value]) => ({
          name,
          content: typeof value === 'object' ? JSON.stringify(value) : String(value),
        }));
        expect(
          verdict(one, 'limited', multipart([{ name: parts.length > 0 ? '' : 'x' }, ...parts].slice(1)))
            ?.reason ?? null,
        ).toBe(parts.length > 0 ? null : 'multipart-ended-early');
      }
    },
  );

  it('has a reader or a clear refusal for each level', () => {
    for (const one of OPERATIONS) {
      for (const level of ['full', 'limited'] as const) {
        const opened = openBody(
          one,
          level,
          one.contentTypes[0] === 'multipart/form-data'
            ? `multipart/form-data; boundary=${BOUNDARY}`
            : one.contentTypes[0],
          undefined,
          OPTIONS,
        );
        expect(isReader(opened) || opened.reason === 'not-limited').toBe(true);
      }
    }
  });
});

describe('legacy remix: image_request is JSON in a part', () => {
  const request = (content: string) =>
    multipart([
      { name: 'image_file', filename: 'a.png', content: 'x' },
      { name: 'image_request', content },
    ]);
  it.each([
    ['{"prompt":"a","model":"V_2_TURBO"}', null],
    ['{"prompt":"a","model":"V_2_TURBO","num_images":2}', 'image_request.num_images'],
    ['{"prompt":"a","model":"V_2"}', 'image_request.model'],
    ['{"prompt":"a"}', 'image_request.model'],
  ])('%s', (content, field) => {
    expect(verdict(operation('legacy.remix'), 'limited', bytes(request(content)))?.field ?? null).toBe(field);
  });
});
