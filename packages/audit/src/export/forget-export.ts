import { tryLock } from '@ideogate/postgres';
import { withOwner } from '../database/owner-session.ts';
import { exportLock } from './export-events.ts';
import { TargetError } from './target.ts';

/** Which export is given up. */
export interface ForgettingExport {
  readonly ownerUrl: string;
  /** See `exportName`. */
  readonly name: string;
  /** Puts on record that nobody waits for this export any more. It is forgotten only if this doesn't throw. */
  readonly announce: () => Promise<void>;
}

/**
 * Forgets how far an export has come: months may leave that it hasn't got. Should it be begun again, it begins anew.
 * @returns whether anything was known of it
 * @throws TargetError while somebody sends there; what `announce` throws, or what Postgres says
 */
export function forgetExport({ ownerUrl, name, announce }: ForgettingExport): Promise<boolean> {
  return withOwner(ownerUrl, async (session) => {
    // Who sends would put down again how far it came. The lock goes with the session.
    if (!(await tryLock(session, exportLock(name))))
      throw new TargetError('the record is being sent there just now: stop that first');
    const { rows } = await session.query({
      text: 'SELECT FROM ideogate.chain_position WHERE reader = $1 LIMIT 1',
      values: [name],
    });
    if (rows.length === 0) return false;
    await announce();
    await session.query({ text: 'DELETE FROM ideogate.chain_position WHERE reader = $1', values: [name] });
    return true;
  });
}
