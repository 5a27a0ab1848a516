import { type Field, isJsonObject, type JsonValue } from '@ideogate/contract';

export type FieldValue = string | number | boolean;

/** Longest text kept of a watched field, in bytes; longer ones are not watched. */
export const MAX_WATCHED_BYTES = 65_536;

/** Picks the values of some fields out of a body: those that set its price, and the prompt. */
export class WatchedFields {
  readonly values = new Map<string, FieldValue>();
  readonly #paths: readonly string[];
  readonly #fields: ReadonlyMap<string, Field>;

  constructor(paths: readonly string[], fields: ReadonlyMap<string, Field>) {
    this.#paths = paths;
    this.#fields = fields;
  }

  wants(name: string): boolean {
    return this.#paths.includes(name);
  }

  body(value: JsonValue): void {
    for (const path of this.#paths) this.#pick(path, path.split('.'), value);
  }

  /** JSON in one multipart field. */
  jsonField(name: string, value: JsonValue): void {
    for (const path of this.#paths) {
      const [first, ...rest] = path.split('.');
      if (first === name) this.#pick(path, rest, value);
    }
  }

  file(name: string): void {
    if (this.wants(name)) this.values.set(name, true);
  }

  text(name: string, bytes: Uint8Array): void {
    if (!this.wants(name) || bytes.length > MAX_WATCHED_BYTES) return;
    const text = new TextDecoder().decode(bytes);
    const type = this.#fields.get(name)?.type;
    if ((type === 'integer' || type === 'number') && /^-?\d+(?:\.\d+)?$/.test(text)) {
      this.values.set(name, Number(text));
    } else if (type === 'boolean' && /^(?:true|false)$/i.test(text)) {
      this.values.set(name, text.toLowerCase() === 'true');
    } else {
      this.values.set(name, text);
    }
  }

  #pick(path: string, members: readonly string[], root: JsonValue): void {
    let value: JsonValue | undefined = root;
    for (const member of members) value = isJsonObject(value) ? value[member] : undefined;
    if (value === undefined || value === null) return;
    if (typeof value !== 'object') this.values.set(path, value);
    else if (!Array.isArray(value) || value.length > 0) this.values.set(path, true);
  }
}
