import { setTimeout as delay } from 'node:timers/promises';
import { type Session, SQLSTATE, sqlState, type SessionTimeouts, withSession } from '@ideogate/postgres';

const OWNER_TIMEOUTS: SessionTimeouts = { connectMs: 5_000, statementMs: 60_000, graceMs: 5_000 };

/** Runs `work` in a session of the owner role, and ends the session. */
export function withOwner<T>(ownerUrl: string, work: (session: Session) => Promise<T>): Promise<T> {
  return withSession(ownerUrl, 'ideogate-owner', OWNER_TIMEOUTS, work);
}

/**
 * Makes changes to the record's schema one process at a time. The lock is the database's; another database of the
 * same cluster goes ahead at the same time, so whatever touches roles must be repeatable (`retryOnRoleRace`).
 */
export async function withSchemaLock<T>(session: Session, work: () => Promise<T>): Promise<T> {
  await session.query({ text: 'SELECT pg_advisory_lock($1::bigint)', values: [SCHEMA_LOCK] });
  try {
    return await work();
  } finally {
    // A lost session has lost its locks; the error that tells so is the one to see.
    await session
      .query({ text: 'SELECT pg_advisory_unlock($1::bigint)', values: [SCHEMA_LOCK] })
      .catch(() => {});
  }
}

/** "ideogate" in ASCII. */
const SCHEMA_LOCK = BigInt(`0x${Buffer.from('ideogate').toString('hex')}`).toString();

/**
 * Tries again when another database of the same cluster was changing the same roles: Postgres locks neither roles
 * nor their memberships, and says `unique_violation`, `duplicate_object`, or plainly "tuple concurrently updated".
 */
export async function retryOnRoleRace<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === 20 || !isRoleRace(error)) throw error;
      await delay(5 * attempt * (1 + Math.random()));
    }
  }
}

const ROLE_RACES: readonly string[] = [
  SQLSTATE.uniqueViolation,
  SQLSTATE.duplicateObject,
  SQLSTATE.deadlockDetected,
];

function isRoleRace(error: unknown): boolean {
  const state = sqlState(error);
  if (state === undefined) return false;
  if (ROLE_RACES.includes(state)) return true;
  return (
    state === SQLSTATE.internalError && error instanceof Error && /tuple concurrently/.test(error.message)
  );
}
