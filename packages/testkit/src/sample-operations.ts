import type { Operation } from '@ideogate/contract';

const base: Operation = {
  id: '',
  method: 'POST',
  path: '/',
  summary: '',
  contentTypes: [],
  fields: null,
  query: [],
  scope: null,
  closed: null,
  capability: 'write',
  asynchronous: 'never',
  dryRun: false,
  price: { kind: 'unknown' },
  keyRefusedStatus: [401],
  limited: null,
  danger: null,
};

/** Takes bounds: `write:limited` covers it. */
export const generate: Operation = {
  ...base,
  id: 'v3.generate',
  path: '/v1/ideogram-v3/generate',
  scope: 'write:generate',
  limited: [{ field: 'num_images', max: 1, absent: 1 }],
};

/** Takes bounds, under another scope. */
export const upscale: Operation = {
  ...base,
  id: 'upscale',
  path: '/upscale',
  scope: 'write:upscale',
  limited: [{ field: 'image_request.num_images', max: 1, absent: 1 }],
};

/** Takes bounds, and prices itself. */
export const quoted: Operation = {
  ...base,
  id: 'v2.image.generate.ideogram-4',
  path: '/v2/image/generate/ideogram-4',
  scope: 'write:generate',
  dryRun: true,
  limited: [{ field: 'num_images', max: 1, absent: 1 }],
};

/** Takes no bounds. */
export const train: Operation = { ...base, id: 'train', path: '/train', scope: 'write:train' };

export const listModels: Operation = {
  ...base,
  id: 'models.list',
  method: 'GET',
  path: '/models',
  scope: 'read:models',
  capability: 'read',
};

export const createKey: Operation = {
  ...base,
  id: 'manage.create-key',
  path: '/manage/api/keys',
  // Even an entry that names a scope by mistake stays closed.
  scope: 'write:generate',
  closed: 'takes a session of the web console',
};

export const SAMPLE: readonly Operation[] = [generate, upscale, quoted, train, listModels, createKey];

/** Bounds of a body, as a gateway has them that was told none. */
export const SAMPLE_LIMITS = {
  maxJsonBytes: 1_048_576,
  maxJsonValues: 20_000,
  maxJsonDepth: 64,
  maxParts: 256,
  maxFieldNameBytes: 128,
  maxFieldBytes: 65_536,
};
