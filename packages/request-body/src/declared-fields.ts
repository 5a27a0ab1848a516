import type { Field } from '@ideogate/contract';
import { lettersOf } from './name-letters.ts';

const known = new WeakMap<readonly Field[], DeclaredFields>();

/** Fields or parameters that an operation declares in one place, by name. Made once for each list. */
export class DeclaredFields {
  readonly byName: ReadonlyMap<string, Field>;
  /** By how many letters their names have: to hash a name that nobody saw before costs more than to compare a few. */
  readonly #byLength: ReadonlyMap<number, readonly (readonly [letters: string, field: Field])[]>;

  private constructor(fields: readonly Field[]) {
    this.byName = new Map(fields.map((field) => [field.name, field]));
    this.#byLength = Map.groupBy(
      fields.map((field) => [lettersOf(field.name), field] as const),
      ([letters]) => letters.length,
    );
  }

  static of(fields: readonly Field[]): DeclaredFields {
    const made = known.get(fields) ?? new DeclaredFields(fields);
    known.set(fields, made);
    return made;
  }

  /**
   * The field that some reader takes this name for: its own, or one that it is another spelling of. Go and .NET ignore
   * letter case, protobuf takes `numImages` for `num_images`, PHP and Rack read `num_images[]`. Null when nobody does.
   * @param letters the name's (`lettersOf`)
   */
  meantBy(name: string, letters: string): Field | null {
    const near = this.#byLength.get(letters.length)?.filter(([spelled]) => spelled === letters) ?? [];
    return (near.find(([, field]) => field.name === name) ?? near[0])?.[1] ?? null;
  }
}
