import type { Operation } from '@ideogate/contract';
import type { RequestFields } from '../price.ts';

/** Of a picture, in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The size a request asks for, by resolution, by shape (about a megapixel), or the model's usual one. */
export function sizeOf(operation: Operation, values: RequestFields): Size {
  const size = firstText(values, ['resolution', 'image_request.resolution', 'size']);
  const named = pairIn(size);
  if (named !== undefined && named[0] >= 64) return { width: named[0], height: named[1] };
  const shape = pairIn(firstText(values, ['aspect_ratio', 'image_request.aspect_ratio']));
  const side = usualSide(operation);
  if (shape === undefined) return { width: side, height: side };
  const ratio = Math.min(Math.max(shape[0] / shape[1], 1 / 8), 8);
  return { width: toStep(side * Math.sqrt(ratio)), height: toStep(side / Math.sqrt(ratio)) };
}

function usualSide({ id, scope }: Operation): number {
  return /^v4|ideogram-4/.test(id) || scope === 'write:upscale' ? 2048 : 1024;
}

function firstText(values: RequestFields, names: readonly string[]): string {
  for (const name of names) {
    const value = values.get(name);
    if (typeof value === 'string') return value;
  }
  return '';
}

/** `512x1536`, `RESOLUTION_512_1536`, `16:9`, `ASPECT_16_9`. */
function pairIn(text: string): readonly [number, number] | undefined {
  const pair = /(\d{1,4})[x_:](\d{1,4})$/.exec(text);
  const [, left, right] = pair ?? [];
  const numbers = [Number(left), Number(right)] as const;
  return numbers.every((number) => number > 0) ? numbers : undefined;
}

function toStep(side: number): number {
  return Math.max(64, Math.round(side / 64) * 64);
}
