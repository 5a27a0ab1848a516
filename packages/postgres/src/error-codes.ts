import { DatabaseError } from 'pg';

/** Those of Postgres' answers that somebody here heeds (its documentation, appendix A). */
export const SQLSTATE = {
  uniqueViolation: '23505',
  checkViolation: '23514',
  deadlockDetected: '40P01',
  duplicateObject: '42710',
  undefinedTable: '42P01',
  invalidSchemaName: '3F000',
  lockNotAvailable: '55P03',
  queryCanceled: '57014',
  programLimitExceeded: '54000',
  internalError: 'XX000',
} as const;

/** The SQLSTATE of an error that Postgres answered with, or undefined when it came from the network. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof DatabaseError ? error.code : undefined;
}
