import type { Field } from '@ideogate/contract';

/** The value of a field: a scalar, or `true` for a file or structure that was sent. */
export type FieldValue = string | number | boolean;

/** Longest text kept of a watched field, in bytes; longer ones are not watched. */
export const MAX_WATCHED_BYTES = 65_536;

/** Watched paths, taken apart member by member. */
export interface WatchNode {
  /** The path that ends here, or null. */
  readonly path: string | null;
  /** Few, and looked through one by one: to hash a name that nobody saw before costs more. */
  readonly members: readonly (readonly [name: string, node: WatchNode])[];
}

/** The node of one member, or null where nothing below it is watched. */
export function memberNode(node: WatchNode | null, name: string): WatchNode | null {
  return node?.members.find(([known]) => known === name)?.[1] ?? null;
}

const trees = new WeakMap<readonly string[], WatchNode>();

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

  /** Where in a JSON body the watched values stand. */
  tree(): WatchNode {
    const made =
      trees.get(this.#paths) ??
      nodeOf(
        null,
        this.#paths.map((path) => [path, path.split('.')]),
      );
    trees.set(this.#paths, made);
    return made;
  }

  /** The value at a watched path of a JSON text; `true` for an object, and for a list that holds anything. */
  found(path: string, value: FieldValue): void {
    this.values.set(path, value);
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
}

function nodeOf(
  path: string | null,
  below: readonly (readonly [path: string, members: readonly string[]])[],
): WatchNode {
  const grouped = Map.groupBy(
    below.filter(([, members]) => members.length > 0),
    ([, [first = '']]) => first,
  );
  const members = [...grouped].map(([name, group]) => {
    const ending = group.find(([, members]) => members.length === 1);
    return [
      name,
      nodeOf(
        ending?.[0] ?? null,
        group.map(([whole, [, ...rest]]) => [whole, rest]),
      ),
    ] as const;
  });
  return { path, members };
}
