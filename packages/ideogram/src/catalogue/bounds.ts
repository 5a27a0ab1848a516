/**
 * The bounds of `write:limited`: one image, at the speed that is cheapest, and nothing that makes it dearer.
 * A bound without `absent` means that the field must be sent, because what leaving it out costs is not documented.
 */
import type { Bound } from '@ideogate/contract';

export const ONE_IMAGE: Bound = { field: 'num_images', max: 1, absent: 1 };
const FAST: Bound = { field: 'rendering_speed', oneOf: ['FLASH', 'TURBO'], absent: 'DEFAULT' };
const FAST_SENT: Bound = { field: 'rendering_speed', oneOf: ['FLASH', 'TURBO'] };
const FAST_V2: Bound = { field: 'rendering_speed', oneOf: ['turbo'], absent: 'default' };
const FAST_V2_SENT: Bound = { field: 'rendering_speed', oneOf: ['turbo'] };

const TURBO_MODELS = ['V_1_TURBO', 'V_2_TURBO', 'V_2A_TURBO'];

/** Nothing to bound: every call costs the same, or the same small amount. */
export const NOTHING: readonly Bound[] = [];

export const V3_LIMITED: readonly Bound[] = [ONE_IMAGE, FAST];
export const V3_LIMITED_NO_CHARACTER: readonly Bound[] = [
  ...V3_LIMITED,
  forbidden('character_reference_images'),
  forbidden('character_reference_images_mask'),
];
export const V3_LIMITED_TRANSPARENT: readonly Bound[] = [
  ...V3_LIMITED,
  { field: 'upscale_factor', oneOf: ['X1'], absent: 'X1' },
];
export const V4_LIMITED: readonly Bound[] = [FAST];
export const V4_LIMITED_SPEED_SENT: readonly Bound[] = [FAST_SENT];

export const LEGACY_LIMITED: readonly Bound[] = [
  ONE_IMAGE,
  { field: 'model', oneOf: TURBO_MODELS, absent: 'V_2' },
];
export const LEGACY_REQUEST_ONE_IMAGE: Bound = { field: 'image_request.num_images', max: 1, absent: 1 };
export const LEGACY_REQUEST_LIMITED: readonly Bound[] = [
  LEGACY_REQUEST_ONE_IMAGE,
  { field: 'image_request.model', oneOf: TURBO_MODELS, absent: 'V_2' },
];

export const V2_LIMITED: readonly Bound[] = [ONE_IMAGE, FAST_V2];
export const V2_LIMITED_SPEED_SENT: readonly Bound[] = [ONE_IMAGE, FAST_V2_SENT];

/** The field must be sent, with one of these values. */
export function mustBe(field: string, ...oneOf: readonly string[]): Bound {
  return { field, oneOf };
}

export function forbidden(field: string): Bound {
  return { field, forbidden: true };
}
