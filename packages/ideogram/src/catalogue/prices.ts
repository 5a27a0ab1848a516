/**
 * Price rules in USD micros per output image or per call, from public price pages and quotes of the provider
 * read between July and October 2026. Indicative: prices are per account and change.
 */
import type { PriceRule } from '@ideogate/contract';

/** Key of a price table for "the field was not sent", where the default value itself is not documented. */
const NOT_SENT = '(not sent)';

/** Bills nothing. */
export const FREE: PriceRule = { kind: 'free' };
/** May bill something, and nobody says how much. */
export const UNKNOWN: PriceRule = { kind: 'unknown' };

/** So much a call, in USD micros. */
export function perCall(usdMicros: number): PriceRule {
  return { kind: 'per-call', usdMicros };
}

/** So much an output image, in USD micros. */
export function perImage(usdMicros: number): PriceRule {
  return { kind: 'per-image', usdMicros };
}

/** Only the price of a call that leaves `by` out is known. */
export function perImageWithout(by: string, usdMicros: number): PriceRule {
  return { kind: 'per-image-by-field', by, absent: NOT_SENT, usdMicros: { [NOT_SENT]: usdMicros } };
}

const V3 = { FLASH: 30_000, TURBO: 30_000, DEFAULT: 60_000, QUALITY: 90_000 };
const V3_CHARACTER = { TURBO: 100_000, DEFAULT: 150_000, QUALITY: 200_000 };
const V4 = { TURBO: 30_000, DEFAULT: 60_000, QUALITY: 100_000 };
const TRANSPARENT = {
  X1: { TURBO: 40_000, DEFAULT: 70_000, QUALITY: 100_000 },
  X2: { TURBO: 160_000, DEFAULT: 190_000, QUALITY: 220_000 },
  X4: { TURBO: 200_000, DEFAULT: 230_000, QUALITY: 260_000 },
};

/** 3.0 without a reference to a character. */
export const V3_BY_SPEED = bySpeed(V3);

/** A character reference, or its mask, makes a 3.0 image dearer. */
export const V3_BY_SPEED_AND_CHARACTER: PriceRule = {
  ...V3_BY_SPEED,
  surcharge: {
    fields: ['character_reference_images', 'character_reference_images_mask'],
    usdMicros: V3_CHARACTER,
  },
};

/** 3.0 with a transparent background: by speed, and by how much it is enlarged. */
export const V3_TRANSPARENT: PriceRule = {
  ...bySpeed(TRANSPARENT.X1),
  tables: { by: 'upscale_factor', absent: 'X1', usdMicros: TRANSPARENT },
};

/** 4.0 in v1; what FLASH costs is not documented. */
export const V4_BY_SPEED = bySpeed(V4);

/** Legacy routes, by the model inside `image_request`. */
export const LEGACY_BY_MODEL: PriceRule = {
  kind: 'per-image-by-field',
  by: 'image_request.model',
  absent: 'V_2',
  usdMicros: { V_1_TURBO: 20_000, V_2: 80_000, V_2_TURBO: 50_000, V_2A: 40_000, V_2A_TURBO: 25_000 },
};

/** 2.0 in v2. */
export const V2_IDEOGRAM_2 = bySpeedV2({ turbo: 50_000, default: 80_000 });
/** 2a in v2. */
export const V2_IDEOGRAM_2A = bySpeedV2({ turbo: 25_000, default: 40_000 });
/** 3.0 in v2, which costs what it does in v1. */
export const V2_IDEOGRAM_3 = bySpeedV2(lowerKeys(V3));
/** 3.0 in v2 with a reference to a character. */
export const V2_CHARACTER = bySpeedV2(lowerKeys(V3_CHARACTER));
/** 4.0 in v2, which costs what it does in v1. */
export const V2_IDEOGRAM_4 = bySpeedV2(lowerKeys(V4));

/** 3.0 in v2 with a transparent background, which costs what it does in v1. */
export const V2_IDEOGRAM_3_TRANSPARENT: PriceRule = {
  ...bySpeedV2(lowerKeys(TRANSPARENT.X1)),
  tables: {
    by: 'upscale_factor',
    // The provider's own quote for a call that leaves the factor out is the price of X1.
    absent: 'x1',
    usdMicros: {
      x1: lowerKeys(TRANSPARENT.X1),
      x2: lowerKeys(TRANSPARENT.X2),
      x4: lowerKeys(TRANSPARENT.X4),
    },
  },
};

/** Of 4.0 transparent only the price at default speed and 1k is known. */
export const V2_IDEOGRAM_4_TRANSPARENT: PriceRule = {
  ...bySpeedV2({ default: 60_000 }),
  tables: { by: 'output_resolution', absent: '1k', usdMicros: { '1k': { default: 60_000 } } },
};

/** One training run, whatever the data set. */
export const TRAINING_RUN = perCall(40_000_000);

type BySpeed = Extract<PriceRule, { kind: 'per-image-by-field' }>;

function bySpeed(usdMicros: Readonly<Record<string, number>>): BySpeed {
  return { kind: 'per-image-by-field', by: 'rendering_speed', absent: 'DEFAULT', usdMicros };
}

function bySpeedV2(usdMicros: Readonly<Record<string, number>>): BySpeed {
  return { kind: 'per-image-by-field', by: 'rendering_speed', absent: 'default', usdMicros };
}

function lowerKeys(table: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(table).map(([key, price]) => [key.toLowerCase(), price]));
}
