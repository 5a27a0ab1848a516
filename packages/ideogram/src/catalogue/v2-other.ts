/** The v2 routes that are not about images: video, packaged tools and workflows, the account, polling. */
import type { Operation, ScopeName } from '@ideogate/contract';
import { EITHER, get, JSON_ONLY, v2 } from './entry.ts';
import { choice, flag, integer, text } from './fields.ts';

const VIDEO: readonly Operation[] = [
  run('video/edit/seedance-2', 'Edit a video with Seedance 2.', 'quoted'),
  run(
    'video/generate/kling-3-standard-image-to-video',
    'Make a video from an image with Kling 3.',
    'quoted',
    'files',
  ),
  run('video/generate/kling-3-standard-text-to-video', 'Make a video from a prompt with Kling 3.', 'quoted'),
  run(
    'video/generate/minimax-h3-image-to-video',
    'Make a video from an image with MiniMax H3.',
    'quoted',
    'files',
  ),
  run(
    'video/generate/minimax-h3-reference-to-video',
    'Make a video from references with MiniMax H3.',
    'quoted',
    'files',
  ),
  run('video/generate/minimax-h3-text-to-video', 'Make a video from a prompt with MiniMax H3.', 'quoted'),
  run(
    'video/generate/seedance-2-image-to-video',
    'Make a video from an image with Seedance 2.',
    'quoted',
    'files',
  ),
  run(
    'video/generate/seedance-2-reference-to-video',
    'Make a video from references with Seedance 2.',
    'quoted',
    'files',
  ),
  run('video/generate/seedance-2-text-to-video', 'Make a video from a prompt with Seedance 2.', 'quoted'),
  run(
    'video/generate/seedance-2-5-image-to-video',
    'Make a video from an image with Seedance 2.5.',
    'quoted',
    'files',
  ),
  run(
    'video/generate/seedance-2-5-reference-to-video',
    'Make a video from references with Seedance 2.5.',
    'quoted',
    'files',
  ),
  run('video/generate/seedance-2-5-text-to-video', 'Make a video from a prompt with Seedance 2.5.', 'quoted'),
];

const TOOLS: readonly Operation[] = [
  run('tool/ad-localizer', 'Translate an advertisement.', 'quoted', 'files'),
  run('tool/ad-resizer', 'Bring an advertisement to other sizes.', 'quoted', 'files'),
  run('tool/ad-variations', 'Make variations of an advertisement.', 'not quoted', 'files'),
  run('tool/colorways', 'Show a product in other colours.', 'quoted', 'files'),
  run('tool/ghost-mannequin', 'Show clothing as if worn by nobody.', 'quoted', 'files'),
  run('tool/living-image', 'Bring a still image into motion.', 'quoted'),
  run('tool/material-swap', 'Show a product in other materials.', 'quoted', 'files'),
  run('tool/model-pose-variants', 'Show a model in other poses.', 'not quoted', 'files'),
  run('tool/model-swap', 'Put another model in a picture.', 'not quoted', 'files'),
  run('tool/packshots', 'Make packshots of a product.', 'not quoted'),
  run('tool/product-360-video', 'Turn a product round in a video.', 'quoted'),
  run('tool/skechers-style-editor', "Edit a shoe's style, for one customer.", 'not quoted'),
  run('tool/sketch-to-render', 'Make a rendering from a sketch.', 'not quoted', 'files'),
  run('tool/sole-swap', "Put another sole on a shoe, for one customer's range.", 'not quoted'),
  run('tool/swan-s-logo-design', 'Design a logo, for one customer.', 'not quoted'),
  run('tool/swan-s-logo-install', 'Place a logo, for one customer.', 'not quoted'),
  run('tool/swap-product', 'Put another product in a picture.', 'not quoted'),
  run('tool/text-layerizer', 'Split the text off an image.', 'quoted', 'files'),
  run('tool/vectorizer', 'Turn an image into vectors.', 'quoted', 'files'),
];

const WORKFLOWS: readonly Operation[] = [
  run('workflow/lookbook', 'Make a lookbook.', 'not quoted'),
  run(
    'workflow/precise-masked-edit',
    'Edit the masked part of an image in several steps.',
    'not quoted',
    'files',
  ),
  run('workflow/virtual-try-on', 'Put clothing on a person.', 'not quoted', 'files'),
];

const ACCOUNT: readonly Operation[] = [
  get({
    id: 'v2.account.api-keys',
    path: '/v2/account/api-keys',
    summary: "List the account's API keys, redacted.",
    scope: 'read:account',
  }),
  get({
    id: 'v2.account.invoices',
    path: '/v2/account/invoices',
    summary: "List the account's invoices.",
    scope: 'read:account',
  }),
  get({
    id: 'v2.account.usage',
    path: '/v2/account/usage',
    summary: 'Read billed usage.',
    scope: 'read:account',
    query: [
      text('start_time', { required: true }),
      text('end_time'),
      choice('bucket_width', ['1d', '1h'], '1d'),
      { name: 'sources', type: 'string[]', enum: ['api', 'app'] },
    ],
  }),
  get({
    id: 'v2.assets.reference-usage',
    path: '/v2/assets/reference-usage',
    summary: 'Rank the reference assets that edits used.',
    scope: 'read:account',
    query: [
      text('start_date', { required: true }),
      text('end_date', { required: true }),
      integer('limit', { min: 1, max: 100, default: 50 }),
      text('cursor', { maxLength: 2048 }),
      { name: 'collection_ids', type: 'string[]' },
      flag('include_collections'),
    ],
  }),
  get({
    id: 'v2.generations.get',
    path: '/v2/generations/{generation_id}',
    summary: 'Poll a generation, of v1 or v2.',
    scope: 'read:generations',
    danger: 'whoever has an id can read its result',
  }),
];

/** The routes below `/v2` but not `/v2/image`: video, tools, workflows, account. */
export const V2_OTHER: readonly Operation[] = [...VIDEO, ...TOOLS, ...WORKFLOWS, ...ACCOUNT];

/**
 * A packaged run: always asynchronous, its fields not known well enough to check or bound. `quoted` ones declare
 * `dry_run`; on the others it may run and bill.
 */
function run(
  route: string,
  summary: string,
  quote: 'quoted' | 'not quoted',
  body: 'files' | 'text' = 'text',
): Operation {
  const quoted = quote === 'quoted';
  return v2(route, {
    summary,
    scope: scopeOf(route),
    contentTypes: body === 'files' ? EITHER : JSON_ONLY,
    asynchronous: 'always',
    dryRun: quoted,
    danger: quoted ? null : 'has no dry run, so that its price is known only afterwards',
  });
}

function scopeOf(route: string): ScopeName {
  if (route.startsWith('video/')) return 'write:video';
  return route.startsWith('tool/') ? 'write:tool' : 'write:workflow';
}
