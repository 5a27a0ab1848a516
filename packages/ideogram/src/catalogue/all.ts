import type { Operation } from '@ideogate/contract';
import { CLOSED } from './closed.ts';
import { CUSTOM_MODELS } from './custom-models.ts';
import { LEGACY } from './legacy.ts';
import { V1 } from './v1.ts';
import { V2_IMAGE } from './v2-image.ts';
import { V2_OTHER } from './v2-other.ts';

/**
 * Everything Ideogram can do, open and closed. What is not in here is refused, whatever a token says. A new operation
 * goes into the file of its family.
 */
export const OPERATIONS: readonly Operation[] = Object.freeze([
  ...LEGACY,
  ...V1,
  ...V2_IMAGE,
  ...V2_OTHER,
  ...CUSTOM_MODELS,
  ...CLOSED,
]);
