import type { Operation } from '@ideogate/contract';
import { pricedFields, type RequestFields } from './price.ts';

/** Where Ideogram's operations take a prompt, by path. */
const PROMPT_FIELDS = ['prompt', 'text_prompt', 'image_request.prompt'] as const;

const known = new WeakMap<Operation, readonly string[]>();

/**
 * The request fields that the record of a call needs, by path: those that `priceOf` looks at, and the prompt. The same
 * list whenever the same operation is asked for, so that what is made of it can be kept.
 */
export function recordedFields(operation: Operation): readonly string[] {
  const made = known.get(operation) ?? [...new Set([...pricedFields(operation), ...PROMPT_FIELDS])];
  known.set(operation, made);
  return made;
}

/** The prompt among the fields that were sent, or null: of several the first in the order above. */
export function promptOf(request: RequestFields): string | null {
  for (const field of PROMPT_FIELDS) {
    const value = request.get(field);
    if (typeof value === 'string') return value;
  }
  return null;
}
