/**
 * The code of what the system, the network or Postgres threw (`ENOENT`, `ECONNREFUSED`, `28P01`), which holds no secret as
 * its message may; `otherwise` where there is none.
 */
export function errorCode(error: unknown): string;
export function errorCode<T>(error: unknown, otherwise: T): string | T;
export function errorCode(error: unknown, otherwise: unknown = 'unreadable'): unknown {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : otherwise;
}
