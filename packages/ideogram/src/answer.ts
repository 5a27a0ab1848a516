import { isReadScope, type Operation } from '@ideogate/contract';

/** What the record keeps of an answer's body. */
export interface ReadAnswer {
  /** Entries of `data`; null when the answer has none or could not be read. */
  readonly images: number | null;
  /** False when any image is `is_image_safe: false`, true when all that say so are safe, null when none says. */
  readonly safe: boolean | null;
  /** `generation:<id>`, `dataset:<id>`, `model:<id>`: ids that this call made (not those it merely read). */
  readonly made: readonly string[];
}

const NOTHING: ReadAnswer = { images: null, safe: null, made: [] };
const STORABLE_ID = /^[\x21-\x7e]{1,256}$/;

/** Reads Ideogram's answer to an operation. Anything but a 2xx with a JSON object says nothing; never throws. */
export function readAnswer(operation: Operation, status: number, body: string): ReadAnswer {
  if (!isSuccess(status)) return NOTHING;
  const answer = parseObject(body);
  if (answer === undefined) return NOTHING;
  const data = Array.isArray(answer['data']) ? (answer['data'] as readonly unknown[]) : undefined; // as: Array.isArray gives any[]
  return {
    images: data?.length ?? null,
    safe: safety(data ?? []),
    made: madeBy(operation, answer),
  };
}

export function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

function safety(images: readonly unknown[]): boolean | null {
  let said: boolean | null = null;
  for (const image of images) {
    if (!isObject(image)) continue;
    if (image['is_image_safe'] === false) return false;
    if (image['is_image_safe'] === true) said = true;
  }
  return said;
}

function madeBy(operation: Operation, answer: Readonly<Record<string, unknown>>): readonly string[] {
  const { scope } = operation;
  if (scope === null || isReadScope(scope)) return [];
  const [kind, id] =
    scope === 'write:datasets'
      ? ['dataset', operation.id === 'datasets.create' ? answer['dataset_id'] : undefined]
      : scope === 'write:train'
        ? ['model', answer['model_id']]
        : ['generation', answer['generation_id']];
  return typeof id === 'string' && STORABLE_ID.test(id) ? [`${kind}:${id}`] : [];
}

function parseObject(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
