import type { Picture } from './picture.ts';

/** Something the emulated account holds. */
export interface Generation {
  readonly id: string;
  readonly version: 'v1' | 'v2';
  readonly created: string;
  readonly images: readonly Image[];
  readonly failure: string | null;
  readonly costUsdMicros: number | null;
  /** Asynchronous ones are pending the first time somebody asks. */
  polled: boolean;
}

/** A picture that was made. */
export interface Image {
  readonly picture: Picture;
  readonly prompt: string;
  readonly safe: boolean;
}

/** A data set of the account. */
export interface Dataset {
  readonly id: string;
  readonly name: string;
  readonly created: string;
  files: number;
  readonly models: string[];
}

/** A model of the account, and the data set that it was trained on. */
export interface Model {
  readonly id: string;
  readonly name: string;
  readonly datasetId: string;
}

/** The oldest are forgotten first, so that a product left running stays small. */
const KEPT = 10_000;

/** Named things in memory, in the order they were put. */
export interface Shelf<T extends { readonly id: string }> {
  put(thing: T): T;
  get(id: string): T | undefined;
  all(): readonly T[];
}

/** An empty shelf; what is put under an id that is there takes its place. */
export function createShelf<T extends { readonly id: string }>(): Shelf<T> {
  const things = new Map<string, T>();
  return {
    put(thing) {
      things.set(thing.id, thing);
      const [oldest] = things.keys();
      if (things.size > KEPT && oldest !== undefined) things.delete(oldest);
      return thing;
    },
    get: (id) => things.get(id),
    all: () => [...things.values()],
  };
}
