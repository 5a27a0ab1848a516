import type { Field, Operation } from '@ideogate/contract';
import { OPERATIONS } from '@ideogate/ideogram';
import { describe, expect, it } from 'vitest';
import { checkQuery, openBody } from '../src/index.ts';
import { BOUNDARY, bytes, isReader, multipart, OPTIONS, type Part, verdict } from './bodies.ts';

function operation(id: string): Operation {
  const found = OPERATIONS.find((one) => one.id === id);
  if (found === undefined) throw new Error(`no operation ${id}`);
  return found;
}

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
        expect(isReader(opened) ? 'a reader' : opened.reason).toMatch(/^(a reader|not-limited)$/);
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
