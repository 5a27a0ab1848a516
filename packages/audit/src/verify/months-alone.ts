import { CLOCK_MARGIN_MICROS } from '../archive/archive-month.ts';
import { type Month, monthsFrom, startOf } from '../month.ts';
import type { Checkpoints } from './checkpoints.ts';
import type { MonthsAlone } from './expected.ts';

const DAY = 86_400_000_000;

/** When a month is over, microseconds. */
export function endOf(month: Month): number {
  return Number(startOf(month, 1));
}

/**
 * The first checkpoint from then on, microseconds, fixes all of a month: a day is for gateways that were cut off at its
 * end.
 */
export function fixedFrom(month: Month): number {
  return endOf(month) + DAY;
}

/** What checkpoints say of these months, the last of which is `last`. */
export function monthsAlone(months: readonly Month[], last: Month, checkpoints: Checkpoints): MonthsAlone {
  /** Before that, microseconds, nothing of a later month can be fixed, whatever the clocks say. */
  const lastWithin = (month: Month) => checkpoints.lastBefore(endOf(month) - Number(CLOCK_MARGIN_MICROS));
  const ends = endsOf(months);
  return {
    lastFrom: Number(startOf(last)),
    upTo: lastWithin(last),
    within: months.flatMap((month) => {
      const from = checkpoints.firstFrom(Number(startOf(month)) + DAY);
      return from === undefined ? [] : [[from, lastWithin(month)] as const];
    }),
    lacksBetween: (from, to) => ends.some((end) => from < end && to >= end),
  };
}

/**
 * Whether the end of a call that was allowed at a time, in microseconds, may be told in a month that wasn't given. A
 * gateway that was killed is closed by another, perhaps when somebody comes in the morning.
 */
export function mayEndAfter(months: readonly Month[], gapAfter: number): (at: number) => boolean {
  return (at) => endsOf(months).some((end) => at < end && at >= end - Math.max(gapAfter, DAY));
}

/** When those months are over that aren't followed by another, microseconds. */
function endsOf(months: readonly Month[]): readonly number[] {
  return months.filter((month) => !months.includes(monthsFrom(month, 1))).map(endOf);
}
