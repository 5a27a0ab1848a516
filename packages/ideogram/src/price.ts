import type { Operation, PriceRule } from '@ideogate/contract';
import { isSuccess } from './answer.ts';
import { fieldAt, ruleFields } from './catalogue/check.ts';

/** Request fields by path (`num_images`, `image_request.model`), as far as they were sent and read. */
export type RequestFields = ReadonlyMap<string, string | number | boolean>;

/** How a call ended, as far as its price hangs on it. */
export interface PricedOutcome {
  readonly status: number;
  /** Images the answer holds; null when it holds none yet (asynchronous) or could not be read. */
  readonly images: number | null;
  readonly dryRun: boolean;
}

const IMAGE_COUNTS = ['num_images', 'image_request.num_images'];

/**
 * What a call cost in USD micros by its price rule, an integer; 0 for what is not billed (refused, failed, dry run,
 * free); null where no rule, or no price for these fields, is known. An answer without images, as asynchronous
 * calls have it, is priced by the number asked for.
 */
export function priceOf(operation: Operation, request: RequestFields, outcome: PricedOutcome): number | null {
  if (!isSuccess(outcome.status) || outcome.dryRun) return 0;
  const { price } = operation;
  switch (price.kind) {
    case 'free':
      return 0;
    case 'unknown':
      return null;
    case 'per-call':
      return price.usdMicros;
    case 'per-image':
      return times(price.usdMicros, outcome.images ?? imagesAskedFor(operation, request));
    case 'per-image-by-field':
      return times(eachByField(price, request), outcome.images ?? imagesAskedFor(operation, request));
    default:
      return price satisfies never;
  }
}

function times(each: number | null, images: number | null): number | null {
  return each === null || images === null ? null : each * images;
}

/** The request fields that `priceOf` looks at. */
export function pricedFields(operation: Operation): ReadonlySet<string> {
  const paths = new Set(ruleFields(operation.price));
  const count = imageCountField(operation);
  if (count !== undefined && operation.price.kind.startsWith('per-image')) paths.add(count);
  return paths;
}

function eachByField(
  rule: Extract<PriceRule, { kind: 'per-image-by-field' }>,
  request: RequestFields,
): number | null {
  const table = tableOf(rule, request);
  const value = request.get(rule.by) ?? rule.absent;
  return table === undefined || value === undefined ? null : (own(table, String(value)) ?? null);
}

function tableOf(
  rule: Extract<PriceRule, { kind: 'per-image-by-field' }>,
  request: RequestFields,
): Readonly<Record<string, number>> | undefined {
  if (rule.surcharge?.fields.some((field) => request.has(field))) return rule.surcharge.usdMicros;
  if (rule.tables === undefined) return rule.usdMicros;
  return own(rule.tables.usdMicros, String(request.get(rule.tables.by) ?? rule.tables.absent));
}

function imagesAskedFor(operation: Operation, request: RequestFields): number | null {
  const field = imageCountField(operation);
  const asked = field === undefined ? undefined : request.get(field);
  if (asked === undefined) return 1;
  const count = typeof asked === 'string' && /^[1-9][0-9]?$/.test(asked) ? Number(asked) : asked;
  return typeof count === 'number' && Number.isSafeInteger(count) && count > 0 ? count : null;
}

function imageCountField({ fields }: Operation): string | undefined {
  return fields === null ? undefined : IMAGE_COUNTS.find((path) => fieldAt(fields, path) !== undefined);
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
