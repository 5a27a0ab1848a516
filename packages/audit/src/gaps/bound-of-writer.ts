const MEMBER = /"calls_end_within_ms":"([0-9]{1,10})"/;

/**
 * How long the calls of a writer may last, milliseconds, as the first event of its chain says; null when it doesn't.
 * The text may be anybody's who can add rows: whatever it is, it stops nothing.
 */
export function boundIn(detail: string): number | null {
  const [, milliseconds] = MEMBER.exec(detail) ?? [];
  return milliseconds === undefined ? null : Number(milliseconds);
}
