/** Routes without a version: the legacy ones that v1 and v2 replace, and two that are still current. */
import type { Operation } from '@ideogate/contract';
import { LEGACY_LIMITED, LEGACY_REQUEST_LIMITED, LEGACY_REQUEST_ONE_IMAGE, NOTHING } from './bounds.ts';
import { EITHER, get, JSON_ONLY, MULTIPART, open } from './entry.ts';
import {
  choice,
  file,
  files,
  flag,
  integer,
  legacyEdit,
  legacyGenerate,
  legacyReframe,
  legacyRemix,
  magicPromptVersion,
  prompt,
  required,
  styleType,
  text,
  upscaleFields,
} from './fields.ts';
import { LEGACY_BY_MODEL, perCall } from './prices.ts';

/** The routes without a version in their path. */
export const LEGACY: readonly Operation[] = [
  open({
    id: 'legacy.generate',
    path: '/generate',
    summary: 'Make images from a prompt (legacy; everything sits under image_request).',
    scope: 'write:generate',
    contentTypes: JSON_ONLY,
    fields: legacyGenerate,
    price: LEGACY_BY_MODEL,
    limited: LEGACY_REQUEST_LIMITED,
  }),
  open({
    id: 'legacy.remix',
    path: '/remix',
    summary: 'Make images from an image and a prompt (legacy; image_request is one part of JSON text).',
    scope: 'write:remix',
    contentTypes: MULTIPART,
    fields: legacyRemix,
    // The reference declares 403 in place of 401; the live service may still say 401.
    keyRefusedStatus: [401, 403],
    limited: LEGACY_REQUEST_LIMITED,
  }),
  open({
    id: 'legacy.edit',
    path: '/edit',
    summary: 'Redraw the masked part of an image (legacy; black is redrawn).',
    scope: 'write:edit',
    contentTypes: MULTIPART,
    fields: legacyEdit,
    limited: LEGACY_LIMITED,
  }),
  open({
    id: 'legacy.reframe',
    path: '/reframe',
    summary: 'Extend an image to another size (legacy).',
    scope: 'write:reframe',
    contentTypes: MULTIPART,
    fields: legacyReframe,
    limited: LEGACY_LIMITED,
  }),
  open({
    id: 'legacy.magic-prompt',
    path: '/magic-prompt',
    summary: 'Expand a prompt (legacy).',
    scope: 'write:prompt',
    contentTypes: EITHER,
    fields: [
      required(prompt),
      required(magicPromptVersion),
      required(flag('classify_prompt_category', true)),
      styleType,
      integer('seed'),
      files('character_reference_images'),
      text('system_prompt'),
    ],
  }),
  open({
    id: 'upscale',
    path: '/upscale',
    summary: 'Enlarge an image (image_request is one part of JSON text).',
    scope: 'write:upscale',
    contentTypes: MULTIPART,
    fields: upscaleFields,
    price: perCall(60_000),
    keyRefusedStatus: [401, 403],
    limited: [LEGACY_REQUEST_ONE_IMAGE],
  }),
  open({
    id: 'describe',
    path: '/describe',
    summary: 'Describe an image in words.',
    scope: 'write:describe',
    contentTypes: MULTIPART,
    // A reading of July 2026 lists V_4 too.
    fields: [
      required(file('image_file')),
      choice('describe_model_version', ['V_2', 'V_3', 'V_4', 'CUSTOM'], 'V_3'),
    ],
    price: perCall(10_000),
    limited: NOTHING,
  }),
  get({
    id: 'integration-assets.get',
    path: '/integration-assets/{external_ref}',
    summary: 'Redeem a signed asset reference for the bytes it stands for.',
    scope: 'write:assets',
    capability: 'none',
    danger: 'whoever holds the reference gets the asset',
  }),
];
