const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a span such as `90s`, `15m`, `2h` or `7d`; undefined when it is none. */
export function milliseconds(span: string): number | undefined {
  const [, count, unit] = /^([0-9]{1,6})([smhd])$/.exec(span) ?? [];
  return count === undefined || unit === undefined ? undefined : Number(count) * (UNITS[unit] ?? Number.NaN);
}
