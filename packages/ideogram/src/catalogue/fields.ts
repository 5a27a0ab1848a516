import type { Field } from '@ideogate/contract';
import {
  ASPECT_RATIOS,
  ASPECT_RATIOS_LEGACY,
  ASPECT_RATIOS_V4,
  lowerCase,
  MAGIC_PROMPT,
  MAGIC_PROMPT_VERSIONS,
  MODELS_LEGACY,
  RESOLUTIONS_LEGACY,
  RESOLUTIONS_V3,
  SPEEDS_V2,
  SPEEDS_V3,
  SPEEDS_V4,
  STYLE_PRESETS,
  STYLE_TYPES,
  STYLE_TYPES_LEGACY,
} from './values.ts';

/** The field, but it must be sent. */
export function required(field: Field): Field {
  return { ...field, required: true };
}

/** A string; `rules` say its bounds and whether it must be sent. */
export function text(name: string, rules: Omit<Field, 'name' | 'type'> = {}): Field {
  return { name, type: 'string', ...rules };
}

/** One of a closed set of strings. @param byDefault what counts when none is sent, where that is documented */
export function choice(name: string, values: readonly string[], byDefault?: string): Field {
  return text(name, byDefault === undefined ? { enum: values } : { enum: values, default: byDefault });
}

/** A boolean. @param byDefault what counts when none is sent, where that is documented */
export function flag(name: string, byDefault?: boolean): Field {
  return { name, type: 'boolean', ...(byDefault === undefined ? {} : { default: byDefault }) };
}

/** A whole number; `rules` say its range and its default. */
export function integer(name: string, rules: Omit<Field, 'name' | 'type'> = {}): Field {
  return { name, type: 'integer', ...rules };
}

/** A number that may have a fraction. */
export function decimal(name: string): Field {
  return { name, type: 'number' };
}

/** One uploaded file, which only a form can carry. */
export function file(name: string): Field {
  return { name, type: 'file' };
}

/** Uploaded files under one name. @param maxItems the most of them, where that is documented */
export function files(name: string, maxItems?: number): Field {
  return { name, type: 'file[]', ...(maxItems === undefined ? {} : { maxItems }) };
}

/** An object; in multipart it travels as one part of JSON text. */
function object(name: string): Field {
  return { name, type: 'object', jsonPart: true };
}

/** A list of objects; in multipart each is one part of JSON text. */
export function objects(name: string): Field {
  return { name, type: 'object[]', jsonPart: true };
}

// What v1, the legacy routes and v2 spell alike.
/** How many images are made, which is what a call is billed by. */
export const numImages = integer('num_images', { min: 1, max: 8, default: 1 });
/** Of the random numbers: 31 bits. */
export const seed = integer('seed', { min: 0, max: 2_147_483_647 });
/** The picture that a call starts from. */
export const image = file('image');
/** Which part of the picture is changed. */
export const mask = file('mask');
/** How much the source counts, in per cent. */
export const imageWeight = integer('image_weight', { min: 1, max: 100 });
/** Codes of looks: 8 hex digits each, in either letter case. */
export const styleCodes: Field = { name: 'style_codes', type: 'string[]', pattern: '^[0-9a-fA-F]{8}$' };
/** Colors of the picture; in a form a part of JSON text. */
export const colorPalette = object('color_palette');
/** May be null, which is not the same as left out. */
export const copyrightDetection: Field = {
  name: 'enable_copyright_detection',
  type: 'boolean',
  nullable: true,
};
const magicPromptConfig = text('magic_prompt_system_prompt_config_id');

// v1
/** What the picture shows; v1 and the legacy routes document no bound on its length. */
export const prompt = text('prompt');
const negativePrompt = text('negative_prompt');
/** Whether Ideogram rewrites the prompt, as v1 spells it. */
export const magicPrompt = choice('magic_prompt', MAGIC_PROMPT);
const magicPromptOption = choice('magic_prompt_option', MAGIC_PROMPT);
/** Which version of the rewriting is used. */
export const magicPromptVersion = choice('magic_prompt_version', MAGIC_PROMPT_VERSIONS);
/** One of the sizes of 3.0. */
export const resolution = choice('resolution', RESOLUTIONS_V3);
/** One of the shapes of 3.0. */
export const aspectRatio = choice('aspect_ratio', ASPECT_RATIOS);
/** What 3.0 is billed by, beside the count. */
export const speed = choice('rendering_speed', SPEEDS_V3, 'DEFAULT');
/** A kind of look of 3.0. */
export const styleType = choice('style_type', STYLE_TYPES, 'GENERAL');
/** A named look of 3.0. */
export const stylePreset = choice('style_preset', STYLE_PRESETS);
const customModel = text('custom_model_uri');
const styleReferences = files('style_reference_images');
const characterReferences: readonly Field[] = [
  files('character_reference_images'),
  files('character_reference_images_mask'),
];
/** Query parameter of the asynchronous v1 routes: where Ideogram sends the result. */
export const webhookQuery = text('webhook_url');

/** What a 3.0 image made from a prompt can be told. */
const v3Picture: readonly Field[] = [
  seed,
  resolution,
  aspectRatio,
  speed,
  magicPrompt,
  negativePrompt,
  numImages,
  colorPalette,
  styleCodes,
  styleType,
  stylePreset,
  customModel,
];

/** Of `/v1/ideogram-v3/generate`. */
export const v3Generate: readonly Field[] = [
  required(prompt),
  ...v3Picture,
  styleReferences,
  ...characterReferences,
  copyrightDetection,
  magicPromptConfig,
];

/** Of `/v1/ideogram-v3/remix`. */
export const v3Remix: readonly Field[] = [
  required(image),
  required(prompt),
  integer('image_weight', { min: 1, max: 100, default: 50 }),
  ...v3Picture,
  styleReferences,
  ...characterReferences,
];

/** Of `/v1/ideogram-v3/inpaint`, and of `edit`, which is its older name. */
export const v3Inpaint: readonly Field[] = [
  required(image),
  required(mask),
  required(prompt),
  magicPrompt,
  numImages,
  seed,
  speed,
  styleType,
  stylePreset,
  customModel,
  colorPalette,
  styleCodes,
  styleReferences,
  ...characterReferences,
  magicPromptConfig,
];

/** Of `/v1/ideogram-v3/generate-transparent`. */
export const v3Transparent: readonly Field[] = [
  required(prompt),
  seed,
  choice('upscale_factor', ['X1', 'X2', 'X4'], 'X1'),
  aspectRatio,
  speed,
  magicPrompt,
  negativePrompt,
  numImages,
  customModel,
];

/** Fonts and pictures that a design is set from. */
export const designAssets: readonly Field[] = [
  file('font_file_h1'),
  text('font_name_h1'),
  file('font_file_h2'),
  text('font_name_h2'),
  file('font_file_body'),
  text('font_name_body'),
  file('font_file_small'),
  text('font_name_small'),
  files('reference_asset_images'),
];

/** Of `/v1/ideogram-v3/generate-design`. */
export const v3Design: readonly Field[] = [required(prompt), ...v3Picture, styleReferences, ...designAssets];

/** Of `/v1/ideogram-v3/graphic`, which may go without a prompt. */
export const v3Graphic: readonly Field[] = [
  prompt,
  ...v3Picture,
  file('flat_graphic_image'),
  styleReferences,
  ...designAssets,
];

const v3Look: readonly Field[] = [
  numImages,
  seed,
  speed,
  stylePreset,
  colorPalette,
  styleCodes,
  styleReferences,
];

/** Of `/v1/ideogram-v3/reframe`: the size must be said. */
export const v3Reframe: readonly Field[] = [required(image), required(resolution), ...v3Look];

/** Of `/v1/ideogram-v3/replace-background`. */
export const v3ReplaceBackground: readonly Field[] = [
  required(image),
  required(prompt),
  magicPrompt,
  ...v3Look,
];

/** 4.0 takes 38 sizes of which the document names 23, so the form is checked, not the value. */
export const resolutionV4 = text('resolution', { pattern: '^[1-9][0-9]{2,3}x[1-9][0-9]{2,3}$' });

/** Exactly one of the two prompts is sent; a structured one switches magic prompt off. */
export const v4Generate: readonly Field[] = [
  text('text_prompt'),
  object('json_prompt'),
  resolutionV4,
  choice('rendering_speed', SPEEDS_V4, 'DEFAULT'),
  integer('seed', { nullable: true }),
  customModel,
  copyrightDetection,
  magicPromptConfig,
];

/** Of `/v1/ideogram-v4/image-to-image` and its asynchronous twin. */
export const v4ImageToImage: readonly Field[] = [
  required(image),
  files('additional_images', 4),
  prompt,
  magicPromptOption,
  text('rendering_speed'),
  text('resolution'),
  seed,
  copyrightDetection,
];

/** Of `/v1/ideogram-v4/remix`, which documents no default speed. */
export const v4Remix: readonly Field[] = [
  required(image),
  required(text('text_prompt')),
  imageWeight,
  resolutionV4,
  choice('rendering_speed', SPEEDS_V4),
  copyrightDetection,
];

// Legacy
const legacyModel = choice('model', MODELS_LEGACY, 'V_2');
const legacyStyleType = choice('style_type', STYLE_TYPES_LEGACY);
const legacyResolution = choice('resolution', RESOLUTIONS_LEGACY);

const legacyRequest: readonly Field[] = [
  required(prompt),
  choice('aspect_ratio', ASPECT_RATIOS_LEGACY),
  legacyModel,
  magicPromptOption,
  magicPromptVersion,
  seed,
  legacyStyleType,
  negativePrompt,
  numImages,
  legacyResolution,
  { name: 'color_palette', type: 'object' },
];

/** Of `/generate`: all of them inside one member of the JSON. */
export const legacyGenerate: readonly Field[] = [
  { name: 'image_request', type: 'object', required: true, fields: legacyRequest },
];

/** Of `/remix`: a picture, and a part of JSON text. */
export const legacyRemix: readonly Field[] = [
  {
    ...object('image_request'),
    required: true,
    fields: [integer('image_weight', { min: 1, max: 100, default: 50 }), ...legacyRequest],
  },
  required(file('image_file')),
];

/** Of `/edit`: plain fields of a form; the model must be said. */
export const legacyEdit: readonly Field[] = [
  required(file('image_file')),
  required(mask),
  required(prompt),
  required(legacyModel),
  magicPromptOption,
  numImages,
  seed,
  legacyStyleType,
  magicPromptConfig,
];

/** Of `/reframe`: plain fields of a form; size and model must be said. */
export const legacyReframe: readonly Field[] = [
  required(file('image_file')),
  required(legacyResolution),
  required(legacyModel),
  numImages,
  seed,
  legacyStyleType,
];

/** Of `/upscale`: a picture, and a part of JSON text. */
export const upscaleFields: readonly Field[] = [
  {
    ...object('image_request'),
    required: true,
    fields: [
      prompt,
      integer('resemblance', { min: 1, max: 100, default: 50 }),
      integer('detail', { min: 1, max: 100, default: 50 }),
      magicPromptOption,
      magicPromptVersion,
      numImages,
      seed,
    ],
  },
  required(file('image_file')),
];

// v2
/** What the picture shows; v2 documents a bound on its length. */
export const promptV2 = text('prompt', { minLength: 1, maxLength: 10_000 });
/** What the picture is not to show. */
export const negativePromptV2 = text('negative_prompt', { maxLength: 10_000 });
/** Whether Ideogram rewrites the prompt, as v2 spells it. */
export const magicPromptV2 = choice('magic_prompt', lowerCase(MAGIC_PROMPT), 'auto');
/** What v2 is billed by, beside the count. */
export const speedV2 = choice('rendering_speed', SPEEDS_V2, 'default');
/** With a custom model the server picks a speed when none is sent. */
export const speedCustomModel = choice('rendering_speed', SPEEDS_V2);
/** One of the shapes of 3.0, or `auto`. */
export const aspectRatioV2 = choice('aspect_ratio', ['auto', ...ASPECT_RATIOS]);
/** One of the shapes of 4.0, or `auto`. */
export const aspectRatioV2Wide = choice('aspect_ratio', ['auto', ...ASPECT_RATIOS_V4]);
/** A kind of look, as v2 spells it. */
export const styleTypeV2 = choice('style_type', lowerCase(STYLE_TYPES));
/** A named look, as v2 spells it. */
export const stylePresetV2 = choice('style_preset', lowerCase(STYLE_PRESETS));
/** A picture that Ideogram has already, in place of an upload. */
export const imageAsset = object('image_asset_identifier');
/** Pictures that Ideogram has already, in place of uploads. */
export const imageAssets = objects('image_asset_identifiers');
/** A mask that Ideogram has already, in place of an upload. */
export const maskAsset = object('mask_asset_identifier');
/** Whether the answer is an id to ask by, in place of the pictures. */
export const asynchronously = flag('async', false);
/** May be null, which is not the same as left out. */
export const keepPrivate: Field = { name: 'private', type: 'boolean', nullable: true };
/** The collection of the account that the result is filed in. */
export const collection = text('target_collection_id');
/** To where Ideogram sends the result, which no caller may choose freely. */
export const webhook = text('webhook_url', { maxLength: 2048 });
/** Query parameter with which a v2 call is priced and not made. */
export const dryRunQuery = flag('dry_run', false);
/** A custom model and its version, by which such a route must be called. */
export const customModelV2 = text('custom_model_uri', {
  required: true,
  pattern: '^model/[^/]+/version/[^/]+$',
  maxLength: 512,
});

/** Pictures whose look is taken, uploaded. */
export const styleReferenceFiles = files('style_reference_images', 10);
/** Pictures whose look is taken, which Ideogram has already. */
export const styleReferenceAssets = objects('style_reference_asset_identifiers');
/** Pictures whose look is taken, as a collection and its version. */
export const styleReferenceCollection: readonly Field[] = [
  text('style_reference_collection_id'),
  text('style_reference_collection_version_id'),
];
/** Who is to be in the picture, in each way that v2 can be told. */
export const characterReference: readonly Field[] = [
  files('character_reference_images', 1),
  file('character_reference_mask'),
  objects('character_reference_asset_identifiers'),
  text('character_reference_collection_id'),
  text('character_reference_collection_version_id'),
];

/** How most v2 image calls end: where the result goes, and whether the caller waits. */
export const delivery: readonly Field[] = [asynchronously, keepPrivate, collection, webhook];
/** How many pictures, from which seed, and `delivery`: how most v2 entries end. */
export const batch: readonly Field[] = [numImages, seed, ...delivery];
