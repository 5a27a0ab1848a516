import { isReadScope, type Operation, SCOPE_NAMES } from '@ideogate/contract';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildRouter, CatalogueError, OPERATIONS } from '../src/index.ts';

const router = buildRouter(OPERATIONS);
const open = OPERATIONS.filter((operation) => operation.closed === null);
const closed = OPERATIONS.filter((operation) => operation.closed !== null);

function byId(id: string): Operation {
  const found = OPERATIONS.find((operation) => operation.id === id);
  if (found === undefined) throw new Error(`no operation ${id}`);
  return found;
}

const SLOW = ['BALANCED', 'DEFAULT', 'QUALITY', 'V_1', 'V_2', 'V_2A', 'V_3', 'AUTO', 'medium', 'high', '2K'];
const DEAR = [
  'rendering_speed',
  'quality',
  'resolution_tier',
  'output_resolution',
  'upscale_factor',
  'model',
];

/** What a caller with `write:limited` could still make dearer on this operation. */
function loopholes({ id, fields, limited }: Operation): readonly string[] {
  const paths = (fields ?? []).flatMap((field) => [
    { path: field.name, field },
    ...(field.fields ?? []).map((member) => ({ path: `${field.name}.${member.name}`, field: member })),
  ]);
  return paths.flatMap(({ path, field }) => {
    const bound = limited?.find((candidate) => candidate.field === path);
    const loophole = (why: string) => [`${id} ${path}: ${why}`];
    if (field.name === 'num_images') {
      const one = bound !== undefined && 'max' in bound && bound.max === 1 && bound.absent === 1;
      return one ? [] : loophole('more than one image');
    }
    if (!DEAR.includes(field.name)) return [];
    if (bound === undefined || !('oneOf' in bound)) return loophole('not bounded');
    const dear = bound.oneOf.filter((value) =>
      SLOW.some((slow) => slow.toUpperCase() === value.toUpperCase()),
    );
    // Absent counts as Ideogram's default; where none is documented the field must be sent.
    const absent = bound.absent === field.default ? [] : loophole('absent is not the default');
    return [...dear.flatMap((value) => loophole(`takes ${value}`)), ...absent];
  });
}

/** The catalogue with one entry changed. */
function with_(id: string, change: Partial<Operation>): readonly Operation[] {
  return OPERATIONS.map((operation) => (operation.id === id ? { ...operation, ...change } : operation));
}

function faultsOf(operations: readonly Operation[]): readonly string[] {
  try {
    buildRouter(operations);
  } catch (error) {
    if (error instanceof CatalogueError) return error.faults;
    throw error;
  }
  return [];
}

describe('the catalogue', () => {
  test('every operation is in it once: 200 of them, 41 closed', () => {
    const routes = OPERATIONS.map(({ method, path }) => `${method} ${path}`);
    expect(new Set(routes).size).toBe(200);
    expect(new Set(OPERATIONS.map(({ id }) => id)).size).toBe(200);
    expect(closed).toHaveLength(41);
  });

  test.each([
    ['v2', 86, (o: Operation) => o.closed === null && o.path.startsWith('/v2/')],
    ['v1 and without a version', 73, (o: Operation) => o.closed === null && !o.path.startsWith('/v2/')],
    ['internal', 9, (o: Operation) => /^\/(?:internal|mini-apps)/.test(o.path)],
    ["Ideogram's web console", 32, (o: Operation) => /^\/(?:manage\/api\/|v2\/integrations)/.test(o.path)],
  ])('of the kind %s there are %i', (_kind, count, belongs) => {
    expect(OPERATIONS.filter(belongs)).toHaveLength(count);
  });

  test('every open operation has a scope, and every scope but the quote opens something', () => {
    const used = new Set(open.map((operation) => operation.scope));
    expect(used).not.toContain(null);
    const idle = SCOPE_NAMES.filter((scope) => !used.has(scope));
    expect(idle).toEqual(['read:quote']);
    expect(open.map((operation) => operation.dryRun)).toContain(true);
  });

  test.each(closed.map((operation) => [operation.id, operation] as const))(
    'no scope opens %s, no key goes there, and it says why',
    (_id, operation) => {
      expect(operation).toMatchObject({ scope: null, capability: 'none', limited: null });
      expect(operation.closed).toMatch(/\w/);
    },
  );

  test('everything under /manage/api, /internal and /mini-apps is closed', () => {
    const reachable = open.filter(({ path }) => /^\/(?:manage|internal|mini-apps)|integrations/.test(path));
    expect(reachable).toEqual([]);
  });

  test('a read: scope never changes anything and never costs money', () => {
    const reads = open.filter(({ scope }) => scope !== null && isReadScope(scope));
    expect(reads.filter(({ method }) => method !== 'GET').map(({ id }) => id)).toEqual([
      'v1.provenance.verify',
    ]);
    expect(reads.filter(({ price }) => price.kind !== 'free')).toEqual([]);
    expect(reads.filter(({ capability }) => capability === 'write')).toEqual([]);
  });

  test('only operations that Ideogram asks no credential for go without a key', () => {
    expect(open.filter(({ capability }) => capability === 'none').map(({ path }) => path)).toEqual([
      '/integration-assets/{external_ref}',
      '/v1/provenance/verify',
      '/v1/.well-known/jwks.json',
    ]);
  });

  test('403 means a bad key on three operations only, where Ideogram declares it in place of 401', () => {
    const withKey = open.filter(({ capability }) => capability !== 'none');
    const forbidden = withKey.filter(({ keyRefusedStatus }) => keyRefusedStatus.includes(403));
    expect(forbidden.map(({ path }) => path)).toEqual(['/remix', '/upscale', '/v1/ideogram-v3/remix']);
    expect(withKey.filter(({ keyRefusedStatus }) => !keyRefusedStatus.includes(401))).toEqual([]);
  });

  test('66 operations declare a dry run, all of them v2', () => {
    const quoted = OPERATIONS.filter(({ dryRun }) => dryRun);
    expect(quoted).toHaveLength(66);
    expect(quoted.filter(({ path }) => !path.startsWith('/v2/'))).toEqual([]);
  });

  test('every operation that takes a webhook_url says that it is dangerous', () => {
    const takes = open.filter(({ fields, query }) =>
      [...(fields ?? []), ...query].some(({ name }) => name === 'webhook_url'),
    );
    expect(takes.length).toBeGreaterThan(40);
    expect(takes.filter(({ danger }) => danger === null || !danger.includes('webhook_url'))).toEqual([]);
  });
});

describe('write:limited', () => {
  const BOUNDED_SCOPES = [
    'write:describe',
    'write:edit',
    'write:generate',
    'write:reframe',
    'write:remix',
    'write:remove-background',
    'write:replace-background',
    'write:upscale',
  ];
  const limited = open.filter((operation) => operation.limited !== null);

  test('covers image operations only', () => {
    expect(new Set(limited.map(({ scope }) => scope))).toEqual(new Set(BOUNDED_SCOPES));
  });

  test('leaves out only those whose fields are not known, whose model Ideogram picks, and object removal', () => {
    const left = open.filter(
      ({ scope, fields, limited: bounds }) =>
        scope !== null && BOUNDED_SCOPES.includes(scope) && fields !== null && bounds === null,
    );
    expect(left.map(({ id }) => id)).toEqual([
      'v2.image.generate.auto',
      'v2.image.remove-object.ideogram-1',
      'v2.image.remix.auto',
      'v2.image.reframe.auto',
      'v2.image.upscale.auto',
    ]);
  });

  test('lets one image through at most, and no speed, quality, size or model but the cheapest', () => {
    expect(limited.flatMap(loopholes)).toEqual([]);
  });

  test.each(['v3.generate', 'v3.remix', 'v3.inpaint', 'v3.edit'])(
    '%s takes no character reference, which is dearer',
    (id) => {
      const fields = byId(id).limited?.filter((bound) => 'forbidden' in bound);
      expect(fields?.map(({ field }) => field)).toEqual([
        'character_reference_images',
        'character_reference_images_mask',
      ]);
    },
  );
});

describe('finding an operation by path', () => {
  test.each([
    ['/generate', 'POST', 'legacy.generate'],
    ['/v1/ideogram-v3/generate', 'POST', 'v3.generate'],
    ['/v1/ideogram-v4/async/generate', 'POST', 'v4.async.generate'],
    ['/v1/ideogram-v45/generate', 'POST', 'v45.generate'],
    ['/v2/image/generate/ideogram-4', 'POST', 'v2.image.generate.ideogram-4'],
    ['/v1/generations/aGVsbG8', 'GET', 'v1.generations.get'],
    ['/v2/generations/a_b-c.d~e', 'GET', 'v2.generations.get'],
    ['/datasets', 'GET', 'datasets.list'],
    ['/datasets', 'POST', 'datasets.create'],
    ['/datasets/7', 'GET', 'datasets.get'],
    ['/datasets/7/train_model', 'POST', 'datasets.train'],
    ['/v1/.well-known/jwks.json', 'GET', 'v1.jwks'],
    ['/manage/api/api_keys/7', 'DELETE', 'manage.api-keys.delete'],
  ] as const)('%s by %s is %s', (path, method, id) => {
    expect(router.find(path)?.methods.get(method)?.id).toBe(id);
  });

  test('the parameters of the path come with it', () => {
    expect(router.find('/datasets/set-1')).toMatchObject({
      template: '/datasets/{dataset_id}',
      params: new Map([['dataset_id', 'set-1']]),
    });
  });

  test.each([
    '',
    '/',
    '/generate/',
    '/Generate',
    '//generate',
    '/v1/generations/',
    '/v1/generations/.',
    '/v1/generations/..',
    '/v1/generations/a/b',
    '/v1/generations/a%2fb',
    '/v1/generations/a;b',
    '/v1/generations/a:b',
    '/v1/generations/é',
    '/v1/generations/{generation_id}',
    '/v1/ideogram-v3/generate\n',
    '/v1/generations/a\n',
  ])('%j is no operation', (path) => {
    expect(router.find(path)).toBeUndefined();
  });

  test('whatever fills the parameters, a path leads to its own template and no other', () => {
    const parameter = fc.stringMatching(/^[A-Za-z0-9._~-]{1,12}$/).filter((text) => !/^\.\.?$/.test(text));
    fc.assert(
      fc.property(
        fc.constantFrom(...OPERATIONS),
        fc.array(parameter, { minLength: 2, maxLength: 2 }),
        (operation, values) => {
          const fillers = [...values];
          const path = operation.path.replaceAll(/\{[a-z_]+\}/g, () => fillers.pop() ?? 'x');
          expect(router.find(path)?.template).toBe(operation.path);
        },
      ),
    );
  });

  test('a path made of anything at all leads nowhere, or to the template it spells', () => {
    const segment = fc.oneof(
      fc.constantFrom(...new Set(OPERATIONS.flatMap(({ path }) => path.split('/')))),
      fc.string({ maxLength: 4 }),
      fc.constantFrom('..', '.', '%2e%2e', '', 'A', '\u0000'),
    );
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 6 }), (segments) => {
        const path = `/${segments.join('/')}`;
        const route = router.find(path);
        if (route === undefined) return;
        const spelled = route.template.replaceAll(
          /\{([a-z_]+)\}/g,
          (_, name: string) => route.params.get(name) ?? '',
        );
        expect(spelled).toBe(path);
        expect(path).not.toMatch(/\/\.\.?(?:\/|$)|\/\/|%/);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the start fails and names the entry when (A.22)', () => {
  const v3 = byId('v3.generate');
  test.each<readonly [string, string, Partial<Operation>]>([
    ['an entry lacks a scope', 'v3.generate', { scope: null }],
    ['a scope does not exist', 'v3.generate', { scope: 'write:everything' as never }], // as: the fault under test
    ['an id is used twice', 'v3.remix', { id: 'v3.remix', path: v3.path }],
    ['two templates can match one path', 'v3.remix', { path: '/v1/{model}/generate' }],
    ['a template is malformed', 'v3.remix', { path: '/v1/ideogram-v3/../remix' }],
    ['a billed operation has a read scope', 'v3.generate', { scope: 'read:models', method: 'GET' }],
    ['an operation that changes things has a read scope', 'datasets.create', { scope: 'read:datasets' }],
    ['a write operation uses the read key', 'v3.generate', { capability: 'read' }],
    ['a bound names an unknown field', 'v3.generate', { limited: [{ field: 'number_of_images', max: 1 }] }],
    [
      'a bound allows a value that does not exist',
      'v3.generate',
      { limited: [{ field: 'rendering_speed', oneOf: ['WARP'] }] },
    ],
    [
      "a bound takes an absent field for something else than Ideogram's default",
      'v3.generate',
      { limited: [{ field: 'rendering_speed', oneOf: ['TURBO'], absent: 'TURBO' }] },
    ],
    ['bounds hang on fields that are not known', 'v1.edit-lite', { limited: [{ field: 'x', max: 1 }] }],
    ['a price hangs on an unknown field', 'v3.generate', { fields: [], limited: null }],
    ['a closed operation has a scope', 'manage.api-keys.create', { scope: 'write:tool' }],
    ['a closed operation uses a key', 'manage.api-keys.create', { capability: 'write' }],
    ['no status says that the key is bad', 'v3.generate', { keyRefusedStatus: [] }],
    ['a dry run is not a declared parameter', 'v3.generate', { dryRun: true }],
  ])('%s', (_what, id, change) => {
    const faults = faultsOf(with_(id, change));
    expect(faults.length).toBeGreaterThan(0);
    expect(faults).toContainEqual(expect.stringContaining(id));
  });

  test('an id appears a second time', () => {
    expect(faultsOf([...OPERATIONS, { ...v3, path: '/elsewhere' }])).toEqual([
      'v3.generate: the id is used twice',
    ]);
  });
});
