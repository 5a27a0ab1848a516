/** A calendar month in UTC, `YYYY-MM`: what a partition holds, what is archived, what a key is for. */
export type Month = string & { readonly brand: 'Month' };

/** The month that a person or a file names, from 1970 on, or undefined. */
export function parseMonth(text: string): Month | undefined {
  return /^(?:19[7-9]|[2-9][0-9]{2})[0-9]-(?:0[1-9]|1[0-2])$/.test(text) ? (text as Month) : undefined; // as: it has just been checked
}

/** The month that holds a time. */
export function monthOf(micros: bigint): Month {
  return new Date(Number(micros / 1_000n)).toISOString().slice(0, 7) as Month; // as: how ISO 8601 text begins
}

/** The month so many months later, or earlier. */
export function monthsFrom(month: Month, offset: number): Month {
  return monthOf(startOf(month, offset));
}

/** First instant of a month, or of one so many months later, microseconds since the Unix epoch. */
export function startOf(month: Month, offset = 0): bigint {
  const [year = 0, number = 1] = month.split('-').map(Number);
  return BigInt(Date.UTC(year, number - 1 + offset, 1)) * 1_000n;
}
