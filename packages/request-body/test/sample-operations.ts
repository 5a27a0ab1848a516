import type { Field, Operation } from '@ideogate/contract';
import * as sample from '@ideogate/testkit/sample-operations';

const NUM_IMAGES: Field = { name: 'num_images', type: 'integer', min: 1, max: 8, default: 1 };
const SPEED: Field = {
  name: 'rendering_speed',
  type: 'string',
  enum: ['FLASH', 'TURBO', 'DEFAULT', 'QUALITY'],
  default: 'DEFAULT',
};

/** A v3 image route: multipart or JSON, one image, fast. */
export const generate: Operation = {
  ...sample.generate,
  contentTypes: ['multipart/form-data', 'application/json'],
  fields: [
    { name: 'prompt', type: 'string', required: true },
    { name: 'seed', type: 'integer', min: 0 },
    SPEED,
    NUM_IMAGES,
    { name: 'color_palette', type: 'object', jsonPart: true },
    { name: 'style_codes', type: 'string[]' },
    { name: 'style_reference_images', type: 'file[]' },
    { name: 'character_reference_images', type: 'file[]' },
    { name: 'enable_copyright_detection', type: 'boolean', nullable: true },
  ],
  limited: [
    { field: 'num_images', max: 1, absent: 1 },
    { field: 'rendering_speed', oneOf: ['FLASH', 'TURBO'], absent: 'DEFAULT' },
    { field: 'character_reference_images', forbidden: true },
  ],
};

/** An image in, and JSON in a part. */
export const upscale: Operation = {
  ...sample.upscale,
  contentTypes: ['multipart/form-data'],
  fields: [
    { name: 'image_file', type: 'file', required: true },
    {
      name: 'image_request',
      type: 'object',
      required: true,
      jsonPart: true,
      fields: [
        { name: 'prompt', type: 'string' },
        { ...NUM_IMAGES, nullable: true },
        { name: 'seed', type: 'integer' },
      ],
    },
  ],
  limited: [{ field: 'image_request.num_images', max: 1, absent: 1 }],
};

/** JSON only, prices itself, speed has no documented default. */
export const quoted: Operation = {
  ...sample.quoted,
  contentTypes: ['application/json'],
  fields: [
    { name: 'prompt', type: 'string', required: true },
    NUM_IMAGES,
    { name: 'rendering_speed', type: 'string', enum: ['turbo', 'default', 'quality'] },
    { name: 'webhook_url', type: 'string' },
    { name: 'image_request', type: 'object', fields: [NUM_IMAGES] },
  ],
  query: [
    { name: 'dry_run', type: 'boolean', default: false },
    { name: 'limit', type: 'integer' },
    { name: 'tag', type: 'string' },
  ],
  limited: [
    { field: 'num_images', max: 1, absent: 1 },
    { field: 'rendering_speed', oneOf: ['turbo'] },
  ],
};

export const train: Operation = {
  ...sample.train,
  contentTypes: ['application/json', 'multipart/form-data'],
};
