import { type Head, listsAll } from '../checkpoints/checkpoint.ts';
import type { FixedPoint, FixedPoints } from './fixed-points.ts';

/** What the events must be, as far as checkpoints and where the events come from say it. */
export interface Expected {
  /** Lines may come again, as they do in what is exported at least once. */
  readonly repeats: boolean;
  /** The events are those of whole months alone: chains begin and end outside. Null: they are the whole record. */
  readonly months: MonthsAlone | null;
  /** Whose record it is; null: what the first event says. */
  readonly environment: string | null;
  /** By writer. */
  readonly fixed: ReadonlyMap<string, FixedPoints>;
  /** Chains that began before this had no first event of their own; microseconds, or null when nobody knows. */
  readonly openedSince: number | null;
  /** The last checkpoint that can fix no event after the end of what is verified. */
  readonly upTo: number;
  /** For which time to remember where chains stood, microseconds, or null. */
  readonly chainHeadsAt: number | null;
  /** The last checkpoint that knows where all chains stood, if there is one. */
  readonly last: {
    readonly number: number;
    readonly heads: ReadonlyMap<string, Head>;
    /** It knows what was written before this, microseconds, however late it came. */
    readonly lateBefore: number;
  } | null;
}

/** What checkpoints say of months that are verified without the record around them. */
export interface MonthsAlone {
  /** When the last of them began, microseconds. */
  readonly lastFrom: number;
  /** The last checkpoint that can fix no event after that month, whatever the clocks say; 0 when there is none. */
  readonly upTo: number;
  /** Checkpoints between which whatever a chain grew by is of a month that was given: first and last number. */
  readonly within: readonly (readonly [number, number])[];
  /** Whether a month between these times, in microseconds, was not given. */
  readonly lacksBetween: (from: number, to: number) => boolean;
}

/**
 * Whether a chain grew to this point within one of the months that were given. The checkpoints that list all chains
 * list those that stood still, too.
 */
export function growsWithin({ within }: MonthsAlone, { number }: FixedPoint): boolean {
  return !listsAll(number) && within.some(([first, last]) => number > first && number <= last);
}
