/**
 * The bounds of `write:limited`: one image, at the speed that is cheapest, and nothing that makes it dearer.
 * A bound without `absent` means that the field must be sent, because what leaving it out costs is not documented.
 */
import type { Bound } from '@ideogate/contract';

/** One image, which is also what a call without `num_images` makes. */
export const ONE_IMAGE: Bound = { field: 'num_images', max: 1, absent: 1 };
const FAST: Bound = { field: 'rendering_speed', oneOf: ['FLASH', 'TURBO'], absent: 'DEFAULT' };
const FAST_SENT: Bound = { field: 'rendering_speed', oneOf: ['FLASH', 'TURBO'] };
const FAST_V2: Bound = { field: 'rendering_speed', oneOf: ['turbo'], absent: 'default' };
const FAST_V2_SENT: Bound = { field: 'rendering_speed', oneOf: ['turbo'] };

const TURBO_MODELS = ['V_1_TURBO', 'V_2_TURBO', 'V_2A_TURBO'];

/** Nothing to bound: every call costs the same, or the same small amount. */
export const NOTHING: readonly Bound[] = [];

/** 3.0: one image at a fast speed. */
export const V3_LIMITED: readonly Bound[] = [ONE_IMAGE, FAST];
/** 3.0 where a reference to a character, or its mask, makes an image dearer. */
export const V3_LIMITED_NO_CHARACTER: readonly Bound[] = [
  ...V3_LIMITED,
  forbidden('character_reference_images'),
  forbidden('character_reference_images_mask'),
];
/** 3.0 with a transparent background, where an enlarged image is dearer. */
export const V3_LIMITED_TRANSPARENT: readonly Bound[] = [
  ...V3_LIMITED,
  { field: 'upscale_factor', oneOf: ['X1'], absent: 'X1' },
];
/** 4.0 in v1, which has no `num_images`: a fast speed. */
export const V4_LIMITED: readonly Bound[] = [FAST];
/** 4.0 in v1 where no default speed is documented. */
export const V4_LIMITED_SPEED_SENT: readonly Bound[] = [FAST_SENT];

/** Legacy routes with plain fields: one image, by a turbo model. */
export const LEGACY_LIMITED: readonly Bound[] = [
  ONE_IMAGE,
  { field: 'model', oneOf: TURBO_MODELS, absent: 'V_2' },
];
/** As `ONE_IMAGE`, inside the `image_request` of a legacy route. */
export const LEGACY_REQUEST_ONE_IMAGE: Bound = { field: 'image_request.num_images', max: 1, absent: 1 };
/** As `LEGACY_LIMITED`, inside `image_request`. */
export const LEGACY_REQUEST_LIMITED: readonly Bound[] = [
  LEGACY_REQUEST_ONE_IMAGE,
  { field: 'image_request.model', oneOf: TURBO_MODELS, absent: 'V_2' },
];

/** v2: one image at the turbo speed. */
export const V2_LIMITED: readonly Bound[] = [ONE_IMAGE, FAST_V2];
/** v2 with a custom model, where Ideogram picks a speed when none is sent. */
export const V2_LIMITED_SPEED_SENT: readonly Bound[] = [ONE_IMAGE, FAST_V2_SENT];

/** The field must be sent, with one of these values. */
export function mustBe(field: string, ...oneOf: readonly string[]): Bound {
  return { field, oneOf };
}

/** The field may not be sent at all. */
export function forbidden(field: string): Bound {
  return { field, forbidden: true };
}
