import type { Field } from '@ideogate/contract';
import { foldName } from './folded-name.ts';

const known = new WeakMap<readonly Field[], DeclaredFields>();

/** Fields or parameters that an operation declares in its body, its query or one object, by name. Made once for each list. */
export class DeclaredFields {
  readonly byName: ReadonlyMap<string, Field>;
  /** By how many letters their names have: to hash a name that nobody saw before costs more than to compare a few. */
  readonly #byLength: ReadonlyMap<number, readonly (readonly [folded: string, field: Field])[]>;

  private constructor(fields: readonly Field[]) {
    this.byName = new Map(fields.map((field) => [field.name, field]));
    this.#byLength = Map.groupBy(
      fields.map((field) => [foldName(field.name), field] as const),
      ([folded]) => folded.length,
    );
  }

  /** The one made for this list, or made now. */
  static of(fields: readonly Field[]): DeclaredFields {
    const made = known.get(fields) ?? new DeclaredFields(fields);
    known.set(fields, made);
    return made;
  }

  /**
   * The field that some reader takes this name for: its own, or one that it is another spelling of. Go and .NET ignore
   * letter case, protobuf takes `numImages` for `num_images`, PHP and Rack read `num_images[]`. Null when nobody does.
   * @param folded the name (`foldName`)
   */
  meantBy(name: string, folded: string): Field | null {
    const near = this.#byLength.get(folded.length)?.filter(([spelled]) => spelled === folded) ?? [];
    return (near.find(([, field]) => field.name === name) ?? near[0])?.[1] ?? null;
  }
}
