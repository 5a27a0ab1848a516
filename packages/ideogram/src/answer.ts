import {
  isReadScope,
  type JsonVisitor,
  type Operation,
  StrictJsonError,
  type StrictJsonOptions,
  StrictJsonReader,
} from '@ideogate/contract';

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
const MAX_ID_BYTES = 256;
/** Lists of what an account has may be long; they are read piece by piece, and nothing of them is kept. */
const BOUNDS: StrictJsonOptions = { maxValues: 1_000_000 };

/** Reads Ideogram's answer to an operation. Anything but a 2xx with a JSON object says nothing; never throws. */
export function readAnswer(operation: Operation, status: number, body: string): ReadAnswer {
  const reader = new AnswerReader(operation, status);
  reader.push(new TextEncoder().encode(body));
  return reader.end();
}

/** As `readAnswer`, while the answer goes by: no more of it is kept than what it says, however long it is. */
export class AnswerReader {
  readonly #operation: Operation;
  readonly #said = new Said();
  readonly #reader = new StrictJsonReader(this.#said, BOUNDS);
  #readable: boolean;

  constructor(operation: Operation, status: number) {
    this.#operation = operation;
    this.#readable = isSuccess(status);
  }

  push(bytes: Uint8Array): void {
    this.#try(() => this.#reader.push(bytes));
  }

  end(): ReadAnswer {
    this.#try(() => this.#reader.end());
    if (!this.#readable || !this.#said.object) return NOTHING;
    const { images, safe, ids } = this.#said;
    return { images, safe, made: madeBy(this.#operation, ids) };
  }

  #try(step: () => void): void {
    if (!this.#readable) return;
    try {
      step();
    } catch (error) {
      if (!(error instanceof StrictJsonError)) throw error;
      this.#readable = false;
    }
  }
}

/** 2xx (RFC 9110 section 15.3). */
export function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

/** Picks what the record keeps out of an answer. */
class Said implements JsonVisitor {
  object = false;
  images: number | null = null;
  safe: boolean | null = null;
  readonly ids = new Map<string, string>();
  #depth = 0;
  /** The member of the answer itself, and of what lies in it, that is being read. */
  #member = '';
  #inner = '';
  /** Inside the list `data`. */
  #inData = false;

  name(name: string): void {
    if (this.#depth === 1) this.#member = name;
    else if (this.#depth === 3) this.#inner = name;
  }

  textLimit(): number {
    this.#count();
    return this.#depth === 1 ? MAX_ID_BYTES : 0;
  }

  text(value: string | null): void {
    if (this.#depth === 1 && this.object && value !== null) this.ids.set(this.#member, value);
  }

  scalar(value: number | boolean | null): void {
    this.#count();
    if (!this.#inData || this.#depth !== 3 || this.#inner !== 'is_image_safe') return;
    if (typeof value === 'boolean') this.safe = value && this.safe !== false;
  }

  openObject(): void {
    this.#count();
    if (this.#depth === 0) this.object = true;
    // A list in `data` is no image: what lies in it belongs to none.
    this.#inner = '';
    this.#depth++;
  }

  openArray(): void {
    this.#count();
    if (this.#depth === 1 && this.object && this.#member === 'data') {
      this.#inData = true;
      this.images = 0;
    }
    this.#inner = '';
    this.#depth++;
  }

  close(): void {
    this.#depth--;
    if (this.#depth === 1) this.#inData = false;
  }

  /** An entry of `data`, whatever it is. */
  #count(): void {
    if (this.#inData && this.#depth === 2) this.images = (this.images ?? 0) + 1;
  }
}

function madeBy({ id: operation, scope }: Operation, ids: ReadonlyMap<string, string>): readonly string[] {
  if (scope === null || isReadScope(scope)) return [];
  const [kind, id] =
    scope === 'write:datasets'
      ? ['dataset', operation === 'datasets.create' ? ids.get('dataset_id') : undefined]
      : scope === 'write:train'
        ? ['model', ids.get('model_id')]
        : ['generation', ids.get('generation_id')];
  return id !== undefined && STORABLE_ID.test(id) ? [`${kind}:${id}`] : [];
}
