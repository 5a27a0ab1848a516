/** Microseconds since the Unix epoch as RFC 3339 UTC text with six decimals. */
export function isoFromMicros(micros: bigint): string {
  const milliseconds = micros / 1_000n;
  const rest = String(micros % 1_000n).padStart(3, '0');
  return `${new Date(Number(milliseconds)).toISOString().slice(0, -1)}${rest}Z`;
}
