import { readFileSync } from 'node:fs';
import { type Field, isReadScope, type Operation } from '@ideogate/contract';
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

interface Body {
  readonly type: string;
  readonly text: string;
}

/** One body with these fields for each content type of the operation; `file` is put before them in multipart. */
function bodiesWith(
  one: Operation,
  values: ReadonlyMap<string, string | number>,
  file?: string,
): readonly Body[] {
  const root: Record<string, string | number | Record<string, string | number>> = {};
  for (const [path, value] of values) {
    const [first = '', second] = path.split('.');
    const inner = root[first];
    root[first] =
      second === undefined ? value : { ...(typeof inner === 'object' ? inner : {}), [second]: value };
  }
  const parts: Part[] = Object.entries(root).map(([name, value]) => {
    const content = typeof value === 'object' ? JSON.stringify(value) : `${value}`;
    const isFile = one.fields?.find((field) => field.name === name)?.type.startsWith('file') === true;
    return isFile ? { name, content, filename: 'a.png' } : { name, content };
  });
  const image: readonly Part[] = [{ name: file ?? 'image', filename: 'a.png', content: 'x' }];
  return one.contentTypes.map((type) =>
    type === 'application/json'
      ? { type, text: JSON.stringify(root) }
      : {
          type: `${type}; boundary=${BOUNDARY}`,
          text: multipart(file === undefined ? parts : [...image, ...parts]),
        },
  );
}

function verdictOn(one: Operation, body: Body) {
  return verdict(one, 'limited', body.text, { type: body.type });
}

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
      const bad = 'max' in bound ? bound.max + 1 : 'FAKE_VALUE';
      const fields = bodiesWith(one, new Map([[bound.field, bad]])).map(
        (body) => verdictOn(one, body)?.field,
      );
      expect([bound.field, ...fields]).toEqual([bound.field, ...one.contentTypes.map(() => bound.field)]);
    }
  });

  it.each(limitedOperations.map((one) => [one.id, one] as const))(
    'has bounds that some call can keep: %s',
    (_, one) => {
      const kept = new Map<string, string | number>([['prompt', 'a cat']]);
      if (one.fields?.every((field) => field.name !== 'prompt') === true) kept.clear();
      for (const bound of one.limited ?? []) {
        if ('max' in bound) kept.set(bound.field, bound.max);
        if ('oneOf' in bound) kept.set(bound.field, bound.oneOf[0] ?? '');
      }
      const file = one.fields?.find((field) => field.type === 'file')?.name;
      expect(bodiesWith(one, kept, file).map((body) => verdictOn(one, body))).toEqual(
        one.contentTypes.map(() => null),
      );
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

describe('what the reference documents passes for a caller with the full grant (I.67)', () => {
  const samples: Readonly<Record<Field['type'], unknown>> = {
    string: 'a cat, 猫 & co; "quoted" \\ 1.0',
    integer: 1,
    number: 0.5,
    boolean: true,
    object: { name: 'EMBER', members: [{ color_hex: '#000000', color_weight: 0.25 }] },
    'string[]': ['a', 'b'],
    'object[]': [{ a: 1 }, { a: 2 }],
    file: 'x',
    'file[]': ['x'],
  };
  const sampleOf = (field: Field): unknown =>
    field.enum?.[0] ??
    (field.fields === undefined
      ? samples[field.type]
      : Object.fromEntries(field.fields.map((inner) => [inner.name, sampleOf(inner)])));
  const open = OPERATIONS.filter((one) => one.closed === null);
  const jsonOnes = open.filter((one) => one.contentTypes.includes('application/json'));

  it.each(jsonOnes.map((one) => [one.id, one] as const))(
    'every field in JSON, and each as null: %s',
    (_, one) => {
      const fields = (one.fields ?? []).filter(({ name }) => name !== 'webhook_url');
      const all = Object.fromEntries(fields.map((field) => [field.name, sampleOf(field)]));
      const none = Object.fromEntries((one.fields ?? []).map((field) => [field.name, null]));
      for (const body of [all, none])
        expect(
          verdict(one, 'full', new TextEncoder().encode(JSON.stringify(body)), { type: 'application/json' }),
        ).toBeNull();
    },
  );

  it.each(open.filter((one) => one.query.length > 0).map((one) => [one.id, one] as const))(
    'every parameter of a query, as browsers write it: %s',
    (_, one) => {
      const query = new URLSearchParams();
      for (const field of one.query.filter(({ name }) => name !== 'webhook_url')) {
        const values = [sampleOf(field)].flat();
        for (const value of values) query.append(field.name, String(value));
      }
      expect(checkQuery(one, 'full', query.toString())).toBeNull();
      expect(checkQuery(one, 'full', query.toString().replaceAll('+', '%20'))).toBeNull();
    },
  );
});
