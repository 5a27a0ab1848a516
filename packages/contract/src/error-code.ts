/**
 * The code of what the system, the network or Postgres threw (`ENOENT`, `ECONNREFUSED`, `28P01`), which holds no secret as
 * its message may; `unreadable` where there is none.
 */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'unreadable';
}
