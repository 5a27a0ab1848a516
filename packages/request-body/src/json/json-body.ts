import { JsonBoundError, NumberFormError, StrictJsonError, StrictJsonReader } from '@ideogate/contract';
import type { BodyOptions, BodyReader } from '../body-reader.ts';
import type { JsonFields } from './json-fields.ts';
import { type LimitedFields, numberFormFault } from '../limited-fields.ts';
import { fault, type RequestFault } from '../request-fault.ts';
import type { WatchedFields } from '../watched-fields.ts';

/** How one JSON text is read: a whole body, or what stands in a field of a form. */
export interface JsonTextOptions extends Pick<BodyOptions, 'maxJsonValues' | 'maxJsonDepth'> {
  /** The field that holds it, or null. */
  readonly field: string | null;
  /** Numbers in their shortest form only, as under bounds. */
  readonly canonicalNumbers: boolean;
  readonly maxBytes: number;
  /** What longer text is refused with. */
  readonly tooLong: RequestFault;
}

/** Reads a JSON body while it comes in: no byte of it is kept but what is watched or compared. */
export function readJsonBody(
  fields: JsonFields,
  limits: LimitedFields | null,
  watched: WatchedFields,
  options: BodyOptions,
): BodyReader {
  const text = new JsonText(fields, {
    field: null,
    canonicalNumbers: limits !== null,
    maxBytes: options.maxJsonBytes,
    tooLong: jsonTooLargeFault(options.maxJsonBytes),
    ...options,
  });
  return {
    kind: 'json',
    push: (chunk) => text.push(chunk),
    end: () => text.end() ?? limits?.end() ?? null,
    fields: () => watched.values,
  };
}

/** One JSON text, read strictly and held against its rules as it comes. The first fault stays. */
export class JsonText {
  readonly #reader: StrictJsonReader;
  readonly #fields: JsonFields;
  readonly #options: JsonTextOptions;
  #bytes = 0;
  #fault: RequestFault | null = null;

  constructor(fields: JsonFields, options: JsonTextOptions) {
    this.#reader = new StrictJsonReader(fields, {
      canonicalNumbers: options.canonicalNumbers,
      everyReader: true,
      maxValues: options.maxJsonValues,
      maxDepth: options.maxJsonDepth,
    });
    this.#fields = fields;
    this.#options = options;
  }

  /** The next bytes, and the fault that was found up to their end. */
  push(chunk: Uint8Array): RequestFault | null {
    if (this.#fault !== null) return this.#fault;
    // What is within the bound is read first, so that the same fault wins however the text was cut.
    const room = this.#options.maxBytes - this.#bytes;
    this.#bytes += chunk.length;
    this.#read(() => this.#reader.push(chunk.subarray(0, room)));
    if (chunk.length > room) this.#fault ??= this.#options.tooLong;
    return this.#fault;
  }

  /** The text is at its end: null when it is JSON, and all of it allowed. */
  end(): RequestFault | null {
    if (this.#fault === null) this.#read(() => this.#reader.end());
    return this.#fault;
  }

  #read(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof StrictJsonError)) throw error;
      this.#fault = jsonFault(error, this.#options.field);
    }
    // Whatever a name or value is refused for came before what the text is refused for.
    this.#fault = this.#fields.fault ?? this.#fault;
  }
}

function jsonFault(error: StrictJsonError, field: string | null): RequestFault {
  if (error instanceof NumberFormError) {
    return numberFormFault((field === null ? error.path : [field, ...error.path]).join('.'));
  }
  const where = field === null ? 'The body' : `The field ${field}`;
  const at = `${error.message}, at character ${error.offset}`;
  const found =
    error instanceof JsonBoundError
      ? error.bound === 'values'
        ? fault('body-too-large', 'json-too-many-values', `${where} ${at}. Send fewer.`)
        : fault('invalid-body', 'json-too-deep', `${where} is ${at}. Send it flatter.`)
      : fault('invalid-body', 'json-malformed', `${where} is not JSON with exactly one meaning: ${at}.`);
  return { ...found, field };
}

/** The fault of JSON that is longer than it may be. */
export function jsonTooLargeFault(maxBytes: number): RequestFault {
  return fault('body-too-large', 'json-too-large', `JSON may be at most ${maxBytes} bytes.`);
}
